import assert from "node:assert/strict";
import { OutcomeUnknownError } from "../../core/errors.ts";
import type { Counter } from "../../counters/counter.ts";
import type { CounterOptions } from "../../counters/counter-options.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition } from "./lock-support.ts";

const callersEach = 4;
const callsEach = 8;

/** Counters: what several clients add, set and compare at the same time counts once, within bounds. */
export const counterCases: readonly LockCaseDefinition[] = [
  {
    title: "counters: callers of three clients at once each get a sum of their own, and none is missing",
    async check(context) {
      const sums: number[] = [];
      const loop = async (counter: Counter): Promise<void> => {
        for (let call = 0; call < callsEach; call += 1) sums.push(await counter.add());
      };
      const all = counters(context, "crowded");
      await Promise.all(all.flatMap((counter) => Array.from({ length: callersEach }, () => loop(counter))));
      const expected = Array.from({ length: 3 * callersEach * callsEach }, (_, index) => index + 1);
      assert.deepEqual(
        sums.sort((a, b) => a - b),
        expected,
      );
      assert.equal(await all[0].get(), expected.length);
    },
  },
  {
    title: "counters: a hundred adds of one client at once are one write, and get the sums in order",
    async check(context) {
      const [counter, other] = counters(context, "together");
      await counter.add(1);
      const { backend } = context.clients[0];
      backend.resetCounts();
      const sums = await Promise.all(Array.from({ length: 100 }, (_, index) => counter.add(index % 3)));
      assert.equal(backend.counts.writes, 1);
      let sum = 1;
      assert.deepEqual(
        sums,
        sums.map((_, index) => {
          sum += index % 3;
          return sum;
        }),
      );
      assert.equal(await other.get(), sum);
    },
  },
  {
    title: "counters: adds, sets, conditions and resets of several clients mix on one record",
    async check(context) {
      const [first, second, third] = counters(context, "mixed");
      assert.equal(await first.get(), 0);
      assert.equal(await first.add(5), 5);
      await second.set(100);
      assert.equal(await first.add(5), 105);
      assert.equal(await third.compareAndSet(104, 1), false);
      assert.equal(await third.compareAndSet(105, 7), true);
      assert.equal(await second.add(-8), -1);
      await first.reset();
      assert.equal(await second.add(2), 2);
      assert.equal(await third.get(), 2);
    },
  },
  {
    title: "counters: increments by compareAndSet of three clients beside adds are all counted",
    async check(context) {
      const all = counters(context, "swapped");
      const swap = async (counter: Counter): Promise<void> => {
        for (let done = 0; done < 3; ) {
          const value = await counter.get();
          if (await counter.compareAndSet(value, value + 100)) done += 1;
        }
      };
      const add = async (counter: Counter): Promise<void> => {
        for (let call = 0; call < 3; call += 1) await counter.add();
      };
      await Promise.all(all.flatMap((counter) => [swap(counter), add(counter)]));
      assert.equal(await all[0].get(), 909);
    },
  },
  {
    title:
      "counters: of those who ask at once as many get through as a bound allows, and a refusal changes nothing",
    async check(context) {
      const all = counters(context, "stock", { min: 0 });
      await all[0].set(10);
      const orders = all.flatMap((counter) => Array.from({ length: 5 }, () => counter.add(-1)));
      const ends = await Promise.allSettled(orders);
      const sold = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
      assert.deepEqual(
        sold.sort((a, b) => a - b),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      await assertCode(all[1].add(-1), "OUT_OF_BOUNDS");
      await assertCode(all[1].set(-1), "OUT_OF_BOUNDS");
      assert.equal(await all[2].get(), 0);
    },
  },
  {
    title: "counters: an add whose answer was lost counts once, also when others add and set meanwhile",
    async check(context) {
      const [counter, other] = counters(context, "lost");
      for (const meanwhile of [() => other.add(10), () => other.set(1_000), async () => undefined]) {
        await other.set(0);
        let isLost = false;
        context.clients[0].backend.intercept(async (request, send) => {
          const answer = await send();
          if (request.kind !== "add" || isLost) return answer;
          isLost = true;
          await meanwhile();
          throw new OutcomeUnknownError("a test lost the answer");
        });
        assert.deepEqual(await Promise.all([counter.add(1), counter.add(2)]), [1, 3]);
        assert.equal(isLost, true);
        assert.ok([13, 1_000, 3].includes(await other.get()), `the counter is ${await other.get()}`);
      }
    },
  },
  {
    title: "counters: a set and a bounded add whose answer was lost count once",
    async check(context) {
      const [counter, other] = counters(context, "lost-sets", { max: 1_000 });
      const lose = (): void => {
        let isLost = false;
        context.clients[0].backend.intercept(async (request, send) => {
          const answer = await send();
          if (request.kind !== "commit" || isLost) return answer;
          isLost = true;
          await other.add(10);
          throw new OutcomeUnknownError("a test lost the answer");
        });
      };
      lose();
      await counter.set(100);
      assert.equal(await other.get(), 110);
      lose();
      assert.equal(await counter.add(1), 111);
      assert.equal(await other.get(), 121);
    },
  },
  {
    title: "counters: numbers end at 2^53 - 1 with an error, alone; bigints go on",
    async check(context) {
      const [first, second] = counters(context, "edge");
      await first.set(Number.MAX_SAFE_INTEGER - 5);
      const ends = await Promise.allSettled([1, 10, 4, 1].map((delta) => first.add(delta)));
      assert.deepEqual(
        ends.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled", "rejected"],
      );
      await assertCode(second.add(1), "LIMIT_EXCEEDED");
      assert.equal(await second.get(), Number.MAX_SAFE_INTEGER);
      const [one, two] = context.clients.map(({ coordinator }) => coordinator.bigintCounter("edgeless"));
      await Promise.all([one?.add(2n ** 70n), two?.add(-3n), one?.add(1n)]);
      assert.equal(await two?.get(), 2n ** 70n - 2n);
      assert.equal(await two?.compareAndSet(2n ** 70n - 2n, -(10n ** 100n)), true);
      assert.equal(await one?.get(), -(10n ** 100n));
    },
  },
  {
    title: "counters: a value is there until its ttl is over, for all clients, and never afterwards",
    async check(context) {
      const ttlMs = 4_000;
      const [first, second, third] = counters(context, "timed", { ttl: ttlMs });
      assert.equal(await first.add(5), 5);
      assert.equal(await second.add(1), 6);
      await context.pass(ttlMs / 4);
      assert.equal(await third.get(), 6);
      await context.pass((3 * ttlMs) / 4 + 1);
      assert.deepEqual(await Promise.all([first.get(), second.get(), third.get()]), [0, 0, 0]);
      assert.equal(await second.add(1), 1);
    },
  },
  {
    title: "counters: in shards, clients add side by side, and the sum is that of all",
    async check(context) {
      const all = counters(context, "sharded", { shards: 4 });
      await Promise.all(all.flatMap((counter) => Array.from({ length: 5 }, () => counter.add(2))));
      const { value, isMomentary } = await all[0].read();
      assert.deepEqual({ value, isMomentary }, { value: 30, isMomentary: false });
      await assertCode(all[0].compareAndSet(30, 1), "UNSUPPORTED");
      await all[1].reset();
      assert.equal(await all[2].get(), 0);
    },
  },
];

function counters(
  { clients }: LockCaseContext,
  name: string,
  options?: CounterOptions,
): readonly [Counter, Counter, Counter] {
  const [first, second, third] = clients;
  const of = ({ coordinator }: typeof first): Counter => coordinator.counter(name, options);
  return [of(first), of(second), of(third)];
}
