// Goal: timers, pauses and backoff of a real process keep their promises, also beyond Node's own limits.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { backoffMs } from "../../src/core/backoff.ts";
import { sleep, startSleep, systemRuntime } from "../../src/core/runtime.ts";
import { TurnSharing } from "../../src/core/turn-sharing.ts";

describe("timers", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a delay longer than Node's timers can take fires once, when it is over", () => {
    const dayMs = 86_400_000;
    for (const days of [1, 24.8551, 24.8552, 60, 400]) {
      let fired = 0;
      systemRuntime.schedule(days * dayMs, () => {
        fired += 1;
      });
      vi.advanceTimersByTime(days * dayMs - 2);
      expect(fired, `${days} days less 2 ms`).toBe(0);
      vi.advanceTimersByTime(4);
      expect(fired).toBe(1);
      vi.advanceTimersByTime(400 * dayMs);
      expect(fired).toBe(1);
    }
  });

  test("an endless delay never fires, and one of zero, below zero or NaN fires at once but not synchronously", () => {
    let endless = 0;
    systemRuntime.schedule(Number.POSITIVE_INFINITY, () => {
      endless += 1;
    });
    vi.advanceTimersByTime(1_000 * 86_400_000);
    expect(endless).toBe(0);
    for (const delayMs of [0, -1, Number.NEGATIVE_INFINITY, Number.NaN]) {
      let fired = 0;
      systemRuntime.schedule(delayMs, () => {
        fired += 1;
      });
      expect(fired).toBe(0);
      vi.advanceTimersByTime(1);
      expect(fired, String(delayMs)).toBe(1);
    }
  });

  test("a timer that is cancelled never fires, also after its first leg, and cancelling twice is fine", () => {
    let fired = 0;
    const cancel = systemRuntime.schedule(2 ** 32, () => {
      fired += 1;
    });
    vi.advanceTimersByTime(2 ** 31 + 10);
    cancel();
    cancel();
    vi.advanceTimersByTime(2 ** 33);
    expect(fired).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a pause ends when its time is over, or its signal fires, and leaves neither timer nor listener", async () => {
    let over = false;
    const pausing = sleep(systemRuntime, 1_000).then(() => {
      over = true;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(over).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await pausing;
    const controller = new AbortController();
    const listening = vi.spyOn(controller.signal, "removeEventListener");
    const cut = sleep(systemRuntime, 1_000, { signal: controller.signal });
    controller.abort();
    await cut;
    expect(vi.getTimerCount()).toBe(0);
    expect(listening).toHaveBeenCalled();
    await sleep(systemRuntime, 1_000, { signal: controller.signal });
    const { over: ended, end } = startSleep(systemRuntime, 1_000);
    end();
    end();
    await ended;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("every so many requests, one waits for the next turn", async () => {
    const turns = new TurnSharing(systemRuntime, 10);
    for (let round = 0; round < 3; round += 1) {
      for (let request = 1; request < 10; request += 1) expect(turns.take(1)).toBeUndefined();
      const turn = turns.take(1);
      expect(turn).toBeInstanceOf(Promise);
      await vi.advanceTimersByTimeAsync(1);
      await turn;
    }
    expect(turns.take(100)).toBeInstanceOf(Promise);
  });
});

test("timers do not keep the process alive unless they are told to", async () => {
  const { runCommand } = await import("../servers/run-command.ts");
  const run = async (options: string): Promise<string> => {
    const script =
      'const { systemRuntime } = await import("./src/core/runtime.ts");' +
      `systemRuntime.schedule(50, () => console.log("fired"), ${options})`;
    return (await runCommand([process.execPath, "--input-type=module", "-e", script])).stdout;
  };
  expect(await run("undefined")).toBe("");
  expect(await run("{ holdsProcessOpen: false }")).toBe("");
  expect(await run("{ holdsProcessOpen: true }")).toBe("fired\n");
});

test("identifiers are 22 safe characters and differ, and clocks go forward", () => {
  const ids = Array.from({ length: 1_000 }, () => systemRuntime.id());
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(new Set(ids).size).toBe(ids.length);
  const before = systemRuntime.monotonicMs();
  expect(systemRuntime.monotonicMs()).toBeGreaterThanOrEqual(before);
  expect(systemRuntime.uptimeMs()).toBeGreaterThan(0);
  expect(Math.abs(systemRuntime.wallMs() - Date.now())).toBeLessThan(1_000);
});

test("a backoff lies between nothing and its doubling upper end, and never beyond its maximum", () => {
  const number = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      number,
      fc.nat(2_000),
      fc.integer({ min: 1, max: 1_000 }),
      fc.nat(60_000),
      (part, attempt, firstMs, maxMs) => {
        const delayMs = backoffMs({ ...systemRuntime, random: () => part }, attempt, { firstMs, maxMs });
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(Math.min(maxMs, firstMs * 2 ** attempt));
        expect(delayMs).toBeCloseTo(part * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30)));
      },
    ),
  );
});
