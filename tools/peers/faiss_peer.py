"""Faiss, as Debian packages it. Call: faiss_peer.py binary|ivfpq|hnsw|flat ingest|search DATA WORK

One query at a time is one call a query; 16 at a time are calls of 16 queries, which Faiss
spreads over one OpenMP thread a core. Everything is in memory; ingest writes it to one file at
the end and syncs that.
"""

import os
import sys
import time

import faiss
import numpy as np

from common import CONCURRENCY, K, Data, emit, measure, threads

HNSW_LINKS, HNSW_BUILD = 32, 100
BLOCK = 10000  # rows added at a time
MANY = 100000  # rows, from which on an index needs more effort


def signs(vectors):
    return np.packbits(vectors > 0, axis=1, bitorder="little")


def build(variant, base):
    rows, dims = base.shape
    if variant == "binary":
        index = faiss.IndexBinaryFlat((dims + 7) // 8 * 8)
        for i in range(0, rows, BLOCK):
            index.add(signs(base[i:i + BLOCK]))
        return index
    if variant == "hnsw":
        index = faiss.IndexHNSWFlat(dims, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = HNSW_BUILD
    elif variant == "ivfpq":
        # One bit a dimension: 4 bits for every 4 dimensions, refined with the float vectors.
        lists = int(np.sqrt(rows))
        index = faiss.index_factory(dims, f"IVF{lists},PQ{dims // 4}x4fs,RFlat", faiss.METRIC_INNER_PRODUCT)
        index.train(np.array(base[:: max(1, rows // (lists * 64))]))
    else:
        index = faiss.IndexFlatIP(dims)
    for i in range(0, rows, BLOCK):
        index.add(np.array(base[i:i + BLOCK]))
    return index


def ingest(variant, data, work):
    base = data.load("base", mmap_mode="r")
    start = time.perf_counter()
    index = build(variant, base)
    path = os.path.join(work, "index")
    if variant == "binary":
        faiss.write_index_binary(index, path)
        np.save(os.path.join(work, "vectors.npy"), base)
    else:
        faiss.write_index(index, path)
    for name in os.listdir(work):
        with open(os.path.join(work, name), "rb") as file:
            os.fsync(file.fileno())
    emit(seconds=time.perf_counter() - start, durable="one file at the end, synced")


def search(variant, data, work):
    queries = data.load("queries")
    path = os.path.join(work, "index")
    if variant == "binary":
        index, vectors = faiss.read_index_binary(path), np.load(os.path.join(work, "vectors.npy"))
        bits = signs(queries)

        def run(i, j):
            _, rows = index.search(bits[i:j], candidates)
            return rescore(vectors, queries[i:j], rows)

        for candidates in (40, 100, 400, 1000, 4000):
            if candidates <= len(vectors):
                for at_once in CONCURRENCY:
                    measure(data, f"C={candidates}", at_once, run)
        return

    index = faiss.read_index(path)

    def run(i, j):
        return index.search(queries[i:j], K)[1]

    for setting in settings(variant, index):
        for at_once in CONCURRENCY:
            measure(data, setting, at_once, run)


def settings(variant, index):
    """Yields the settings of a variant, each after applying it."""
    if variant == "hnsw":
        for ef in (16, 32, 64, 128, 256, 512, 1024, 2048):
            if ef > 512 and index.ntotal < MANY:
                break  # long past a recall of 1
            index.hnsw.efSearch = ef
            yield f"M={HNSW_LINKS}, efSearch={ef}"
    elif variant == "ivfpq":
        codes = faiss.downcast_index(index.base_index)
        for probes, factor in ((4, 4), (8, 10), (16, 10), (32, 20), (64, 40), (128, 100), (256, 100), (512, 400)):
            if probes <= codes.nlist:
                codes.nprobe, index.k_factor = probes, factor
                yield f"nprobe={probes} of {codes.nlist}, C={factor * K}"
    else:
        # BLAS for any number of queries in a call: by default for 20 and more, and 16 at a time would
        # have 13 times fewer answers a second.
        faiss.cvar.distance_compute_blas_threshold = 1
        yield "exact"


def rescore(vectors, queries, rows):
    """The best K of each row of candidates by inner product: what IndexRefineFlat does, which
    takes no binary index. For one query numpy with OpenBLAS is the faster, for more Faiss's own
    loop, which has a thread a core."""
    rows = np.sort(rows, axis=1)  # memory is read in order
    if len(queries) == 1:
        scores = (vectors[rows[0]] @ queries[0])[None]
    else:
        scores = np.empty(rows.shape, np.float32)
        faiss.fvec_inner_products_by_idx(
            *map(faiss.swig_ptr, (scores, queries, vectors, rows)), vectors.shape[1], *rows.shape)
    best = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    return np.take_along_axis(rows, best, axis=1)


if __name__ == "__main__":
    variant, stage, folder, work = sys.argv[1:]
    faiss.omp_set_num_threads(threads())
    {"ingest": ingest, "search": search}[stage](variant, Data(folder), work)
