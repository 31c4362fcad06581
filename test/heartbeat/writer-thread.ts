/** A thread that writes moments as fast as it can, each with the same number thrice, and then tells its clock on demand. */
import { parentPort, workerData } from "node:worker_threads";
import { threadsRuntime } from "../../src/core/runtime.ts";
import { SharedInstant } from "../../src/heartbeat/shared-memory.ts";

const { buffer, writes } = workerData as { buffer: SharedArrayBuffer; writes: number };
const shared = new SharedInstant(buffer);
for (let number = 1; number <= writes; number += 1) {
  const exact = number + number / 1_024;
  shared.write({ monotonicMs: exact, wallMs: exact, uptimeMs: exact });
}
shared.end();
parentPort?.on("message", () => parentPort?.postMessage(threadsRuntime.monotonicMs()));
