/**
 * Runs the benchmarks and prints their figures: `npm run bench`, or `npm run bench -- nats-cycle handoff`.
 *
 * Speeds are ratios against something measured in the same run, and requests are counts, which are exact. Nothing
 * here fails because a machine is slow.
 */
import { counter } from "./counter.ts";
import { handoff } from "./handoff.ts";
import { heldLocks } from "./held-locks.ts";
import { limiter } from "./limiter.ts";
import { natsCycle } from "./nats-cycle.ts";
import { overLimit } from "./over-limit.ts";
import { type Benchmark, type Figure, printFigures } from "./report.ts";
import { sqliteCommits } from "./sqlite-commits.ts";
import { sqliteCycle } from "./sqlite-cycle.ts";

const benchmarks: Readonly<Record<string, Benchmark>> = {
  "nats-cycle": natsCycle,
  "sqlite-commits": sqliteCommits,
  "sqlite-cycle": sqliteCycle,
  handoff,
  "held-locks": heldLocks,
  counter,
  limiter,
  "over-limit": overLimit,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(benchmarks, name));
if (unknown.length > 0) {
  console.error(
    `no benchmark is called ${unknown.join(", ")}; there are ${Object.keys(benchmarks).join(", ")}`,
  );
  process.exit(64);
}
const figures: Figure[] = [];
for (const [name, benchmark] of Object.entries(benchmarks)) {
  if (wanted.length === 0 || wanted.includes(name)) figures.push(...(await benchmark()));
}
printFigures(figures);
