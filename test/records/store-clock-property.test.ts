// Goal: whatever happens to machine, network and requests, the store's true time lies within every answer, and no answer
// goes back. Proven by clocks that run worse than is tolerated.
import fc from "fast-check";
import { expect, test } from "vitest";
import { UnavailableError } from "../../src/core/errors.ts";
import type { Fate } from "../../src/testing/simulation/simulated-link.ts";
import { type ClockWorld, createClockWorld } from "./clock-world.ts";

type Step =
  | { readonly kind: "now" | "peek" }
  | { readonly kind: "pass" | "sleep" | "jump wall"; readonly milliseconds: number }
  | { readonly kind: "network"; readonly fate: Fate };

const latencyMs = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1_500 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("now", "peek") }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("pass"),
      milliseconds: fc.oneof(
        fc.integer({ min: 0, max: 50 }),
        fc.integer({ min: 0, max: 2_500 }),
        fc.integer({ min: 0, max: 900_000 }),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("network"),
      fate: fc.record({
        end: fc.constantFrom("answered", "answered", "answered", "refused", "request lost", "reply lost"),
        outboundMs: latencyMs,
        inboundMs: latencyMs,
        asOfMs: fc.constant(undefined),
      }),
    }),
  },
  // Sleeps that hide behind a clock that was set, and those below a second, are told of in docs/safety.md.
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("sleep"),
      milliseconds: fc.constantFrom(1_700, 65_300, 7_200_100),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("jump wall"),
      milliseconds: fc.constantFrom(3_600_000, -3_600_000, 30_000, -30_000),
    }),
  },
);

const steps = fc.array(step, { maxLength: 60, size: "max" });

const setting = fc.record({
  rate: fc.double({ min: 0.9996, max: 1.0004, noNaN: true }),
  grainMs: fc.constantFrom(0, 1, 1_000),
});

/** Lets everything happen, and answers how many answers there were. */
async function live(world: ClockWorld, steps: readonly Step[]): Promise<number> {
  let answers = 0;
  let earliestMs = Number.NEGATIVE_INFINITY;
  const judge = (bounds: { readonly earliestMs: number; readonly latestMs: number }): void => {
    answers += 1;
    const truthMs = world.truthMs();
    expect(bounds.earliestMs).toBeLessThanOrEqual(truthMs);
    expect(bounds.latestMs).toBeGreaterThanOrEqual(truthMs);
    expect(bounds.earliestMs).toBeGreaterThanOrEqual(earliestMs);
    earliestMs = bounds.earliestMs;
  };
  const uses: Promise<void>[] = [];
  for (const one of steps) {
    if (one.kind === "pass") await world.pass(one.milliseconds);
    else if (one.kind === "sleep") await world.sleepMachine(one.milliseconds);
    else if (one.kind === "jump wall") world.machine.jumpWall(one.milliseconds);
    else if (one.kind === "network") world.fate = one.fate;
    else if (one.kind === "peek") {
      const bounds = world.clock.peek();
      if (bounds !== undefined) judge(bounds);
    } else {
      const use = world.clock.now().then(judge, (error: unknown) => {
        expect(error).toBeInstanceOf(UnavailableError);
      });
      // Judged at the end; until then a failure is not unheard.
      use.catch(() => undefined);
      uses.push(use);
    }
  }
  await world.settled(Promise.allSettled(uses));
  await Promise.all(uses);
  return answers;
}

test("the store's true time lies within every answer, and the earliest never goes back", async () => {
  let answers = 0;
  await fc.assert(
    fc.asyncProperty(setting, steps, async (options, list) => {
      answers += await live(createClockWorld(options), list);
    }),
    { numRuns: 1_000 },
  );
  expect(answers).toBeGreaterThan(1_000);
});

test.for([
  ["a rate that is off by more than is tolerated", { rate: 1.01 }],
  ["a clock that tolerates no drift", { rate: 1.0004, driftTolerance: 0 }],
] as const)("the property finds %s", async ([, options]) => {
  const property = fc.asyncProperty(steps, async (list) => {
    await live(createClockWorld(options), list);
  });
  expect((await fc.check(property, { numRuns: 400 })).failed).toBe(true);
});
