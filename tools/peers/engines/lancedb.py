"""LanceDB: a table on disk with IVF_RQ, partitions of RaBitQ codes of one bit, refined with the stored
vectors. Its knob is how many partitions are looked at, and how many are refined for each of k. Many are
a thread a core; LanceDB has its own threads behind them."""

import importlib.metadata

import lancedb
import lancedb.index
import numpy as np
import pyarrow as pa

from engine import Engine

BATCH = 10000  # rows added at a time


class IVFRQ(Engine):
    knobs = ("8 2", "8 4", "20 4", "20 10", "64 10", "128 20")
    floats = 0  # they are in files

    def about(self):
        return f"lancedb {importlib.metadata.version('lancedb')}, IVF_RQ, 1 bit, its own number of partitions"

    def build(self, base, work):
        dims = base.shape[1]
        schema = pa.schema([("id", pa.int32()), ("vector", pa.list_(pa.float32(), dims))])
        self.table = lancedb.connect(str(work / "db")).create_table("vectors", schema=schema)
        for i in range(0, len(base), BATCH):
            block = np.array(base[i:i + BATCH])
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), dims)
            self.table.add(pa.table([pa.array(np.arange(i, i + len(block), dtype=np.int32)), vectors], schema=schema))
        self.table.create_index("vector", config=lancedb.index.IvfRq(distance_type="cosine"))
        self.table.optimize()

    def search(self, query, k, knob):
        probes, factor = map(int, knob.split())
        found = self.table.search(query[0]).distance_type("cosine").nprobes(probes).refine_factor(factor).limit(k).select(["id", "_distance"])
        return found.to_arrow()["id"].to_pylist()


VARIANTS = {"ivfrq": IVFRQ}
