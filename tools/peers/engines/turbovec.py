"""turbovec: a scan of all codes of 2 bits a dimension; the best are compared with the vectors by
Faiss's loop, for turbovec keeps none. Its knob is how many."""

import importlib.metadata

import faiss
import numpy as np
import turbovec

from engine import Engine, rescore

BITS = 2
SAMPLE = 1024  # rows to calibrate with, as its documentation has it


class TurboVec(Engine):
    knobs = (10, 15, 20, 30, 40, 60, 100, 200)
    floats = 0

    def about(self):
        return f"turbovec {importlib.metadata.version('turbovec')}, {BITS} bits, calibrated; rescored by faiss-cpu {faiss.__version__}"

    def threads(self, count):
        faiss.omp_set_num_threads(count)

    def build(self, base, work):
        rows = np.random.default_rng(1).choice(len(base), min(SAMPLE, len(base)), replace=False)
        self.base = base
        self.index = turbovec.TurboQuantIndex(base.shape[1], BITS)
        self.index.calibrate(np.array(base[np.sort(rows)]))
        for i in range(0, len(base), 10000):
            self.index.add(np.array(base[i:i + 10000]))
        self.index.prepare()

    def search(self, query, k, knob):
        return self.batch(query, k, knob)[0]

    def batch(self, queries, k, knob):
        return rescore(self.base, queries, self.index.search(queries, knob)[1], k)


VARIANTS = {"2bit": TurboVec}
