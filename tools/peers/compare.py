"""Runs every peer on every data set and prints the comparison; started by tools/peers/run.

A peer is a command that is called twice, with "ingest" and "search", each time in a process
of its own, pinned to the same cores, killed after the same time. It prints JSON objects, one a
line, as soon as each is known; a later line about the same setting replaces the earlier. What
the processes need in memory and on disk is looked at from here, in the same way for all.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import common

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ["HAMNEST_PEERS_CACHE"])
PYTHON = "/usr/bin/python3"

# Peer and variant -> the command that runs it.
PEERS = {
    "hamnest embedded": [PYTHON, HERE / "hamnest_peer.py", "embedded"],
    "hamnest server": [PYTHON, HERE / "hamnest_peer.py", "server"],
    "hamnest exact": [PYTHON, HERE / "hamnest_peer.py", "exact"],
    "hamnest plain": [PYTHON, HERE / "hamnest_peer.py", "plain"],
    "faiss binary+rescore": [PYTHON, HERE / "faiss_peer.py", "binary"],
    "faiss ivfpq+refine": [PYTHON, HERE / "faiss_peer.py", "ivfpq"],
    "faiss hnsw": [PYTHON, HERE / "faiss_peer.py", "hnsw"],
    "faiss flat (exact)": [PYTHON, HERE / "faiss_peer.py", "flat"],
    "lancedb ivf_rq+refine": [os.environ["HAMNEST_PEERS_NODE"], HERE / "lancedb_peer.mjs", "ivf_rq"],
    "lancedb flat (exact)": [os.environ["HAMNEST_PEERS_NODE"], HERE / "lancedb_peer.mjs", "flat"],
    "sqlite-vec bit+rescore": [PYTHON, HERE / "sqlite_peer.py", "bit"],
    "sqlite-vec float (exact)": [PYTHON, HERE / "sqlite_peer.py", "float"],
}


def main():
    p = argparse.ArgumentParser(prog="tools/peers/run")
    p.add_argument("--cpus", default="0,1", help="the cores of every process, as for taskset")
    p.add_argument("--queries", type=int, default=1000, help="search for the first so many queries")
    p.add_argument("--limit", type=int, default=300, help="seconds a stage (ingest, search) may take")
    p.add_argument("--only", default="", help="regular expression of the peers to run")
    p.add_argument("datasets", nargs="*", help="directories with base.npy, queries.npy and truth.npy")
    args = p.parse_args()

    shared = HERE.parents[2] / "shared/data"
    results = CACHE / time.strftime("results-%Y%m%d-%H%M%S.jsonl")
    print_environment(args)
    with open(results, "w") as log:
        for source in map(pathlib.Path, args.datasets or [shared / "scifact", shared / "debian"]):
            if not (source / "base.npy").exists():
                print(f"skipped {source}: no base.npy", file=sys.stderr)
                continue
            data = common.prepare(source, CACHE / "data" / source.resolve().name, args.queries)
            lines = []
            for peer, command in PEERS.items():
                if re.search(args.only, peer):
                    for line in run_peer(peer, command, data, args):
                        lines.append(line)
                        print(json.dumps(line), file=log, flush=True)
            print_tables(source.name, data, lines, args)
    print(f"one JSON object a line: {results}", file=sys.stderr)


def print_environment(args):
    def output(*command):
        return subprocess.run([*map(str, command)], capture_output=True, text=True).stdout.strip()

    def npm(package):
        return json.loads((CACHE / "node_modules" / package / "package.json").read_text())["version"]

    [cpu] = set(re.findall(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)) or {os.uname().machine}
    versions = output("dpkg-query", "-W", "-f", "${Package} ${Version}, ", "python3-faiss", "libopenblas0-pthread", "libsqlite3-0")
    print(f"{cpu}, {os.cpu_count()} cores of which {args.cpus} are used, load {os.getloadavg()[0]:.1f} before the start; "
          f"{os.uname().sysname} {os.uname().release}")
    print(f"{' '.join(output(CACHE / 'hamnest', 'version').split())}, commit {output('git', '-C', HERE, 'describe', '--always', '--dirty')}; {versions} "
          f"built for {output(PYTHON, '-c', 'import faiss; print(faiss.get_compile_options())')}, "
          f"sqlite-vec {npm('sqlite-vec')}, LanceDB {npm('@lancedb/lancedb')}, "
          f"Node {output(os.environ['HAMNEST_PEERS_NODE'], '--version')}")


def run_peer(peer, command, data, args):
    """Yields the lines of a peer's two stages; nothing of it stays on disk."""
    work = CACHE / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for stage in "ingest", "search":
        print(f"{data.name}: {peer}: {stage}", file=sys.stderr)
        end = {}
        for end in run_stage(stage, peer, command, data, work, args):
            yield end
        if "unfinished" in end:
            break
    shutil.rmtree(work)


