// Goal: whatever requests, clocks and processes do, all callers of a key get the same result, and no work begins once
// somebody has it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { track } from "../locks/world.ts";
import { type Accident, type Client, createWorld } from "../sequences/world.ts";

const ttlMs = 2_000;
const accidents: readonly Accident[] = ["lost before", "lost after", "applied late", "held back", undefined];
const allowed = /ABORTED|CLOSED|UNAVAILABLE|OUTCOME_UNKNOWN|IN_PROGRESS|LEASE_LOST/;

/** Something that happens to one of three processes. */
const incident = fc.record({
  what: fc.constantFrom("fault", "through", "pause", "resume", "crash", "close", "pass", "pass"),
  who: fc.nat({ max: 2 }),
  amount: fc.integer({ min: 1, max: 4_000 }),
  accident: fc.constantFrom(...accidents),
} as const);

/** Somebody calls. */
const asking = fc.record({
  what: fc.constant("ask" as const),
  who: fc.nat({ max: 2 }),
  key: fc.constantFrom("a", "b", "c"),
  wait: fc.constantFrom(0, 500, 5_000, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
  /** What becomes of the work, if it is this one's. */
  fate: fc.constantFrom("returns", "returns", "returns", "waits", "pauses", "pauses", "throws", "dies"),
  isAborted: fc.boolean(),
});

test("one result for each key, whoever dies, pauses, closes, or loses what", async () => {
  const told = { results: 0, takeovers: 0, late: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(incident, asking, asking), { minLength: 20, maxLength: 80 }),
      async (steps) => {
        const world = createWorld();
        const all = [0, 1, 2].map(() => world.client({ ttlMs }));
        const problems: unknown[] = [];
        const results = new Map<string, string>();
        const fences = new Map<string, number[]>();
        let runs = 0;
        const ask = (client: Client, step: typeof asking extends fc.Arbitrary<infer A> ? A : never) => {
          const { key, wait, fate, isAborted } = step;
          const stop = new AbortController();
          let mine = "";
          const call = client.coordinator.once(
            key,
            async ({ fence, attempt, signal }) => {
              if (results.has(key)) problems.push(`work of ${key} began although its result was told`);
              if (fences.get(key)?.includes(fence)) problems.push(`two runs of ${key} had fence ${fence}`);
              fences.set(key, [...(fences.get(key) ?? []), fence]);
              if (attempt > 1) told.takeovers += 1;
              runs += 1;
              mine = `${key} ${runs}`;
              if (fate === "throws") throw new Error("the work failed");
              if (fate === "dies") client.crash();
              if (fate === "dies") await new Promise(() => undefined);
              // A process that pauses here ends late, perhaps long after its lease.
              if (fate === "pauses") client.process.pause();
              if (fate === "waits" || fate === "pauses")
                await new Promise<void>((end) => client.process.schedule(1_500, end));
              if (signal.aborted) told.late += 1;
              return mine;
            },
            { wait, signal: stop.signal },
          );
          call.then(
            (result) => {
              const known = results.get(key) ?? result;
              if (known !== result) problems.push(`${key} is ${known} for one, and ${result} for another`);
              results.set(key, known);
              told.results += 1;
            },
            (error: Error & { readonly code?: string }) => {
              if (error.message !== "the work failed" && !allowed.test(error.code ?? ""))
                problems.push(error);
            },
          );
          if (isAborted) void world.runtime.settle().then(() => stop.abort());
        };
        for (const step of steps) {
          const client = all[step.who] as Client;
          if (step.what === "ask") {
            ask(client, step);
            await world.runtime.settle();
            continue;
          }
          const { what, who, amount, accident } = step;
          if (what === "pass") await world.runtime.advance(amount);
          let requests = 0;
          if (what === "fault") {
            client.strike(() => {
              requests += 1;
              return requests % 3 === amount % 3 ? accident : undefined;
            });
          }
          if (what === "through") await client.letThrough();
          if (what === "pause") client.process.pause();
          if (what === "resume") client.process.resume(amount % 2 === 0 ? "timers" : "answers");
          if (what === "crash") client.crash();
          if (what === "close") void client.coordinator.close();
          if (what === "crash" || what === "close") all[who] = world.client({ ttlMs });
        }
        for (const client of all) {
          client.process.resume();
          await client.letThrough();
        }
        await world.runtime.advance(20_000);
        const last = world.client({ ttlMs });
        for (const key of ["a", "b", "c"]) {
          const final = track(
            world.runtime,
            last.coordinator.once(key, () => `${key} at last`),
          );
          await world.runtime.advance(20_000);
          expect(final.value).toBe(results.get(key) ?? final.value);
          expect(final.state).toBe("resolved");
        }
        expect(problems).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );

  for (const count of [told.results, told.takeovers, told.late]) expect(count).toBeGreaterThan(10);
});
