// Goal: node-cron runs each slot of a task in one process of the fleet, however far the clocks of its machines differ.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import cron, { type RunCoordinator } from "node-cron";
import { afterAll, describe, expect, test } from "vitest";
import { cronRunCoordinator } from "../../src/adapters/node-cron.ts";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { createCoordinator } from "../../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "leasehold-cron-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Told {
  readonly what: string;
  readonly slot: string;
}

interface Worker {
  readonly told: Told[];
  readonly child: ChildProcessWithoutNullStreams;
}

function startWorker(url: string, skewMs: number, onTold: () => void): Worker {
  const file = (name: string): string => join(import.meta.dirname, name);
  const flags = ["--disable-warning=ExperimentalWarning", "--import", file("skewed-clock.ts")];
  const child = spawn(process.execPath, [...flags, file("cron-worker.ts"), url], {
    env: { ...process.env, LEASEHOLD_TEST_SKEW_MS: String(skewMs) },
  });
  const told: Told[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    told.push(JSON.parse(line) as Told);
    onTold();
  });
  return { told, child };
}

/** Runs workers until each slot-teller has told `lines` lines, and ends them in order. Answers what they told. */
async function runFleet(name: string, skewsMs: readonly number[], lines: number): Promise<readonly Worker[]> {
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const workers: Worker[] = [];
  const onTold = (): void => {
    if (workers.length === skewsMs.length && workers.every(({ told }) => told.length >= lines)) resolve();
  };
  const errors: string[] = [];
  for (const skewMs of skewsMs) {
    const worker = startWorker(`sqlite:${join(folder, `${name}.db`)}`, skewMs, onTold);
    worker.child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
    workers.push(worker);
  }
  await enough;
  const ended = workers.map(({ child }) => once(child, "exit"));
  for (const { child } of workers) child.stdin.end();
  expect(await Promise.all(ended)).toEqual(workers.map(() => [0, null]));
  expect(errors).toEqual([]);
  return workers;
}

describe("two schedulers in two processes", () => {
  test.each([0, 300, -700, 2_500])("whose clocks differ by %i ms run each slot once", async (skewMs) => {
    const workers = await runFleet(`skew-${skewMs}`, [0, skewMs], 5);
    const ran = workers.flatMap(({ told }) =>
      told.filter(({ what }) => what === "ran").map(({ slot }) => slot),
    );
    expect(ran.length).toBeGreaterThanOrEqual(4);
    expect(new Set(ran).size).toBe(ran.length);
    const skipped = workers.flatMap(({ told }) => told.filter(({ what }) => what === "not-elected"));
    expect(skipped.length).toBeGreaterThan(0);
    expect(workers.flatMap(({ told }) => told).filter(({ what }) => what === "coordinator-error")).toEqual(
      [],
    );
  });
});

describe("in one process", () => {
  const slotKey = (second: number): string => `nightly: a:b:2026-01-05T06:00:0${second}.000Z`;

  test("it is what node-cron asks for, and each slot is given to one of two", async () => {
    const backend = memoryBackend();
    await using first = createCoordinator(backend);
    await using second = createCoordinator(backend);
    const one: RunCoordinator = cronRunCoordinator(first);
    const two: RunCoordinator = cronRunCoordinator(second);
    expect(await one.shouldRun(slotKey(1), 30_000)).toBe(true);
    expect(await two.shouldRun(slotKey(1), 30_000)).toBe(false);
    expect(await two.shouldRun(slotKey(2), 30_000)).toBe(false);
    await one.onComplete?.(slotKey(1));
    // The run has ended, and its slot stays taken all the same.
    expect(await two.shouldRun(slotKey(1), 30_000)).toBe(false);
    expect(await two.shouldRun(slotKey(2), 30_000)).toBe(true);
    await two.onComplete?.(slotKey(2));
    await one.onComplete?.(slotKey(2));
    expect(await first.schedule("nightly: a:b").last()).toMatchObject({
      state: "finished",
      isRunning: false,
    });
    expect(await one.shouldRun(slotKey(1), 30_000)).toBe(false);
  });

  test("its signal aborts when the run has lasted for too long, and the end of the run says so", async () => {
    await using coordinator = createCoordinator(memoryBackend());
    const adapter = cronRunCoordinator(coordinator, { atMost: 20 });
    expect(await adapter.shouldRun(slotKey(1))).toBe(true);
    const context = { date: new Date("2026-01-05T06:00:01.000Z"), task: { name: "nightly: a:b" } };
    const signal = adapter.signal(context);
    await once(signal as AbortSignal, "abort");
    await expect(adapter.onComplete(slotKey(1))).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(adapter.signal(context)).toBeUndefined();
    expect(await adapter.shouldRun(slotKey(2))).toBe(true);
    await adapter.onComplete(slotKey(2));
  });

  test("a key that node-cron would not make, a bad option and a closed coordinator are errors, and nothing runs", async () => {
    const coordinator = createCoordinator(memoryBackend());
    const adapter = cronRunCoordinator(coordinator);
    const invalid = { code: "INVALID_ARGUMENT" };
    for (const key of ["nightly", "nightly:now", ":2026-01-05T06:00:01.000Z", "x:2026-01-05T06:00:61.000Z"]) {
      await expect(adapter.shouldRun(key)).rejects.toMatchObject(invalid);
    }
    const wrong = cronRunCoordinator(coordinator, { attempts: -1 });
    await expect(wrong.shouldRun(slotKey(1))).rejects.toMatchObject(invalid);
    await coordinator.close();
    await expect(adapter.shouldRun(slotKey(1))).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("a task of the real scheduler finds its signal", async () => {
    await using coordinator = createCoordinator(memoryBackend());
    const runCoordinator = cronRunCoordinator(coordinator);
    const { promise, resolve } = Promise.withResolvers<AbortSignal | undefined>();
    const task = cron.schedule("* * * * * *", (context) => resolve(runCoordinator.signal(context)), {
      ...{ name: "signalled", distributed: true, runCoordinator },
    });
    expect((await promise)?.aborted).toBe(false);
    await task.destroy();
  });
});
