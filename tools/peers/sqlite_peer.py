"""sqlite-vec, in Debian's SQLite. Call: sqlite_peer.py bit|float ingest|search DATA WORK

bit is what its guide to binary quantisation shows: k nearest by Hamming distance over a bit column,
then the float vectors of those in the same statement. 16 at a time are 16 threads with a
connection each (SQLite runs outside Python's lock).
"""

import glob
import os
import sqlite3
import sys
import time

from common import CONCURRENCY, K, Data, emit, measure_threads

BATCH = 5000  # rows a transaction
MOST = 4096  # the largest k that sqlite-vec allows

SEARCH = {
    "bit": """
        with coarse as (
            select rowid, embedding from vectors
            where coarse match vec_quantize_binary(:query) and k = :candidates)
        select rowid from coarse order by vec_distance_cosine(embedding, :query) limit :k""",
    "float": "select rowid from vectors where embedding match :query and k = :k order by distance",
}
COLUMNS = {"bit": "embedding float[{dims}] distance_metric=cosine, coarse bit[{dims}]", "float": "embedding float[{dims}] distance_metric=cosine"}
INSERT = {
    "bit": "insert into vectors(rowid, embedding, coarse) values (:row, :vector, vec_quantize_binary(:vector))",
    "float": "insert into vectors(rowid, embedding) values (:row, :vector)",
}


def connect(work):
    db = sqlite3.connect(os.path.join(work, "vectors.db"), isolation_level=None)
    db.enable_load_extension(True)
    [extension] = glob.glob(os.environ["HAMNEST_PEERS_CACHE"] + "/node_modules/sqlite-vec-*/vec0.so")
    db.load_extension(extension.removesuffix(".so"))
    db.execute("pragma mmap_size = 17179869184")
    return db


def ingest(variant, data, work):
    base = data.load("base", mmap_mode="r")
    start = time.perf_counter()
    db = connect(work)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute(f"create virtual table vectors using vec0({COLUMNS[variant].format(dims=base.shape[1])})")
    for i in range(0, len(base), BATCH):
        db.execute("begin")
        db.executemany(INSERT[variant], ({"row": i + j, "vector": v.tobytes()} for j, v in enumerate(base[i:i + BATCH])))
        db.execute("commit")
    db.close()
    emit(seconds=time.perf_counter() - start, durable=f"every {BATCH:,} rows")


def search(variant, data, work):
    queries, rows = data.load("queries"), data.shape()[0]
    candidates = [0] if variant == "float" else [c for c in (40, 100, 400, 1000, 4000) if c <= min(rows, MOST)]
    for c in candidates:
        def open_searcher():
            db = connect(work)

            def run(i):
                found = db.execute(SEARCH[variant], {"query": queries[i].tobytes(), "candidates": c, "k": K})
                return [row for row, in found]
            return run

        for count in CONCURRENCY:
            measure_threads(data, f"C={c}" if c else "exact", count, open_searcher)


if __name__ == "__main__":
    variant, stage, folder, work = sys.argv[1:]
    {"ingest": ingest, "search": search}[stage](variant, Data(folder), work)
