"""Lucene, in a Java machine that times its own searches (Lucene.java). hnsw is its graph of the vectors,
bbqhnsw a graph of 1-bit codes asked with 4 bits, bbqflat those codes without a graph; both rescored with
the vectors. Its knob is how many are found, ef of a graph, before the best k. Many are a thread a core."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np

from engine import K, Engine, recall

HERE = pathlib.Path(__file__).resolve().parent
OLDEST = 21  # Java that Lucene 10 runs on
HEAP = {"build": "-Xmx8g", "search": "-Xmx512m"}  # vectors and codes are in mapped files
OPTIONS = ["--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"]


def java():
    """Returns the java of JAVA_HOME, or the newest installed, and its version."""
    homes = [pathlib.Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else pathlib.Path("/usr/lib/jvm").glob("*")
    found = []
    for home in homes:
        if (home / "release").exists() and (home / "bin/javac").exists():
            version = re.search(r'JAVA_VERSION="([^"]+)"', (home / "release").read_text())[1]
            found.append((int(version.split(".")[0]), version, home / "bin/java"))
    if not found or max(found)[0] < OLDEST:
        raise RuntimeError(f"no JDK {OLDEST} or newer in JAVA_HOME or /usr/lib/jvm")
    return max(found)[1:]


class Lucene(Engine):
    knobs = (20, 50, 100, 200, 400, 800)
    floats = 0  # they are in mapped files

    def about(self):
        [jar] = self.jars.glob("lucene-core-*.jar")
        return f"{jar.stem}, Java {self.version} with jdk.incubator.vector"

    def command(self, stage, *arguments):
        return [self.java, HEAP[stage], *OPTIONS, "-cp", self.jars / "*", HERE / "Lucene.java", stage, *arguments]

    def build(self, base, work):
        self.version, self.java = java()
        self.jars = pathlib.Path(sys.prefix) / "jars"
        self.work, self.count = work, self.cpus
        subprocess.run(self.command("build", self.variant, work / "lucene", base.filename), check=True)

    def threads(self, count):
        self.count = count

    def measure(self, data, mode, knob, seconds):
        answers = self.work / "answers"
        if not hasattr(self, "server"):  # a process of its own, whose memory is what searching takes
            command = self.command("search", self.variant, self.work / "lucene", data.folder / "queries.npy", answers)
            self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        print(self.count, knob, seconds, file=self.server.stdin, flush=True)
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError(f"Lucene ended with code {self.server.wait()}")
        if knob not in self.seen:
            self.seen[knob] = recall(np.fromfile(answers, ">i4").reshape(-1, K), data.right)
        qps, p50 = map(float, line.split())
        return {"qps": qps, "recall": self.seen[knob], "p50_ms": p50}

    def close(self):
        if hasattr(self, "server"):
            self.server.stdin.close()
            self.server.wait()


class HNSW(Lucene):
    variant = "hnsw"


class BBQHNSW(Lucene):
    variant = "bbqhnsw"


class BBQFlat(Lucene):
    variant = "bbqflat"


VARIANTS = {"hnsw": HNSW, "bbqhnsw": BBQHNSW, "bbqflat": BBQFlat}
