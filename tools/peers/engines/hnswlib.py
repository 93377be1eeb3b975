"""hnswlib: the graph of the float vectors. Its knob is ef."""

import importlib.metadata

import hnswlib

from engine import Engine

LINKS, BUILD = 16, 200


class HNSW(Engine):
    knobs = (10, 20, 40, 80, 160, 320, 640)
    count = 1

    def about(self):
        return f"hnswlib {importlib.metadata.version('hnswlib')}, M {LINKS}, ef_construction {BUILD}"

    def threads(self, count):
        self.count = count

    def build(self, base, work):
        self.index = hnswlib.Index("ip", base.shape[1])
        self.index.init_index(len(base), M=LINKS, ef_construction=BUILD)
        self.index.add_items(base, num_threads=self.cpus)

    def search(self, query, k, knob):
        return self.batch(query, k, knob)[0]

    def batch(self, queries, k, knob):
        self.index.set_ef(knob)
        return self.index.knn_query(queries, k, num_threads=self.count)[0]


VARIANTS = {"hnsw": HNSW}
