// Order numbers without gaps or repeats from several processes, one of them killed: `node examples/order-numbers/main.ts`
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openOrderTable } from "./order-table.ts";
import type { Told } from "./worker.ts";

const names = ["alpha", "bravo", "charlie"];
const ordersEach = 20;
const hangsAt = 8;
const folder = mkdtempSync(join(tmpdir(), "leasehold-order-numbers-"));
const { values } = parseArgs({ options: { url: { type: "string" } } });
const url = values.url ?? `sqlite:${join(folder, "leases.db")}`;
/** Of this run alone: another one over the same store begins at 1 again. */
const namespace = `order-numbers-${process.pid}-${Date.now()}`;
const file = join(folder, "orders.db");
const table = openOrderTable(file);
const startedAt = performance.now();

// Whatever ends this process, no worker and no file outlives it.
const children: ChildProcess[] = [];
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

function print(text: string): void {
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(2).padStart(6)} s  ${text}`);
}

/** A worker's life. Resolves when it has placed all its orders, or was killed. */
function work(name: string, diesAt: number): Promise<void> {
  const child = fork(
    join(import.meta.dirname, "worker.ts"),
    [url, namespace, file, name, String(ordersEach), String(diesAt)],
    { execArgv: ["--disable-warning=ExperimentalWarning"] },
  );
  children.push(child);
  child.on("message", ({ what, number, order }: Told) => {
    if (what === "skipped") print(`${name} finds number ${number} taken by ${order}, and takes the next one`);
    if (what !== "hangs") return;
    print(
      `SIGKILL: ${name} is dead; it wrote ${order} as number ${number}, which does not count as used yet`,
    );
    child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.once("exit", (code, signal) => {
      if (code === 0 || signal === "SIGKILL") resolve();
      else reject(new Error(`${name} ended with ${code ?? signal}`));
    });
  });
}

print(`${names.length} workers place ${ordersEach} orders each, with numbers from ${url}`);
await Promise.all(
  names.map(async (name) => {
    const isKilled = name === "bravo";
    await work(name, isKilled ? hangsAt : 0);
    if (!isKilled) return;
    print(`${name} comes back, and goes on with its orders`);
    await work(name, 0);
  }),
);

const orders = table.all();
const expected = names.length * ordersEach;
const gaps = Array.from({ length: expected }, (_, index) => index + 1).filter(
  (number) => !orders.some((order) => order.number === number),
);
const lost = names
  .flatMap((name) => Array.from({ length: ordersEach }, (_, index) => `${name}-${index + 1}`))
  .filter((order) => !orders.some((it) => it.name === order));
const isGood = gaps.length === 0 && lost.length === 0 && orders.length === expected;
print(`${orders.length} orders, numbers ${orders[0]?.number} to ${orders.at(-1)?.number}`);
for (const gap of gaps) console.log(`✗ number ${gap} is missing`);
for (const order of lost) console.log(`✗ ${order} was not placed`);
console.log(
  `${isGood ? "✓" : "✗"} each order has one number, no number has two orders, and none is left out`,
);
process.exitCode = isGood ? 0 : 1;
