"""USearch. hnsw is its graph of the float vectors; b1 a graph of their signs, of which the best are
compared with the vectors by Faiss's loop. Its knob is the expansion; of b1 also how many those are."""

import importlib.metadata

import faiss
import numpy as np
import usearch.index

from engine import Engine, rescore

LINKS, BUILD = 16, 128


class HNSW(Engine):
    knobs = (10, 20, 40, 80, 160, 320, 640)
    count = 1
    kind = {"metric": "ip", "dtype": "f32"}

    def about(self):
        return f"usearch {importlib.metadata.version('usearch')}, kernels {self.index.hardware_acceleration}, connectivity {LINKS}, expansion {BUILD}"

    def threads(self, count):
        self.count = count
        faiss.omp_set_num_threads(count)

    def build(self, base, work):
        self.base = base
        self.index = usearch.index.Index(ndim=base.shape[1], connectivity=LINKS, expansion_add=BUILD, **self.kind)
        for i in range(0, len(base), 10000):
            self.index.add(np.arange(i, min(i + 10000, len(base))), self.codes(base[i:i + 10000]), threads=self.count)

    def codes(self, vectors):
        return np.array(vectors)

    def search(self, query, k, knob):
        return self.batch(query, k, knob)[0]

    def found(self, queries, k, knob):
        self.index.expansion_search = knob
        keys = self.index.search(self.codes(queries), k, threads=self.count).keys
        return keys.astype(np.int64).reshape(len(queries), -1)

    def batch(self, queries, k, knob):
        return self.found(queries, k, knob)


class Binary(HNSW):
    knobs = (40, 100, 200, 400, 800, 1600)
    floats = 0
    kind = {"metric": "hamming", "dtype": "b1"}

    def codes(self, vectors):
        return np.packbits(np.asarray(vectors) > 0, axis=1)

    def batch(self, queries, k, knob):
        return rescore(self.base, queries, self.found(queries, knob, knob), k)


VARIANTS = {"hnsw": HNSW, "b1": Binary}
