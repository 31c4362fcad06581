// Goal: an observer counts only standstill that really was, and no lease counts less time than has passed.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { elapsedMs, quickElapsedMs } from "../../src/sessions/lease-clock.ts";
import { type Observation, observe, untilDeathMs } from "../../src/sessions/observation.ts";

const ttlMs = 1_000;
const drift = 0.1;

/** Readings one after the other: how long after the last one, how long it took, and what it showed. */
const readings = fc.array(
  fc.record({
    pauseMs: fc.integer({ min: 0, max: 5_000 }),
    tookMs: fc.integer({ min: 0, max: 5_000 }),
    version: fc.constantFrom("1", "2", null),
  }),
  { maxLength: 40 },
);

describe("an observation", () => {
  test("never counts more than the time between the first and the last reading of the same heartbeat", () => {
    fc.assert(
      fc.property(readings, (list) => {
        let clockMs = 0;
        let firstSeenMs = 0;
        let observation: Observation | undefined;
        for (const { pauseMs, tookMs, version } of list) {
          const sentAtMs = clockMs + pauseMs;
          clockMs = sentAtMs + tookMs;
          if (observation === undefined || observation.version !== version) firstSeenMs = clockMs;
          observation = observe(observation, {
            version,
            beat: version === null ? null : Number(version),
            ttlMs,
            sentAtMs,
            readAtMs: clockMs,
          });
          // Certain: it stood from the answer of the first reading to the sending of the last.
          expect(observation.standstillMs).toBeLessThanOrEqual(Math.max(0, sentAtMs - firstSeenMs));
          expect(observation.standstillMs).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test("counts no gap for more than half the TTL, so that it takes at least four readings to condemn", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1 }), (gaps) => {
        let clockMs = 0;
        let observation = observe(undefined, { version: "1", beat: 1, ttlMs, sentAtMs: 0, readAtMs: 0 });
        let count = 1;
        for (const gapMs of gaps) {
          clockMs += gapMs;
          const before = observation.standstillMs;
          observation = observe(observation, {
            version: "1",
            beat: 1,
            ttlMs,
            sentAtMs: clockMs,
            readAtMs: clockMs,
          });
          count += 1;
          expect(observation.standstillMs - before).toBeLessThanOrEqual(ttlMs / 2);
          if (untilDeathMs(observation, drift) === 0) expect(count).toBeGreaterThanOrEqual(4);
        }
      }),
    );
  });

  test.each([
    ["a new heartbeat", "2", ttlMs],
    ["a vanished record", null, ttlMs],
    ["another TTL", "1", 2 * ttlMs],
  ])("starts again at %s", (_what, version, nextTtlMs) => {
    let observation = observe(undefined, { version: "1", beat: 1, ttlMs, sentAtMs: 0, readAtMs: 0 });
    observation = observe(observation, { version: "1", beat: 1, ttlMs, sentAtMs: 400, readAtMs: 400 });
    expect(observation.standstillMs).toBe(400);
    const beat = version === null ? null : Number(version);
    observation = observe(observation, { version, beat, ttlMs: nextTtlMs, sentAtMs: 800, readAtMs: 800 });
    expect(observation.standstillMs).toBe(0);
  });

  test("goes on at a new version with the same heartbeat: a message is no sign of life", () => {
    let observation = observe(undefined, { version: "1", beat: 1, ttlMs, sentAtMs: 0, readAtMs: 0 });
    observation = observe(observation, { version: "2", beat: 1, ttlMs, sentAtMs: 400, readAtMs: 400 });
    expect(observation).toMatchObject({ standstillMs: 400, version: "2" });
  });

  test("condemns after the TTL and the drift margin, and not a millisecond before", () => {
    let observation = observe(undefined, { version: "1", beat: 1, ttlMs, sentAtMs: 0, readAtMs: 0 });
    for (const atMs of [400, 800, 1_099]) {
      observation = observe(observation, { version: "1", beat: 1, ttlMs, sentAtMs: atMs, readAtMs: atMs });
    }
    expect(untilDeathMs(observation, drift)).toBeCloseTo(1);
    observation = observe(observation, { version: "1", beat: 1, ttlMs, sentAtMs: 1_101, readAtMs: 1_101 });
    expect(untilDeathMs(observation, drift)).toBe(0);
  });

  test("of an answer that was overtaken by another counts nothing twice", () => {
    let observation = observe(undefined, { version: "1", beat: 1, ttlMs, sentAtMs: 0, readAtMs: 0 });
    observation = observe(observation, { version: "1", beat: 1, ttlMs, sentAtMs: 300, readAtMs: 310 });
    // Sent before, answered after.
    observation = observe(observation, { version: "1", beat: 1, ttlMs, sentAtMs: 100, readAtMs: 400 });
    expect(observation.standstillMs).toBe(300);
  });
});

describe("a lease's clock", () => {
  const instants = fc.record({
    monotonicMs: fc.integer({ min: 0, max: 1_000_000 }),
    wallMs: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    uptimeMs: fc.integer({ min: 0, max: 1_000_000 }),
  });

  test("never shows less than any clock of the machine does, as far as that one counts finely enough", () => {
    fc.assert(
      fc.property(instants, instants, (since, now) => {
        const elapsed = elapsedMs(since, now);
        expect(elapsed).toBeGreaterThanOrEqual(now.monotonicMs - since.monotonicMs);
        expect(elapsed).toBeGreaterThanOrEqual(now.wallMs - since.wallMs);
        expect(elapsed).toBeGreaterThanOrEqual(now.uptimeMs - since.uptimeMs - 1_000);
        expect(elapsed).toBeGreaterThanOrEqual(quickElapsedMs(since, now.monotonicMs, now.wallMs));
      }),
    );
  });

  test("is not driven by an uptime that is counted in whole seconds", () => {
    const since = { monotonicMs: 0, wallMs: 0, uptimeMs: 7_000 };
    expect(elapsedMs(since, { monotonicMs: 5, wallMs: 5, uptimeMs: 8_000 })).toBe(5);
  });

  test("is not turned back by a wall clock that goes back", () => {
    const since = { monotonicMs: 0, wallMs: 0, uptimeMs: 0 };
    expect(elapsedMs(since, { monotonicMs: 500, wallMs: -1_000_000, uptimeMs: 500 })).toBe(500);
  });
});
