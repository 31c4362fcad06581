// Goal: whatever requests, clocks and processes do, no number comes twice, and none is left out where that is promised.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { track } from "../locks/world.ts";
import { type Accident, type Client, createWorld, type World } from "./world.ts";

const ttlMs = 2_000;
const accidents: readonly Accident[] = ["lost before", "lost after", "applied late", "held back", undefined];

/** Something that happens to one of three processes. */
const incident = fc.record({
  what: fc.constantFrom("fault", "through", "pause", "resume", "crash", "close", "pass", "pass"),
  who: fc.nat({ max: 2 }),
  amount: fc.integer({ min: 1, max: 4_000 }),
  accident: fc.constantFrom(...accidents),
} as const);
type Incident = typeof incident extends fc.Arbitrary<infer I> ? I : never;

/** Follows calls whose answers are judged when they come; what is wrong with them fails the property that made them. */
function followCalls() {
  const problems: unknown[] = [];
  return {
    problems,
    follow<T>(call: Promise<T>, judge: (answer: T) => void): void {
      const codes = /ABORTED|CLOSED|UNAVAILABLE/;
      call
        .then(judge, (error: unknown) => expect((error as { code: string }).code).toMatch(codes))
        .catch((problem: unknown) => problems.push(problem));
    },
  };
}

/** Three processes to which things happen; one that is gone is followed by another. */
function crew(world: World) {
  const all = [0, 1, 2].map(() => world.client({ ttlMs }));
  return {
    of: (who: number) => all[who] as Client,
    async happen({ what, who, amount, accident }: Incident): Promise<void> {
      const client = all[who] as Client;
      if (what === "pass") await world.runtime.advance(amount);
      // One request in three: what always fails is no more than a store that is away.
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
    },
    /** Everything works again, for long enough. */
    async heal(): Promise<void> {
      for (const client of all) {
        client.process.resume();
        await client.letThrough();
      }
      await world.runtime.advance(20_000);
    },
  };
}

const taking = fc.record({
  what: fc.constant("take" as const),
  who: fc.nat({ max: 2 }),
  count: fc.integer({ min: 1, max: 30 }),
  isAborted: fc.boolean(),
});

test("numbers of blocks are unique, and rise for each process", async () => {
  let total = 0;
  const block = fc.constantFrom(undefined, 2, 10, 100);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(incident, taking, taking), { minLength: 20, maxLength: 100 }),
      block,
      async (steps, size) => {
        const world = createWorld();
        const processes = crew(world);
        const options = size === undefined ? {} : { block: size };
        const calls = followCalls();
        const seen = new Set<number>();
        const newest = new Map<Client, number>();
        for (const step of steps) {
          if (step.what !== "take") {
            await processes.happen(step);
            continue;
          }
          const client = processes.of(step.who);
          const stop = new AbortController();
          const sequence = client.coordinator.sequence("numbers", options);
          calls.follow(sequence.take(step.count, { signal: stop.signal }), (numbers) => {
            expect(numbers).toHaveLength(step.count);
            for (const number of numbers) {
              expect(seen.has(number)).toBe(false);
              seen.add(number);
              expect(number).toBeGreaterThan(newest.get(client) ?? 0);
              newest.set(client, number);
            }
          });
          await world.runtime.settle();
          if (step.isAborted) stop.abort();
        }
        await processes.heal();
        expect(calls.problems).toEqual([]);
        total += seen.size;
      },
    ),
    { numRuns: 80 },
  );
  expect(total).toBeGreaterThan(5_000);
});

