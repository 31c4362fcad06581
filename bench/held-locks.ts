/** Ten thousand locks held by one coordinator: heartbeat writes, and heap for each. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sqliteBackend } from "../src/backends/sqlite/index.ts";
import { createCoordinator, type Grant } from "../src/index.ts";
import { observeBackend } from "../src/testing/observed-backend.ts";
import type { Figure } from "./report.ts";

const locks = 10_000;
const ttlMs = 1_500;
const ttlsObserved = 4;

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc, as `npm run bench` does");
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

export async function heldLocks(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-bench-"));
  try {
    const backend = observeBackend(sqliteBackend({ path: join(folder, "bench.db") }));
    await backend.setup();
    await using coordinator = createCoordinator(backend, { ttl: ttlMs });
    const grants: Grant[] = [];
    await coordinator.lock("warm-up").hold(async () => undefined);
    const before = heapBytes();
    for (let index = 0; index < locks; index += 1)
      grants.push(await coordinator.lock(`lock-${index}`).acquire());
    const perLock = (heapBytes() - before) / locks;
    backend.resetCounts();
    await pause(ttlsObserved * ttlMs);
    const perThird = backend.counts.writes / (3 * ttlsObserved);
    const held = grants.filter((grant) => grant.state === "held").length;
    const benchmark = "held-locks";
    return [
      {
        benchmark,
        figure: `writes in TTL/3 with ${held} locks held`,
        measured: perThird.toFixed(2),
        goal: "1",
        met: perThird <= 1.1,
      },
      {
        benchmark,
        figure: "bytes of heap for each held lock",
        measured: String(Math.round(perLock)),
        goal: "2048",
        met: perLock <= 2_048,
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}
