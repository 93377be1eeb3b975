"""Hamnest, by its own commands: hamnest eval times the searches and says their recall.

embedded searches a directory in the process of hamnest eval; served does the same through hamnest
serve, over gRPC on the loopback, where server and client share the cores; exact is embedded
without codes. Many are 16 calls under way, for hamnest eval has no batches.
"""

import json
import os
import re
import subprocess
import time

import numpy as np

from engine import K, Engine, anonymous

HAMNEST = os.environ["HAMNEST_BINARY"]
NAME = "vectors"
CONCURRENCY = {"one": 1, "many": 16}


class Embedded(Engine):
    knobs = [f"--target-recall {t}" for t in (.9, .95, .98, .99, .995, .998)]
    floats = 0  # they are read from mapped files
    kernel = "?"
    peak = 0

    def about(self):
        version = subprocess.run([HAMNEST, "version"], capture_output=True, text=True, check=True).stdout
        return " ".join(version.split())

    def build(self, base, work):
        subprocess.run([HAMNEST, "ingest", NAME, base.filename, "--create", "--data", work], check=True)
        self.work, self.where = work, ["--data", work]

    def measure(self, data, mode, knob, seconds):
        self.data = data
        path, truth = self.work.parent / "queries.npy", self.work.parent / "truth.npy"
        if (mode, knob) not in self.seen:
            self.seen[mode, knob] = self.evaluate(data.folder / "queries.npy", data.folder / "truth.npy", mode, knob, len(data.queries))
        count = max(16, int(self.seen[mode, knob]["qps"] * seconds))
        repeat = -(-count // len(data.queries))
        np.save(path, np.tile(data.queries, (repeat, 1)))
        np.save(truth, np.tile(np.load(data.folder / "truth.npy"), (repeat, 1)))
        row = self.evaluate(path, truth, mode, knob, count)
        self.kernel = row["kernel"]
        return {"qps": row["qps"], "recall": self.seen[mode, knob]["recall"], "p50_ms": row["p50_ms"],
                "vectors_read": row.get("vectors_read_mean"), "kernel": row["kernel"]}

    def evaluate(self, queries, truth, mode, knob, count):
        """Runs hamnest eval twice over in one process, of which the second counts: the first reads
        the pages in, as the other engines' processes have long done."""
        at_once = f"{CONCURRENCY[mode]},{CONCURRENCY[mode]}"
        command = [HAMNEST, "eval", NAME, "--queries", queries, "--truth", truth, "--queries-limit", str(count), "-k", str(K),
                   "--concurrency", at_once, "--format", "json", *knob.split(), *self.where]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if count == len(self.data.queries):  # else repeated queries would be most of it
                    self.peak = max(self.peak, anonymous(process.pid))
        if process.returncode != 0:
            raise RuntimeError(f"hamnest eval {knob}: exit code {process.returncode}")
        return json.loads(lines[-1])

    def memory(self):
        """The searching process has ended by now: the most that it was seen to hold."""
        return super().memory() + self.peak


class Served(Embedded):
    def build(self, base, work):
        super().build(base, work)
        self.server = subprocess.Popen([HAMNEST, "serve", "--data", work, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        for line in self.server.stderr:
            if found := re.search(r"127\.0\.0\.1:\d+", line):
                self.where = ["--server", found[0]]
                return
        raise RuntimeError("hamnest serve ended without saying where it listens")

    def memory(self):
        return anonymous(self.server.pid) if hasattr(self, "server") else 0

    def close(self):
        self.server.terminate()
        self.server.wait()


class Exact(Embedded):
    knobs = ["--exact"]


VARIANTS = {"embedded": Embedded, "served": Served, "exact": Exact}