test("with block: 1 a call that begins after another has ended gets larger numbers, in all processes", async () => {
  let total = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(incident, taking, taking), { minLength: 20, maxLength: 100 }),
      async (steps) => {
        const world = createWorld();
        const processes = crew(world);
        const calls = followCalls();
        const seen = new Set<number>();
        let largestEnded = 0;
        for (const step of steps) {
          if (step.what !== "take") {
            await processes.happen(step);
            continue;
          }
          const { coordinator } = processes.of(step.who);
          const stop = new AbortController();
          const before = largestEnded;
          const sequence = coordinator.sequence("numbers", { block: 1 });
          calls.follow(sequence.take(step.count, { signal: stop.signal }), (numbers) => {
            for (const number of numbers) {
              expect(seen.has(number)).toBe(false);
              seen.add(number);
              expect(number).toBeGreaterThan(before);
              largestEnded = Math.max(largestEnded, number);
            }
          });
          await world.runtime.settle();
          if (step.isAborted) stop.abort();
        }
        await processes.heal();
        expect(calls.problems).toEqual([]);
        total += seen.size;
      },
    ),
    { numRuns: 80 },
  );
  expect(total).toBeGreaterThan(5_000);
});

const placing = fc.record({
  what: fc.constant("place" as const),
  who: fc.nat({ max: 2 }),
  /** Where its process may die: before it writes, after it, or not at all. */
  dies: fc.constantFrom("before", "after", "throws", "waits", "never", "never", "never", "never"),
});

test("orders that are placed with issue have no gaps and no repeats, whoever dies when", async () => {
  let total = 0;
  let late = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(incident, placing, placing), { minLength: 20, maxLength: 80 }),
      async (steps) => {
        const world = createWorld();
        const processes = crew(world);
        const table = new Map<number, string>();
        const has = (order: string): boolean => [...table.values()].includes(order);
        const confirmed: number[] = [];
        const place = async (client: Client, order: string, dies: string): Promise<void> => {
          const numbers = client.coordinator.sequence("orders", { gapFree: true });
          let isFirst = true;
          while (!has(order)) {
            try {
              const number = await numbers.issue(async (next, { signal }) => {
                const dying = isFirst ? dies : "never";
                isFirst = false;
                if (dying === "throws") throw new Error("the work failed");
                if (dying === "before") client.crash();
                if (dying === "before") await new Promise(() => undefined);
                // A process that pauses here writes late, perhaps long after its lease.
                if (dying === "waits") await new Promise<void>((end) => client.process.schedule(1_500, end));
                if (!table.has(next)) table.set(next, order);
                if (dying === "after") client.crash();
                if (dying === "after") await new Promise(() => undefined);
                if (signal.aborted) late += 1;
                return next;
              });
              confirmed.push(number);
            } catch (error) {
              if ((error as Error).message === "the work failed") continue;
              expect((error as { code: string }).code).toMatch(
                /LEASE_LOST|CLOSED|UNAVAILABLE|OUTCOME_UNKNOWN/,
              );
              if ((error as { code: string }).code === "CLOSED") return;
            }
          }
        };
        for (const [index, step] of steps.entries()) {
          if (step.what === "place") void place(processes.of(step.who), `order ${index}`, step.dies);
          else await processes.happen(step);
          await world.runtime.settle();
        }
        await processes.heal();
        // One more, which comes after whatever was left behind.
        const last = track(world.runtime, place(world.client({ ttlMs }), "the last order", "never"));
        await world.runtime.advance(60_000);
        expect(last.state).toBe("resolved");
        const numbers = [...table.keys()].sort((left, right) => left - right);
        expect(numbers).toEqual(numbers.map((_, position) => position + 1));
        expect(new Set(table.values()).size).toBe(table.size);
        // A number counts as used once.
        expect(new Set(confirmed).size).toBe(confirmed.length);
        const [record] = await world.store.get(["default.sequence.orders"]);
        const { note } = decodeRoster("orders", record?.value ?? new Uint8Array()).roster;
        expect((note as { readonly used: number }).used).toBe(numbers.length);
        total += numbers.length;
      },
    ),
    { numRuns: 80 },
  );
  expect(total).toBeGreaterThan(500);
  expect(late).toBeGreaterThan(0);
});
