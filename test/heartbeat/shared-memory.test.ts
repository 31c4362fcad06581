// Goal: two threads agree on the clock, and one never reads half of a moment that another writes.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { threadsRuntime } from "../../src/core/runtime.ts";
import { SharedInstant } from "../../src/heartbeat/shared-memory.ts";

const program = new URL("./writer-thread.ts", import.meta.url);

function startWriter(shared: SharedInstant, writes: number): Worker {
  return new Worker(program, { workerData: { buffer: shared.buffer, writes } });
}

test("a moment is read as it was written, and the newest one counts", () => {
  const writer = new SharedInstant();
  const reader = new SharedInstant(writer.buffer);
  expect(reader.read()).toBeUndefined();
  for (const monotonicMs of [0, 1.25, -3, 2 ** 52 + 1, Number.MAX_VALUE]) {
    const moment = { monotonicMs, wallMs: monotonicMs / 3, uptimeMs: 7 };
    writer.write(moment);
    expect(reader.read()).toEqual(moment);
    expect(reader.read()).toEqual(moment);
  }
  expect(reader.isEnded).toBe(false);
  writer.end();
  expect(reader.isEnded).toBe(true);
});

test("the sequence number may overflow", () => {
  const writer = new SharedInstant();
  const reader = new SharedInstant(writer.buffer);
  new Int32Array(writer.buffer)[0] = 2 ** 31 - 3;
  for (let wallMs = 0; wallMs < 6; wallMs += 1) {
    writer.write({ monotonicMs: wallMs, wallMs, uptimeMs: wallMs });
    expect(reader.read()?.wallMs).toBe(wallMs);
  }
});

test("a reader sees whole moments only, in order, while a thread writes as fast as it can", async () => {
  const shared = new SharedInstant();
  const writer = startWriter(shared, 300_000);
  await once(writer, "online");
  let last = 0;
  let moments = 0;
  while (!shared.isEnded) {
    const { monotonicMs = 0, wallMs = 0, uptimeMs = 0 } = shared.read() ?? {};
    if (monotonicMs !== wallMs || wallMs !== uptimeMs || monotonicMs < last) {
      expect({ monotonicMs, wallMs, uptimeMs, last }).toBe("whole, and not older than the last");
    }
    if (monotonicMs > last) moments += 1;
    last = monotonicMs;
  }
  expect(shared.read()?.wallMs).toBe(300_000 + 300_000 / 1_024);
  expect(moments).toBeGreaterThan(0);
  await writer.terminate();
});

test("the clock of another thread lies between two readings of this one's", async () => {
  const writer = startWriter(new SharedInstant(), 0);
  for (let asked = 0; asked < 20; asked += 1) {
    const beforeMs = threadsRuntime.monotonicMs();
    const answer = once(writer, "message");
    writer.postMessage("which time is it?");
    const [thereMs] = (await answer) as [number];
    expect(thereMs).toBeGreaterThanOrEqual(beforeMs);
    expect(thereMs).toBeLessThanOrEqual(threadsRuntime.monotonicMs());
  }
  await writer.terminate();
});
