import assert from "node:assert/strict";
import type { GapFreeSequence } from "../../sequences/sequence.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition } from "./lock-support.ts";

const callsEach = 12;

/** Sequences: unique numbers for several clients, and numbers without gaps. */
export const sequenceCases: readonly LockCaseDefinition[] = [
  {
    title: "sequences: three clients never share a number, and each gets rising ones",
    async check({ clients }) {
      const numbers = await Promise.all(
        clients.map(async ({ coordinator }) => {
          const sequence = coordinator.sequence("blocks", { block: 5 });
          const mine: number[] = [];
          for (let call = 0; call < callsEach; call += 1) mine.push(...(await sequence.take(1 + (call % 3))));
          assert.deepEqual(mine, rising(mine), "numbers of one client rise");
          return mine;
        }),
      );
      assert.equal(new Set(numbers.flat()).size, numbers.flat().length, "no number came twice");
    },
  },
  {
    title: "sequences: with block 1 numbers rise over all clients, whoever asks",
    async check({ clients }) {
      const sequences = clients.map(({ coordinator }) =>
        coordinator.sequence("exact", { block: 1, start: 0 }),
      );
      for (let call = 0; call < callsEach; call += 1) {
        assert.equal(await sequences[call % sequences.length]?.next(), call);
      }
    },
  },
  {
    title: "sequences: the unused rest of the last block is given back when its client closes",
    async check({ coordinator, namespace }) {
      const mine = `${namespace}-rest`;
      const first = coordinator(0, mine);
      assert.equal(await first.sequence("rest", { block: 100 }).next(), 1);
      await first.close();
      const second = coordinator(1, mine).sequence("rest", { block: 10, start: 7 });
      assert.deepEqual(await second.take(3), [2, 3, 4]);
    },
  },
  {
    title: "sequences: the last number is 2^53 - 1",
    async check({ clients }) {
      const start = Number.MAX_SAFE_INTEGER - 1;
      const [first, second] = clients.map(({ coordinator }) =>
        coordinator.sequence("end", { start, block: 4 }),
      );
      assert.deepEqual(await first?.take(2), [start, start + 1]);
      await assertCode(second?.next() ?? Promise.resolve(), "LIMIT_EXCEEDED");
    },
  },
  {
    title: "sequences: without gaps, works of three clients get each number once, one at a time",
    async check(context) {
      const numbers: number[] = [];
      let working = 0;
      const work = async (number: number): Promise<void> => {
        working += 1;
        assert.equal(working, 1, "two work at once");
        await context.pass(1);
        numbers.push(number);
        working -= 1;
      };
      await Promise.all(
        gapFree(context, "orders").flatMap((orders) => Array.from({ length: 4 }, () => orders.issue(work))),
      );
      assert.deepEqual(
        numbers,
        Array.from({ length: 12 }, (_, index) => index + 1),
      );
    },
  },
  {
    title: "sequences: without gaps, many calls of three clients leave none, and share writes",
    async check(context) {
      const all = gapFree(context, "counted");
      const numbers = await Promise.all(
        all.flatMap((orders) => Array.from({ length: callsEach }, () => orders.next())),
      );
      assert.deepEqual(
        rising(numbers),
        numbers.map((_, index) => index + 1),
      );
      assert.equal(await all[0].issue((number) => number), numbers.length + 1);
    },
  },
  {
    title: "sequences: without gaps, the number of a client that was cut off at work goes to the next",
    async check(context) {
      const [first, second] = gapFree(context, "severed");
      assert.equal(await first.issue((number) => number), 1);
      const working = first.issue(async (_number, { signal }) => {
        context.clients[0].sever();
        await new Promise((end) => signal.addEventListener("abort", end));
      });
      // It hears nothing before it is connected again, which is when the case ends.
      working.catch(() => undefined);
      await context.pass(1);
      assert.equal(await second.issue((number) => number, { wait: 8 * context.ttlMs }), 2);
      assert.equal(await second.last(), 2);
    },
  },
  {
    title: "worker ids: three clients have numbers of their own, and the smallest free one is next",
    async check({ clients }) {
      const all = clients.map(({ coordinator }) => coordinator.workerIds("workers", { bits: 4 }));
      const workers = await Promise.all([...all, ...all].map((ids) => ids.acquire()));
      const numbers = workers.map(({ id }) => id).sort((left, right) => left - right);
      assert.deepEqual(numbers, [0, 1, 2, 3, 4, 5]);
      const second = workers.find(({ id }) => id === 2);
      await second?.release();
      const next = await all[0]?.tryAcquire();
      assert.equal(next?.id, 2);
      await assertCode(clients[1].coordinator.workerIds("workers").acquire(), "LIMIT_MISMATCH");
    },
  },
  {
    title: "worker ids: ids of all clients are unique, rise in each, and tell when they were made",
    async check({ clients, pass }) {
      const all = await Promise.all(
        clients.map(async ({ coordinator }) => {
          const workers = coordinator.workerIds("makers");
          const worker = await workers.acquire();
          const ids = await worker.ids();
          const made: bigint[] = [];
          for (let round = 0; round < 5; round += 1) {
            for (let index = 0; index < 200; index += 1) made.push(ids.next());
            await pass(20);
          }
          assert.ok(
            made.every((id, index) => index === 0 || id > (made[index - 1] as bigint)),
            "ids rise",
          );
          const { at, worker: maker } = workers.parse(made[0] as bigint);
          assert.equal(maker, worker.id);
          return { made, atMs: at.getTime() };
        }),
      );
      assert.equal(new Set(all.flatMap(({ made }) => made)).size, 3_000);
      const times = all.map(({ atMs }) => atMs);
      assert.ok(Math.max(...times) - Math.min(...times) < 10_000, `the clocks are one: ${times.join()}`);
    },
  },
  {
    title: "worker ids: the number of a client that was cut off goes to who waits, and makes larger ids",
    async check(context) {
      const [first, second] = context.clients.map(({ coordinator }) =>
        coordinator.workerIds("taken", { bits: 1 }),
      );
      assert.ok(first !== undefined && second !== undefined);
      const taken = [await first.acquire(), await first.acquire()];
      const ids = (await taken[0]?.ids()) ?? assert.fail();
      const made = ids.next();
      context.clients[0].sever();
      const next = await second.acquire({ wait: 8 * context.ttlMs });
      assert.throws(() => ids.next(), { code: "LEASE_LOST" });
      assert.ok(taken.some(({ id }) => id === next.id));
      assert.ok((await (await next.ids()).nextAsync()) > made, "what it makes comes after all before");
    },
  },
];

function gapFree(
  { clients }: LockCaseContext,
  name: string,
): readonly [GapFreeSequence, GapFreeSequence, GapFreeSequence] {
  const [first, second, third] = clients;
  const of = ({ coordinator }: typeof first): GapFreeSequence =>
    coordinator.sequence(name, { gapFree: true });
  return [of(first), of(second), of(third)];
}

function rising(numbers: readonly number[]): readonly number[] {
  return [...numbers].sort((left, right) => left - right);
}
