"""Milvus Lite, over gRPC from its own server beside the client: HNSW of the vectors. Its knob is ef. Many
are batches."""

import importlib.metadata

import pymilvus

from engine import Engine

LINKS, BUILD = 16, 200
BATCH = 1000  # rows an insert


class HNSW(Engine):
    knobs = (20, 50, 100, 200, 400)
    floats = 4

    def about(self):
        return f"milvus-lite {importlib.metadata.version('milvus-lite')}, pymilvus {pymilvus.__version__}, HNSW M {LINKS}, efConstruction {BUILD}"

    def build(self, base, work):
        self.client = pymilvus.MilvusClient(str(work / "milvus.db"))
        schema = self.client.create_schema()
        schema.add_field("id", pymilvus.DataType.INT64, is_primary=True)
        schema.add_field("v", pymilvus.DataType.FLOAT_VECTOR, dim=base.shape[1])
        index = self.client.prepare_index_params()
        index.add_index("v", index_type="HNSW", metric_type="IP", params={"M": LINKS, "efConstruction": BUILD})
        self.client.create_collection("c", schema=schema)
        for i in range(0, len(base), BATCH):
            self.client.insert("c", [{"id": i + j, "v": v} for j, v in enumerate(base[i:i + BATCH].tolist())])
        self.client.flush("c")
        self.client.create_index("c", index)
        self.client.load_collection("c")

    def search(self, query, k, knob):
        return self.batch(query, k, knob)[0]

    def batch(self, queries, k, knob):
        found = self.client.search("c", queries.tolist(), limit=k, anns_field="v", search_params={"metric_type": "IP", "params": {"ef": knob}})
        return [[hit["id"] for hit in hits] for hits in found]


VARIANTS = {"hnsw": HNSW}
