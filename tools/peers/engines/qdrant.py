"""Qdrant Edge: the storage and the search of Qdrant in the process that asks. bq scans 1-bit codes with
4 bits of the query and rescores with the vectors; hnsw is a graph of the vectors. The knob of bq is how
many are rescored for each of k, of hnsw ef. Many are batches."""

import importlib.metadata

import qdrant_edge as q

from engine import Engine

LINKS, BUILD = 16, 100
BATCH = 1000  # rows of an update
NEVER, ALWAYS = 2**40, 1  # KB from which on it makes a graph


class Qdrant(Engine):
    floats = 0  # they are in mapped files

    def about(self):
        return f"qdrant-edge-py {importlib.metadata.version('qdrant-edge-py')}, {self.settings}"

    def build(self, base, work):
        folder = work / "shard"
        folder.mkdir()
        vectors = q.EdgeVectorParams(base.shape[1], q.Distance.Dot)
        config = q.EdgeConfig(vectors=vectors, max_search_threads=self.cpus, **self.config())
        self.shard = q.EdgeShard.create(str(folder), config)
        for i in range(0, len(base), BATCH):
            points = [q.Point(i + j, v.tolist()) for j, v in enumerate(base[i:i + BATCH])]
            self.shard.update(q.UpdateOperation.upsert_points(points))
        self.shard.flush()
        self.shard.optimize()

    def search(self, query, k, knob):
        return [point.id for point in self.shard.query(self.request(query[0], k, knob))]

    def batch(self, queries, k, knob):
        batch = q.QueryBatchRequest([self.request(query, k, knob) for query in queries])
        return [[point.id for point in points] for points in self.shard.query_batch(batch)]

    def request(self, query, k, knob):
        return q.QueryRequest(limit=k, query=q.Query.Nearest(query.tolist()), params=self.parameters(knob))


class Binary(Qdrant):
    settings = "1 bit, 4 bits of the query, no graph"
    knobs = (2, 4, 8, 16, 32, 64)

    def config(self):
        codes = q.BinaryQuantizationConfig(encoding=q.BinaryQuantizationEncoding.OneBit, query_encoding=q.BinaryQuantizationQueryEncoding.Scalar4Bits,
                                           memory=q.Memory.Pinned)
        return {"quantization_config": codes, "hnsw_config": q.HnswIndexConfig(0, BUILD, NEVER),
                "optimizers": q.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=ALWAYS)}

    def parameters(self, knob):
        return q.SearchParams(quantization=q.QuantizationSearchParams(rescore=True, oversampling=float(knob)))


class HNSW(Qdrant):
    settings = f"m {LINKS}, ef_construct {BUILD}"
    knobs = (16, 32, 64, 128, 256, 512)

    def config(self):
        return {"hnsw_config": q.HnswIndexConfig(LINKS, BUILD, ALWAYS),
                "optimizers": q.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=ALWAYS)}

    def parameters(self, knob):
        return q.SearchParams(hnsw_ef=knob)


VARIANTS = {"bq": Binary, "hnsw": HNSW}
