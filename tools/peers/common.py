"""What the peers share: the data, what counts as a right answer, and how searches are timed."""

import json
import os
import pathlib
import queue
import sys
import threading
import time

import numpy as np

K = 10
WARM_UP = 16  # untimed searches before a run, as in hamnest eval
RUNS, RUNS_SECONDS = 3, 3  # runs of a setting: so many, or until so long has passed; the best counts
CONCURRENCY = (1, 16)
TIE = 1e-6


def fail(problem):
    """A thread that fails ends its peer, which would wait for it for ever."""
    sys.excepthook(problem.exc_type, problem.exc_value, problem.exc_traceback)
    os._exit(1)


threading.excepthook = fail


class Data:
    """A prepared data set: base.npy and queries.npy (float32, rows of length 1), truth.npy (of
    the same queries) and right.npy, whose row i has the right answers to query i, padded with -1."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.name = self.folder.name

    def __str__(self):
        return str(self.folder)

    def load(self, name, **how):
        return np.load(self.folder / (name + ".npy"), **how)

    def shape(self):
        return self.load("base", mmap_mode="r").shape

    def queries(self):
        return len(self.load("queries", mmap_mode="r"))


def prepare(source, folder, queries):
    """Converts a data set once for a source and a number of queries."""
    stamp = f"{source.resolve()} {(source / 'base.npy').stat().st_mtime_ns} {queries}"
    if (folder / "stamp").exists() and (folder / "stamp").read_text() == stamp:
        return Data(folder)
    folder.mkdir(parents=True, exist_ok=True)
    base = normalise(source / "base.npy", folder / "base.npy", None)
    query = normalise(source / "queries.npy", folder / "queries.npy", queries)
    truth = np.load(source / "truth.npy")[:queries]
    np.save(folder / "truth.npy", truth)
    np.save(folder / "right.npy", right_answers(base, query, truth))
    (folder / "stamp").write_text(stamp)
    return Data(folder)


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


def threads():
    """How many threads a peer may use: one a core."""
    return int(os.environ["HAMNEST_PEERS_THREADS"])


def emit(**line):
    print(json.dumps(line), flush=True)


def measure(data, setting, at_once, search):
    """Times search(i, j), which returns the answers to queries i to j-1 (at_once of them), one
    call after another, and prints the best run."""
    n = data.queries()
    for i in range(0, min(WARM_UP, n), at_once):
        search(i, min(i + at_once, n))
    best, began = None, time.perf_counter()
    for _ in range(RUNS):
        answers, latencies = np.full((n, K), -1, np.int64), np.empty(n)
        start = time.perf_counter()
        for i in range(0, n, at_once):
            call = time.perf_counter()
            found = search(i, min(i + at_once, n))
            latencies[i:i + at_once] = time.perf_counter() - call
            answers[i:i + len(found)] = found
        best = faster(best, time.perf_counter() - start, latencies)
        if time.perf_counter() - began > RUNS_SECONDS:
            break
    report(data, setting, at_once, answers, best)


def measure_threads(data, setting, count, open_searcher):
    """The same for count threads that each take the next query; open_searcher() is called in
    each and returns a search(i)."""
    n = data.queries()
    best, began = None, time.perf_counter()
    for _ in range(RUNS):
        answers, latencies, todo = np.full((n, K), -1, np.int64), np.empty(n), queue.SimpleQueue()
        for i in range(n):
            todo.put(i)
        ready, starts = threading.Barrier(count), []

        def work():
            search = open_searcher()
            search(0)  # the warm-up of this thread
            ready.wait()
            starts.append(time.perf_counter())
            while True:
                try:
                    i = todo.get_nowait()
                except queue.Empty:
                    return
                call = time.perf_counter()
                found = search(i)
                latencies[i] = time.perf_counter() - call
                answers[i, :len(found)] = found

        workers = [threading.Thread(target=work) for _ in range(count)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        best = faster(best, time.perf_counter() - min(starts), latencies)
        if time.perf_counter() - began > RUNS_SECONDS:
            break
    report(data, setting, count, answers, best)


def faster(best, seconds, latencies):
    return (seconds, latencies) if best is None or seconds < best[0] else best


def report(data, setting, concurrency, answers, best):
    seconds, latencies = best
    p50, p99 = (float(x) * 1e3 for x in np.percentile(latencies, (50, 99)))
    emit(setting=setting, concurrency=concurrency, queries=len(answers), p50_ms=p50, p99_ms=p99,
         recall=recall(answers, data.load("right")), qps=len(answers) / seconds)
