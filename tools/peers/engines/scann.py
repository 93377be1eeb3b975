"""ScaNN: 4-bit codes of two dimensions each (anisotropic), reordered by the vectors. flat scans all
and its knob is how many are reordered; tree looks at some of the leaves, so many."""

import importlib.metadata

import numpy as np
import scann

from engine import Engine

THRESHOLD = .2  # of its anisotropic loss, as its documentation has it
TRAIN = 100000


class Flat(Engine):
    knobs = (20, 40, 80, 160, 320, 640)

    def about(self):
        return f"scann {importlib.metadata.version('scann')}, AH of 2 dimensions"

    def tree(self, builder, rows):
        return builder

    def build(self, base, work):
        builder = scann.scann_ops_pybind.builder(np.asarray(base), 10, "dot_product").set_n_training_threads(self.cpus)
        builder = self.tree(builder, len(base)).score_ah(2, anisotropic_quantization_threshold=THRESHOLD, training_sample_size=TRAIN)
        self.index = builder.reorder(100).build()

    def threads(self, count):
        self.count = count
        if hasattr(self, "index"):
            self.index.set_num_threads(count)

    def arguments(self, knob):
        return {"pre_reorder_num_neighbors": knob}

    def search(self, query, k, knob):
        return self.index.search(query[0], k, **self.arguments(knob))[0]

    def batch(self, queries, k, knob):
        return self.index.search_batched_parallel(queries, k, **self.arguments(knob))[0]


class Tree(Flat):
    knobs = ("10 40", "20 80", "40 160", "80 160", "80 320", "160 320", "320 640")

    def tree(self, builder, rows):
        self.leaves = int(2 * rows ** .5)
        return builder.tree(self.leaves, max(knob_leaves for knob_leaves, _ in map(pair, self.knobs)), training_sample_size=TRAIN)

    def arguments(self, knob):
        leaves, reorder = pair(knob)
        return {"leaves_to_search": min(leaves, self.leaves), "pre_reorder_num_neighbors": reorder}


def pair(knob):
    return tuple(map(int, knob.split()))


VARIANTS = {"flat": Flat, "tree": Tree}
