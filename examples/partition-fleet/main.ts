// Workers that share eight partitions: one is killed, another one comes. `node examples/partition-fleet/main.ts`
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Told } from "./worker.ts";

const partitions = 8;
const folder = mkdtempSync(join(tmpdir(), "leasehold-partition-fleet-"));
const url = `sqlite:${join(folder, "leases.db")}`;
const startedAt = performance.now();

/** A worker, and what it owns as far as it has told. */
interface Worker {
  readonly name: string;
  readonly child: ChildProcess;
  readonly owned: Set<number>;
}

const workers: Worker[] = [];
/** Every stretch in which somebody owned a partition. Messages of two workers may overtake one another. */
const stretches: { partition: number; fence: number; name: string; fromMs: number; toMs: number }[] = [];
let moves = 0;
let changed = Promise.withResolvers<void>();

// Whatever ends this process, no worker and no file outlives it.
process.once("exit", () => {
  for (const { child } of workers) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

function print(text: string): void {
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(2).padStart(6)} s  ${text}`);
}

function start(name: string): Worker {
  const child = fork(join(import.meta.dirname, "worker.ts"), [url, name], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const worker: Worker = { name, child, owned: new Set() };
  workers.push(worker);
  child.on("message", (told: Told) => listen(worker, told));
  return worker;
}

function listen({ name, owned }: Worker, { what, partition, fence, atMs }: Told): void {
  if (what === "begins") {
    stretches.push({ partition, fence, name, fromMs: atMs, toMs: Number.POSITIVE_INFINITY });
    owned.add(partition);
    moves += 1;
  } else {
    const stretch = stretches.find((it) => it.partition === partition && it.fence === fence);
    if (stretch !== undefined) stretch.toMs = atMs;
    owned.delete(partition);
  }
  changed.resolve();
  changed = Promise.withResolvers();
}

/** What must not be: somebody owned a partition before the one with the smaller fence had ended. */
function overlaps(): readonly string[] {
  const ordered = stretches.toSorted((left, right) => left.fence - right.fence);
  return ordered.flatMap((stretch, index) => {
    const before = ordered.slice(0, index).findLast(({ partition }) => partition === stretch.partition);
    if (before === undefined || before.toMs <= stretch.fromMs) return [];
    return [`${stretch.name} owned ${stretch.partition} before ${before.name} had ended`];
  });
}

/** Waits until all partitions are owned, in even shares. */
async function evenly(): Promise<void> {
  const sizes = (): readonly number[] => workers.map(({ owned }) => owned.size);
  const isEven = (): boolean =>
    sizes().reduce((sum, size) => sum + size, 0) === partitions &&
    Math.max(...sizes()) - Math.min(...sizes()) <= 1;
  while (!isEven()) await changed.promise;
  for (const { name, owned } of workers) print(`  ${name} owns ${[...owned].sort().join(" ")}`);
}

print(`three workers share ${partitions} partitions over ${url}; a lease lasts 2 s`);
for (const name of ["alpha", "bravo", "charlie"]) start(name);
await evenly();

const [killed] = workers.splice(1, 1);
if (killed === undefined) throw new Error("there is no second worker");
killed.child.kill("SIGKILL");
await once(killed.child, "exit");
for (const stretch of stretches)
  if (stretch.name === killed.name) stretch.toMs = Math.min(stretch.toMs, Date.now());
print(`SIGKILL: ${killed.name} is dead; what it owned is free once its lease has run out`);
const movesBefore = moves;
await evenly();
print(`${moves - movesBefore} partitions moved: those that ${killed.name} had`);

print("delta comes");
start("delta");
await evenly();

const children = workers.map(({ child }) => child);
const ended = children.map((child) => once(child, "exit"));
for (const child of children) child.disconnect();
await Promise.all(ended);
const isClean = children.every(({ exitCode }) => exitCode === 0);
const violations = overlaps();
for (const violation of violations) console.log(`✗ ${violation}`);
const isGood = violations.length === 0 && isClean;
console.log(`${isGood ? "✓" : "✗"} no partition had two owners at once, by the order of their fences`);
process.exitCode = isGood ? 0 : 1;
