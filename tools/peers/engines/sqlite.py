"""sqlite-vec. bit is what its guide to binary quantisation shows: the nearest by Hamming distance over a
bit column, then the float vectors of those in the same statement. Its knob is how many those are; it
allows 4,096. Many are a thread a core with a connection each."""

import importlib.metadata
import threading

import apsw
import sqlite_vec

from engine import Engine

BATCH = 5000  # rows a transaction
SEARCH = """
    with coarse as (select rowid, embedding from vectors where coarse match vec_quantize_binary(:query) and k = :candidates)
    select rowid from coarse order by vec_distance_cosine(embedding, :query) limit :k"""


class Bit(Engine):
    knobs = (40, 100, 400, 1000)
    floats = 0  # they are in a mapped file

    def about(self):
        return f"sqlite-vec {importlib.metadata.version('sqlite-vec')}, SQLite {apsw.sqlite_lib_version()}"

    def connect(self):
        db = apsw.Connection(self.path)
        db.enable_load_extension(True)
        db.load_extension(sqlite_vec.loadable_path())
        db.execute("pragma mmap_size = 17179869184")
        return db

    def build(self, base, work):
        self.path, self.local = str(work / "vectors.db"), threading.local()
        db = self.connect()
        db.execute("pragma journal_mode = wal")
        db.execute(f"create virtual table vectors using vec0(embedding float[{base.shape[1]}] distance_metric=cosine, coarse bit[{base.shape[1]}])")
        for i in range(0, len(base), BATCH):
            with db:
                db.executemany("insert into vectors(rowid, embedding, coarse) values (:row, :vector, vec_quantize_binary(:vector))",
                               ({"row": i + j, "vector": v.tobytes()} for j, v in enumerate(base[i:i + BATCH])))

    def search(self, query, k, knob):
        if not hasattr(self.local, "db"):
            self.local.db = self.connect()
        return [row for row, in self.local.db.execute(SEARCH, {"query": query.tobytes(), "candidates": knob, "k": k})]


VARIANTS = {"bit": Bit}
