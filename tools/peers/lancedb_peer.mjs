// LanceDB, by its Node package. Call: lancedb_peer.mjs ivf_rq|flat ingest|search DATA WORK
//
// ivf_rq is its index of RaBitQ codes (one bit a dimension), refined with the stored vectors;
// flat is the table without an index. 16 at a time are 16 calls under way; the threads behind
// them are LanceDB's own, which follow the cores that the process may use.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

const require = createRequire(process.env.HAMNEST_PEERS_CACHE + "/package.json");
const lancedb = require("@lancedb/lancedb");
const arrow = require("apache-arrow");

// As in common.py.
const [K, WARM_UP, RUNS, RUNS_SECONDS, CONCURRENCY] = [10, 16, 3, 3, [1, 16]];
const BATCH = 10000; // rows added at a time
const MANY = 100000; // rows, from which on an index needs more effort

const [variant, stage, data, work] = process.argv.slice(2);
const print = (line) => console.log(JSON.stringify(line));

// open reads the header of a .npy matrix and returns its shape and a reader of rows.
function open(name, Type) {
  const file = fs.openSync(path.join(data, name + ".npy"));
  const start = Buffer.alloc(10);
  fs.readSync(file, start, 0, 10, 0);
  const header = Buffer.alloc(start.readUInt16LE(8));
  fs.readSync(file, header, 0, header.length, 10);
  const [rows, width] = /\((\d+), (\d+)\)/.exec(header.toString()).slice(1).map(Number);
  const read = (first, count) => {
    const values = new Type(count * width);
    fs.readSync(file, new Uint8Array(values.buffer), 0, values.byteLength, 10 + header.length + first * width * 4);
    return values;
  };
  return { rows, width, read };
}

function batch(base, first, count) {
  const floats = arrow.makeData({ type: new arrow.Float32(), data: base.read(first, count) });
  const type = new arrow.FixedSizeList(base.width, new arrow.Field("item", new arrow.Float32(), true));
  const ids = Int32Array.from({ length: count }, (_, i) => first + i);
  return new arrow.Table({
    id: new arrow.Vector([arrow.makeData({ type: new arrow.Int32(), data: ids })]),
    vector: new arrow.Vector([arrow.makeData({ type, length: count, nullCount: 0, child: floats })]),
  });
}

async function ingest() {
  const base = open("base", Float32Array);
  const began = performance.now();
  const db = await lancedb.connect(path.join(work, "db"));
  let table;
  for (let i = 0; i < base.rows; i += BATCH) {
    const rows = batch(base, i, Math.min(BATCH, base.rows - i));
    table = table ? (await table.add(rows), table) : await db.createTable("vectors", rows);
  }
  if (variant === "ivf_rq") {
    await table.createIndex("vector", { config: lancedb.Index.ivfRq({ distanceType: "cosine" }) });
  }
  print({ seconds: (performance.now() - began) / 1000, durable: "no sync" });
}

async function search() {
  const queries = open("queries", Float32Array);
  const right = open("right", Int32Array);
  const table = await (await lancedb.connect(path.join(work, "db"))).openTable("vectors");
  const settings = variant === "flat" ? [[0, 0]] : [[8, 2], [8, 4], [20, 4], [20, 10], [64, 4], [64, 10]];
  if (variant !== "flat" && open("base", Float32Array).rows >= MANY) settings.push([128, 20], [256, 40], [512, 100]);
  for (const [probes, factor] of settings) {
    for (const concurrency of CONCURRENCY) {
      const setting = factor ? `nprobes=${probes}, C=${factor * K}` : "exact";
      const run = async (i) => {
        let query = table.query().nearestTo(queries.read(i, 1)).distanceType("cosine").limit(K).select(["id", "_distance"]);
        query = factor ? query.nprobes(probes).refineFactor(factor) : query.bypassVectorIndex();
        return (await query.toArrow()).getChild("id").toArray();
      };
      print({ setting, concurrency, ...(await measure(run, queries.rows, concurrency, right)) });
    }
  }
}

async function measure(run, n, concurrency, right) {
  for (let i = 0; i < Math.min(WARM_UP, n); i++) await run(i);
  let best;
  const began = performance.now();
  for (let r = 0; r < RUNS && performance.now() - began < RUNS_SECONDS * 1000; r++) {
    const [answers, latencies] = [new Array(n), new Float64Array(n)];
    let next = 0;
    const start = performance.now();
    await Promise.all(Array.from({ length: concurrency }, async () => {
      for (let i = next++; i < n; i = next++) {
        const call = performance.now();
        answers[i] = await run(i);
        latencies[i] = performance.now() - call;
      }
    }));
    const qps = n / ((performance.now() - start) / 1000);
    if (!best || qps > best.qps) best = { answers, latencies: latencies.sort(), qps };
  }
  let found = 0;
  best.answers.forEach((ids, i) => {
    const wanted = new Set(right.read(i, 1));
    found += Math.min(K, ids.filter((id) => wanted.has(id)).length);
  });
  const at = (share) => best.latencies[Math.ceil(share * n) - 1];
  return { queries: n, recall: found / (K * n), qps: best.qps, p50_ms: at(0.5), p99_ms: at(0.99) };
}

await { ingest, search }[stage]();