def run_stage(stage, peer, command, data, work, args):
    common_fields = {"dataset": data.name, "peer": peer, "stage": stage}
    before = os.getloadavg()[0]
    process = subprocess.Popen(
        ["taskset", "-c", args.cpus, *map(str, command), stage, str(data), str(work)],
        stdout=subprocess.PIPE, stderr=open(CACHE / "errors.log", "w"), text=True,
        start_new_session=True,
        # Faiss's threads sleep while they wait: where anything else runs on the cores, spinning
        # costs it up to 50 times the time.
        env=dict(os.environ, OMP_WAIT_POLICY="passive", HAMNEST_PEERS_THREADS=str(len(cpus_of(args.cpus)))))
    timed_out = threading.Event()

    def stop():
        timed_out.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(args.limit, stop)
    timer.start()
    memory = Memory(process.pid)
    memory.start()
    for line in process.stdout:
        yield {**common_fields, **json.loads(line)}
    failed = process.wait() != 0
    timer.cancel()
    memory.done.set()
    memory.join()
    end = {**common_fields, "peak_rss_bytes": memory.rss, "peak_anon_bytes": memory.anon,
           "disk_bytes": disk_bytes(work), "load_before": before}
    if timed_out.is_set():
        end["unfinished"] = f"not finished in {args.limit} s"
    elif failed:
        last = (CACHE / "errors.log").read_text().strip().splitlines()[-1:]
        end["unfinished"] = "failed: " + "".join(last)
    yield end


def cpus_of(text):
    cpus = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


class Memory(threading.Thread):
    """Looks 20 times a second at what the largest process of a session holds in memory: all of
    its resident pages, and those that are no file's."""

    def __init__(self, session):
        super().__init__(daemon=True)
        self.session, self.done, self.rss, self.anon = session, threading.Event(), 0, 0

    def run(self):
        while not self.done.wait(0.05):
            for status in pathlib.Path("/proc").glob("[0-9]*/status"):
                try:
                    if os.getsid(int(status.parent.name)) != self.session:
                        continue
                    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
                    rss, anon = (int(fields[f].split()[0]) << 10 for f in ("VmHWM", "RssAnon"))
                except (OSError, KeyError):
                    continue  # it has ended
                self.rss, self.anon = max(self.rss, rss), max(self.anon, anon)


def disk_bytes(work):
    return sum(f.stat().st_blocks * 512 for f in work.rglob("*") if f.is_file())


def print_tables(name, data, lines, args):
    rows, dims = data.shape()
    print(f"\n{name}: {rows:,} x {dims}, {data.queries():,} queries, k = {common.K}, cores {args.cpus}\n")
    print("| peer | setting | recall@10 | queries/s, 1 at a time | p50 ms | p99 ms | queries/s, 16 at a time |")
    print("|---|---|---|---|---|---|---|")
    for peer in PEERS:
        found = [l for l in lines if l["peer"] == peer]
        for setting in dict.fromkeys(l["setting"] for l in found if "setting" in l):
            at = {l["concurrency"]: l for l in found if l.get("setting") == setting}
            one, many = at.get(1), at.get(16)
            cells = [f"{one['recall']:.3f}", rate(one["qps"]), f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}"] if one else ["-"] * 4
            print(f"| {peer} | {setting} | {' | '.join(cells)} | {rate(many['qps']) if many else '-'} |")
        for l in found:
            if "unfinished" in l:
                print(f"| {peer} | {l['stage']}: {l['unfinished']} | | | | | |")
    print_fastest(lines)
    print("\n| peer | ingest, vectors/s | durable | disk, bytes a vector | ingest peak RSS MB | search peak RSS MB | of it no file's |")
    print("|---|---|---|---|---|---|---|")
    for peer in PEERS:
        found = [l for l in lines if l["peer"] == peer]
        ingest = next((l for l in found if "seconds" in l), None)
        end = {l["stage"]: l for l in found if "peak_rss_bytes" in l}
        if "search" not in end:
            continue
        speed = [rate(rows / ingest["seconds"]), ingest["durable"]]
        mb = [end["ingest"]["peak_rss_bytes"], end["search"]["peak_rss_bytes"], end["search"]["peak_anon_bytes"]]
        cells = [peer, *speed, f"{end['ingest']['disk_bytes'] / rows:,.0f}", *(f"{b / 1e6:,.0f}" for b in mb)]
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def print_fastest(lines):
    """For each peer the most queries a second among its settings of at least some recall."""
    columns = [(r, c) for r in (0.95, 0.99) for c in common.CONCURRENCY]
    print("\n| queries/s | " + " | ".join(f"recall >= {r}, {c} at a time" for r, c in columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for peer in dict.fromkeys(l["peer"] for l in lines):
        rates = [max((l["qps"] for l in lines if l["peer"] == peer and l.get("concurrency") == c and l["recall"] >= r), default=None)
                 for r, c in columns]
        print(f"| {peer} | " + " | ".join("-" if x is None else rate(x) for x in rates) + " |")


def rate(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}"


if __name__ == "__main__":
    main()
