"""What every engine of the comparison is, and the process that holds one; started by run.

    engine.py prepare SOURCE DATA QUERIES      makes a data set ready for all
    engine.py NAME/VARIANT DATA WORK CPUS      reads requests, one JSON object a line, and answers each so

The requests are {"do": "build"} and {"do": "measure", "mode": "one" or "many", "knob": K, "seconds": S}.
What an engine itself prints goes to standard error.
"""

import ctypes
import gc
import importlib
import itertools
import json
import os
import pathlib
import sys
import threading
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
K = 10
WARM_UP = 16  # searches before those that are timed
TIE = 1e-6  # scores so close, as a share of the larger, are equal, as in hamnest eval
PR_SET_CHILD_SUBREAPER = 36


class Engine:
    """One index over one data set. An engine is a class of this in VARIANTS of engines/NAME.py.

    Vectors are float32 of length 1, so that cosine, inner product and distance rank alike.
    """

    knobs = ()  # what search takes as knob, from fast to right
    floats = 4  # bytes a dimension of its own copy of the vectors in memory that is no file's

    def __init__(self, cpus):
        self.cpus = len(cpus)

    def about(self):
        """Says which versions, kernels and settings these are."""
        return ""

    def build(self, base, work):
        """Indexes base (rows x dims, a mapped file); work is an empty folder of its own."""
        raise NotImplementedError

    def threads(self, count):
        """Sets how many threads the next calls may use, where that can be said."""

    def search(self, query, k, knob):
        """Returns the row numbers of the k nearest to query (1 x dims), for one caller."""
        raise NotImplementedError

    def batch(self, queries, k, knob):
        """Returns (queries x k) row numbers, as fast as two cores can. Here: a thread a core, each of
        which takes the next query; an engine that takes many queries in a call does that."""
        answers = np.full((len(queries), k), -1, np.int64)
        order = itertools.count()  # next() is one step under Python's lock
        problems = []

        def work():
            try:
                for i in iter(lambda: next(order), None):
                    if i >= len(queries):
                        return
                    found = self.search(queries[i:i + 1], k, knob)
                    answers[i, :len(found)] = found
            except BaseException as problem:
                problems.append(problem)

        workers = [threading.Thread(target=work) for _ in range(self.cpus)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        if problems:
            raise problems[0]
        return answers

    def measure(self, data, mode, knob, seconds):
        """Returns qps and recall, and p50_ms for one caller."""
        queries, right = data.queries, data.right
        if knob not in self.seen:
            start = time.perf_counter()
            found = np.asarray(self.batch(queries, K, knob))
            self.seen[knob] = recall(found, right), time.perf_counter() - start
        share, took = self.seen[knob]
        if mode == "many":
            # A slow engine is timed with a part of the queries.
            part = queries[:max(2 * WARM_UP, int(len(queries) * min(1, seconds / took)))]
            self.batch(queries[:WARM_UP], K, knob)
            start, calls = time.perf_counter(), 0
            while time.perf_counter() - start < seconds:
                self.batch(part, K, knob)
                calls += 1
            return {"qps": calls * len(part) / (time.perf_counter() - start), "recall": share}
        for i in range(WARM_UP):
            self.search(queries[i:i + 1], K, knob)
        latencies, answers = [], np.full((len(queries), K), -1, np.int64)
        start = time.perf_counter()
        while time.perf_counter() - start < seconds or len(latencies) < WARM_UP:
            i = len(latencies) % len(queries)
            began = time.perf_counter()
            found = self.search(queries[i:i + 1], K, knob)
            latencies.append(time.perf_counter() - began)
            answers[i, :len(found)] = found
        qps = len(latencies) / (time.perf_counter() - start)
        asked = min(len(latencies), len(queries))
        return {"qps": qps, "recall": share, "p50_ms": 1e3 * float(np.median(latencies)),
                "recall_one": recall(answers[:asked], right[:asked]), "asked": asked}

    def memory(self):
        """Bytes in memory that is no file's, of this process and those it started."""
        return sum(anonymous(pid) for pid in processes())

    def close(self):
        pass


def rescore(base, queries, rows, k):
    """The k best of each row of candidates by inner product with the vectors themselves, by Faiss's
    loop: it has the machine's kernels and a thread a core, which numpy has not for gathered rows."""
    import faiss
    rows = np.ascontiguousarray(rows, np.int64)
    scores = np.empty(rows.shape, np.float32)
    faiss.fvec_inner_products_by_idx(*map(faiss.swig_ptr, (scores, queries, base, rows)), base.shape[1], *rows.shape)
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return np.take_along_axis(rows, best, axis=1)


class Data:
    """A prepared data set: base (mapped) and queries, float32 with rows of length 1; right, whose row i
    has the right answers to query i, padded with -1; and truth.npy of the same queries."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.base = np.load(self.folder / "base.npy", mmap_mode="r")
        self.queries = np.load(self.folder / "queries.npy")
        self.right = np.load(self.folder / "right.npy")


def prepare(source, folder, queries):
    """Converts a data set, once for a source and a number of queries."""
    source, folder = pathlib.Path(source).resolve(), pathlib.Path(folder)
    stamp = f"{source} {(source / 'base.npy').stat().st_mtime_ns} {queries}"
    if (folder / "stamp").exists() and (folder / "stamp").read_text() == stamp:
        return
    folder.mkdir(parents=True, exist_ok=True)
    base = normalise(source / "base.npy", folder / "base.npy", None)
    query = normalise(source / "queries.npy", folder / "queries.npy", int(queries))
    truth = np.load(source / "truth.npy")[:int(queries)]
    np.save(folder / "truth.npy", truth)
    np.save(folder / "right.npy", right_answers(base, query, truth))
    (folder / "stamp").write_text(stamp)


def normalise(source, target, limit):
    """Writes the first rows of source as float32 of length 1, a block at a time."""
    vectors = np.load(source, mmap_mode="r")[:limit]
    out = np.lib.format.open_memmap(target, "w+", "<f4", vectors.shape)
    for i in range(0, len(vectors), 10000):
        block = vectors[i:i + 10000].astype(np.float64)
        out[i:i + 10000] = block / np.linalg.norm(block, axis=1, keepdims=True)
    out.flush()
    return out


def right_answers(base, queries, truth):
    """The first K of the truth and those that tie with the K-th, as hamnest eval has it: by
    cosine in float64, within TIE of the larger, as far as the truth goes."""
    right = np.full(truth.shape, -1, np.int32)
    for i, (query, rows) in enumerate(zip(queries, truth)):
        x, q = base[rows].astype(np.float64), query.astype(np.float64)
        score = x @ q / np.sqrt((x * x).sum(axis=1) * (q @ q))
        kth = score[K - 1]
        is_right = np.abs(score - kth) <= TIE * np.maximum(np.abs(score), np.abs(kth))
        is_right[:K] = True
        right[i, :is_right.sum()] = rows[is_right]
    return right


def recall(answers, right):
    """answers has K rows of the base for each query, -1 where there was none."""
    found = [min(K, len(set(a) & (set(r) - {-1}))) for a, r in zip(answers.tolist(), right.tolist())]
    return sum(found) / (K * len(found))


def processes():
    """The numbers of this process and all that descend from it; those whose parent ended count, for
    this process asked the kernel to become their parent."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def anonymous(pid):
    """Bytes of a process in pages of no file; what processes share is divided among them."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0  # it has ended
    fields = dict(line.split(":", 1) for line in lines)
    return sum(int(fields[f].split()[0]) for f in ("Pss_Anon", "Pss_Shmem") if f in fields) << 10


def pin(cpus):
    """Lets this process and its descendants, with all of their threads, run on cpus only."""
    for pid in processes():
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                os.sched_setaffinity(int(task.name), cpus)
            except OSError:
                continue  # it has ended


def serve(name, folder, work, cpus):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cpus = sorted(int(c) for c in cpus.split(","))
    data = Data(folder)
    module, variant = name.split("/")
    engine = importlib.import_module("engines." + module).VARIANTS[variant](cpus)
    engine.seen, before = {}, engine.memory()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "build":
            pin(cpus)
            engine.threads(len(cpus))
            start = time.perf_counter()
            engine.build(data.base, pathlib.Path(work))
            answer = {"seconds": time.perf_counter() - start, "about": engine.about(), "knobs": engine.knobs}
        else:
            used = cpus if request["mode"] == "many" else cpus[-1:]
            pin(used)
            engine.threads(len(used))
            answer = engine.measure(data, request["mode"], request["knob"], request["seconds"])
        gc.collect()
        libc.malloc_trim(0)  # what a build or a search gave back is not the index's
        answer["memory"] = engine.memory() - before - data.base.size * engine.floats
        print(json.dumps(answer), file=answers, flush=True)
    engine.close()


if __name__ == "__main__":
    sys.modules["engine"] = sys.modules["__main__"]  # engines import it by its name
    prepare(*sys.argv[2:]) if sys.argv[1] == "prepare" else serve(*sys.argv[1:])
