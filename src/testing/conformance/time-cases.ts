import assert from "node:assert/strict";
import type { Backend, StoreTime } from "../../core/backend.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { CaseDefinition } from "./support.ts";

/** The store's clock. */
export const timeCases: readonly CaseDefinition[] = [
  {
    title:
      "the bounds of the store's clock are in order, and no further apart than a second and a round trip",
    async check({ backend, other }) {
      for (const client of [backend, other, backend]) {
        const { time, sentMs, settledMs } = await look(client);
        assert.ok(
          Number.isFinite(time.earliestMs) && Number.isFinite(time.latestMs),
          "the bounds are numbers",
        );
        assert.ok(time.earliestMs <= time.latestMs, "the earliest is not after the latest");
        const widthMs = time.latestMs - time.earliestMs;
        assert.ok(
          widthMs <= grainMaxMs + settledMs - sentMs + toleranceMs,
          `the bounds are ${widthMs} ms apart`,
        );
        assert.ok(
          time.earliestMs > Date.UTC(2020) && time.latestMs < Date.UTC(2200),
          "milliseconds since 1970",
        );
      }
    },
  },
  {
    title: "the store's clock does not go back, and goes on as fast as time does",
    async check({ backend, until }) {
      const first = await look(backend);
      let before = first;
      await until("the store's clock advances", async () => {
        const next = await look(backend);
        assertOneClock(before, next);
        assertOneClock(first, next);
        before = next;
        return next.time.earliestMs > first.time.earliestMs;
      });
    },
  },
  {
    title: "both clients see the same clock, also at the same time",
    async check({ backend, other }) {
      const looks: Look[] = [];
      for (const client of [backend, other, other, backend]) looks.push(await look(client));
      looks.push(...(await Promise.all([look(backend), look(other), look(backend)])));
      for (const one of looks) for (const another of looks) assertOneClock(one, another);
    },
  },
];

/** Whole seconds are the coarsest that a store may tell. */
const grainMaxMs = 1_000;
/** For clocks that are read in whole milliseconds, and set right in small steps while a case runs. */
const toleranceMs = 20;

interface Look {
  readonly time: StoreTime;
  /** The call settled between these two, on the monotonic clock. */
  readonly sentMs: number;
  readonly settledMs: number;
}

async function look(backend: Backend): Promise<Look> {
  const sentMs = systemRuntime.monotonicMs();
  const time = await backend.time();
  return { time, sentMs, settledMs: systemRuntime.monotonicMs() };
}

/** Whether one clock that goes on evenly can have been within all the bounds. */
function assertOneClock(first: Look, second: Look): void {
  const elapsedMinMs = second.sentMs - first.settledMs;
  const elapsedMaxMs = second.settledMs - first.sentMs;
  assert.ok(
    second.time.latestMs + toleranceMs >= first.time.earliestMs + elapsedMinMs,
    `the clock went back: ${JSON.stringify([first, second])}`,
  );
  assert.ok(
    second.time.earliestMs - toleranceMs <= first.time.latestMs + elapsedMaxMs,
    `the clock went forward: ${JSON.stringify([first, second])}`,
  );
}
