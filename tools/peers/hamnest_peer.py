"""Hamnest, by its own commands. Call: hamnest_peer.py embedded|server|exact|plain ingest|search DATA WORK

embedded and exact search a directory in the process of hamnest eval; server searches the same
directory through hamnest serve, over gRPC on the loopback, where server and client share the cores.
All have the default profile, which hamnest ingest chooses by measuring before it ends, and say
which that is; plain is embedded without one. 16 at a time are 16 calls under way.
"""

import json
import os
import re
import subprocess
import sys
import time

from common import CONCURRENCY, K, RUNS, RUNS_SECONDS, Data, emit

HAMNEST = os.environ["HAMNEST_PEERS_CACHE"] + "/hamnest"
NAME = "vectors"
CANDIDATES = (40, 100, 400, 1000)


def ingest(variant, data, work):
    profile = ["--profile", "plain"] if variant == "plain" else []
    start = time.perf_counter()
    subprocess.run([HAMNEST, "ingest", NAME, data.folder / "base.npy", "--create", *profile, "--data", work],
                   check=True, stdout=subprocess.DEVNULL)
    emit(seconds=time.perf_counter() - start, durable="every batch before its acknowledgement")


def search(variant, data, work):
    if variant != "server":
        return evaluate(variant, data, ["--data", work])
    with subprocess.Popen([HAMNEST, "serve", "--data", work, "--listen", "127.0.0.1:0"],
                          stderr=subprocess.PIPE, text=True) as server:
        for line in server.stderr:
            if found := re.search(r"127\.0\.0\.1:\d+", line):
                break
        else:
            sys.exit("hamnest serve ended without saying where it listens")
        try:
            evaluate(variant, data, ["--server", found[0]])
        finally:
            server.terminate()


def evaluate(variant, data, where):
    rows, dims = data.shape()
    command = [HAMNEST, "eval", NAME, "--format", "json", "-k", str(K), "--concurrency", joined(CONCURRENCY),
               "--queries", data.folder / "queries.npy", "--truth", data.folder / "truth.npy", *where]
    if variant == "exact":
        command.append("--exact")
    else:
        prefixes = [256, dims] if dims > 256 else [dims]
        command += ["--dims", joined(prefixes), "--candidates", joined(c for c in CANDIDATES if c <= rows)]
    # A process measures every setting once; the best of its runs counts, as for the others,
    # and is printed whenever it is beaten.
    best, began = {}, time.perf_counter()
    for _ in range(RUNS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                row = json.loads(line)
                setting = "exact" if variant == "exact" else f"{row['profile']}, dims={row['dims']}, C={row['candidates']:.0f}"
                key = setting, row["concurrency"]
                if row["qps"] > best.get(key, 0):
                    best[key] = row["qps"]
                    emit(setting=setting, **{f: row[f] for f in (
                        "concurrency", "queries", "recall", "qps", "p50_ms", "p99_ms", "vectors_read_mean", "profile", "bound", "kernel") if f in row})
        if process.returncode != 0:
            sys.exit(process.returncode)
        if time.perf_counter() - began > RUNS_SECONDS * len(best):
            break


def joined(numbers):
    return ",".join(map(str, numbers))


if __name__ == "__main__":
    variant, stage, folder, work = sys.argv[1:]
    {"ingest": ingest, "search": search}[stage](variant, Data(folder), work)
