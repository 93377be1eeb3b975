"""zvec: collections on disk. rabitq is a graph of RaBitQ codes of 7 bits, refined with the vectors;
hnsw a graph of the vectors. Its knob is ef. Many are a thread a core."""

import importlib.metadata

import zvec

from engine import Engine

LINKS, BUILD = 32, 200
BATCH = 1000  # rows, the most it takes at a time


class ZVec(Engine):
    knobs = (10, 20, 40, 80, 160, 320)
    floats = 0  # they are in mapped files

    def about(self):
        return f"zvec {importlib.metadata.version('zvec')}, m {LINKS}, ef_construction {BUILD}"

    def build(self, base, work):
        zvec.init(query_threads=self.cpus, optimize_threads=self.cpus)
        vectors = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, base.shape[1], index_param=self.index())
        self.collection = zvec.create_and_open(str(work / "collection"), zvec.CollectionSchema("c", vectors=vectors))
        for i in range(0, len(base), BATCH):
            self.collection.insert([zvec.Doc(id=str(i + j), vectors={"v": v.tolist()}) for j, v in enumerate(base[i:i + BATCH])])
        self.collection.flush()
        self.collection.optimize()

    def search(self, query, k, knob):
        found = self.collection.query(zvec.Query("v", vector=query[0], param=self.parameters(knob)), topk=k, output_fields=[])
        return [int(doc.id) for doc in found]


class RaBitQ(ZVec):
    def index(self):
        return zvec.HnswRabitqIndexParam(zvec.MetricType.IP, m=LINKS, ef_construction=BUILD)

    def parameters(self, knob):
        return zvec.HnswRabitqQueryParam(ef=knob, is_using_refiner=True)


class HNSW(ZVec):
    def index(self):
        return zvec.HnswIndexParam(zvec.MetricType.IP, m=LINKS, ef_construction=BUILD)

    def parameters(self, knob):
        return zvec.HnswQueryParam(ef=knob)


VARIANTS = {"rabitq": RaBitQ, "hnsw": HNSW}
