// A cron job in two processes that runs each slot once: `node examples/cron-job/main.ts`. Takes some six seconds.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const slotsMax = 5;
const folder = mkdtempSync(join(tmpdir(), "leasehold-cron-job-"));
const workers: ChildProcess[] = [];
// Whatever ends this process, no worker and no file outlives it.
process.once("exit", () => {
  for (const worker of workers) worker.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

const runs = new Map<string, number>();
const { promise: enough, resolve, reject } = Promise.withResolvers<void>();
for (const number of [1, 2]) {
  const worker = fork(join(import.meta.dirname, "worker.ts"), [`sqlite:${join(folder, "leases.db")}`]);
  workers.push(worker);
  worker.on("message", (slot: string) => {
    console.log(`worker ${number} ran ${slot.slice(11, 19)}`);
    runs.set(slot, (runs.get(slot) ?? 0) + 1);
    // The one that ran the most goes: the other one takes over.
    if (runs.size === 2 && workers.every(({ connected }) => connected)) {
      console.log(`worker ${number} ends`);
      worker.disconnect();
    }
    if (runs.size >= slotsMax) resolve();
  });
  worker.once("exit", (code) => code !== 0 && reject(new Error(`worker ${number} ended with ${code}`)));
}
await enough;
const ended = workers.filter(({ exitCode }) => exitCode === null).map((worker) => once(worker, "exit"));
for (const worker of workers) if (worker.connected) worker.disconnect();
await Promise.all(ended);

const isOnce = [...runs.values()].every((count) => count === 1);
console.log(`${isOnce ? "✓" : "✗"} ${runs.size} slots, each run ${isOnce ? "once" : "not once"}`);
process.exitCode = isOnce ? 0 : 1;
