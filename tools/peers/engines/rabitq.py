"""rabitqlib. symphony is SymphonyQG, a graph whose nodes have the 1-bit codes of their neighbours
beside them; its knob is ef. ivf are partitions of 7-bit codes and no vectors; its knob is nprobe."""

import importlib.metadata

import numpy as np
import rabitqlib

from engine import Engine

DEGREE, BUILD = 32, 200
BITS = 7


class RaBitQ(Engine):
    count = 1

    def about(self):
        return f"rabitqlib {importlib.metadata.version('rabitqlib')}, {self.settings}"

    def threads(self, count):
        self.count = count

    def search(self, query, k, knob):
        return self.index.search(query, k, knob, num_threads=1)[0][0]


class Symphony(RaBitQ):
    settings = f"degree {DEGREE}, ef_construction {BUILD}"
    knobs = (10, 15, 20, 30, 40, 60, 80, 120, 200, 400, 800)

    def build(self, base, work):
        self.index = rabitqlib.SymqgIndex(base.shape[1], DEGREE, metric="l2")
        self.index.build(np.asarray(base), BUILD, num_threads=self.cpus)

    def batch(self, queries, k, knob):
        return self.index.search_batch(queries, k, knob, num_threads=self.count)[0]


class IVF(RaBitQ):
    settings = f"{BITS} bits, 2 sqrt(rows) partitions"
    knobs = (4, 8, 16, 32, 64, 128)
    floats = 0

    def build(self, base, work):
        rows, dims = base.shape
        base, lists = np.asarray(base), int(2 * rows ** .5)
        clusters = rabitqlib.RaBitQKMeans(dims, lists, num_threads=self.cpus)
        clusters.train(base)
        self.index = rabitqlib.IvfIndex(dims, rows, lists, BITS, metric="l2")
        self.index.build(base, clusters.centroids, clusters.assignments, num_threads=self.cpus)

    def batch(self, queries, k, knob):
        return self.index.search(queries, k, knob, num_threads=self.count)[0]


VARIANTS = {"symphony": Symphony, "ivf": IVF}
