"""Scalable Vector Search: a Vamana graph of compressed vectors. lvq has 4 bits and 8 more a dimension
to rerank; leanvec a quarter of the dimensions in 8 bits, and all in 8 to rerank. Its knob is the
search window."""

import importlib.metadata

import numpy as np
import svs

from engine import Engine

DEGREE, WINDOW, ALPHA = 64, 200, 1.2


class Vamana(Engine):
    knobs = (10, 15, 20, 30, 40, 60, 100, 200, 400)
    floats = 0

    def about(self):
        return f"scalable-vs {importlib.metadata.version('scalable-vs')}, {self.settings}, degree {DEGREE}, window {WINDOW}, alpha {ALPHA}"

    def build(self, base, work):
        path = str(work / "base.fvecs")
        svs.write_vecs(np.asarray(base), path)
        loader = self.loader(svs.VectorDataLoader(path, svs.float32, base.shape[1]), base.shape[1])
        parameters = svs.VamanaBuildParameters(graph_max_degree=DEGREE, window_size=WINDOW, alpha=ALPHA)
        self.index = svs.Vamana.build(parameters, loader, svs.L2, num_threads=self.cpus)

    def threads(self, count):
        if hasattr(self, "index"):
            self.index.num_threads = count

    def search(self, query, k, knob):
        return self.batch(query, k, knob)[0]

    def batch(self, queries, k, knob):
        self.index.search_window_size = knob
        return self.index.search(queries, k)[0].astype(np.int64)


class LVQ(Vamana):
    settings = "LVQ 4x8"

    def loader(self, file, dims):
        return svs.LVQLoader(file, primary=4, residual=8)


class LeanVec(Vamana):
    settings = "LeanVec"

    def loader(self, file, dims):
        self.settings = f"LeanVec {dims // 4}, 8 bits and 8"
        return svs.LeanVecLoader(file, dims // 4, primary_kind=svs.LeanVecKind.lvq8, secondary_kind=svs.LeanVecKind.lvq8)


VARIANTS = {"lvq": LVQ, "leanvec": LeanVec}
