"""Faiss. pq and rabitq scan all codes with FastScan (4-bit tables in registers) and refine the best
with the vectors; ivfrabitq looks at some of the partitions only; hnsw is a graph of the vectors
themselves; flat compares with all. Its knob is how many candidates are refined for each of k; of
ivfrabitq how many partitions, and that; of hnsw efSearch."""

import faiss
import numpy as np

from engine import Engine

LINKS, BUILD = 32, 200
TRAIN = 50000


class Faiss(Engine):
    def about(self):
        return f"faiss-cpu {faiss.__version__}, kernels {faiss.SIMDConfig.get_level_name()}, {self.factory}"

    def threads(self, count):
        faiss.omp_set_num_threads(count)

    def build(self, base, work):
        rows, dims = base.shape
        self.factory = self.recipe(rows, dims)
        self.index = faiss.index_factory(dims, self.factory, faiss.METRIC_INNER_PRODUCT)
        self.configure()
        self.index.train(np.array(base[:: max(1, rows // TRAIN)]))
        for i in range(0, rows, 10000):
            self.index.add(np.array(base[i:i + 10000]))

    def configure(self):
        pass

    def set(self, knob):
        self.index.k_factor = knob

    def search(self, query, k, knob):
        return self.batch(query, k, knob)[0]

    def batch(self, queries, k, knob):
        self.set(knob)
        return self.index.search(queries, k)[1]


class PQ(Faiss):
    knobs = (1, 2, 4, 8, 16, 32, 64)

    def recipe(self, rows, dims):
        return f"PQ{dims // 4}x4fs,RFlat"  # one bit a dimension


class RaBitQ(Faiss):
    knobs = (2, 4, 8, 16, 32, 64, 128)

    def recipe(self, rows, dims):
        return f"RR{dims},RaBitQfs,RFlat"  # its estimate wants a random rotation first


class IVFRaBitQ(Faiss):
    knobs = ("4 4", "8 8", "16 8", "16 16", "32 16", "64 16", "64 32", "128 32")

    def recipe(self, rows, dims):
        return f"RR{dims},IVF{int(rows ** .5)},RaBitQfs,RFlat"

    def set(self, knob):
        probes, self.index.k_factor = map(int, knob.split())
        faiss.extract_index_ivf(self.index.base_index).nprobe = probes


class HNSW(Faiss):
    knobs = (16, 32, 64, 128, 256, 512)

    def recipe(self, rows, dims):
        return f"HNSW{LINKS},Flat"

    def configure(self):
        self.index.hnsw.efConstruction = BUILD

    def set(self, knob):
        self.index.hnsw.efSearch = knob


class Flat(Faiss):
    knobs = ("exact",)

    def recipe(self, rows, dims):
        return "Flat"

    def set(self, knob):
        pass


VARIANTS = {"pq": PQ, "rabitq": RaBitQ, "ivfrabitq": IVFRaBitQ, "hnsw": HNSW, "flat": Flat}
