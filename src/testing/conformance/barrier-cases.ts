import assert from "node:assert/strict";
import type { Barrier } from "../../barriers/barrier.ts";
import type { Latch } from "../../barriers/latch.ts";
import { OutcomeUnknownError } from "../../core/errors.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition, until } from "./lock-support.ts";

function latches({ clients }: LockCaseContext, name: string, count: number): [Latch, Latch, Latch] {
  const [one, two, three] = clients.map(({ coordinator }) => coordinator.latch(name, count));
  return [one, two, three] as [Latch, Latch, Latch];
}

function barriers({ clients }: LockCaseContext, name: string, parties: number): [Barrier, Barrier, Barrier] {
  const [one, two, three] = clients.map(({ coordinator }) => coordinator.barrier(name, parties));
  return [one, two, three] as [Barrier, Barrier, Barrier];
}

async function isIn(barrier: Barrier, parties: number): Promise<void> {
  await until(
    async () => ((await barrier.inspect())?.holders.length ?? 0) === parties,
    () => `${parties} are in`,
  );
}

/** Latches and double barriers. */
export const barrierCases: readonly LockCaseDefinition[] = [
  {
    title: "latches: counts of three clients open it once for all who wait, and each counts once",
    async check(context) {
      const all = latches(context, "latch-open", 12);
      let isOpen = false;
      const waiting = Promise.all(all.map((latch) => latch.wait())).then(() => {
        isOpen = true;
      });
      const counts = Array.from({ length: 33 }, (_, index) =>
        all[index % 3]?.countDown({ id: `${index % 11}` }),
      );
      await Promise.all(counts);
      assert.equal(await all[0].remaining(), 1);
      assert.equal(isOpen, false);
      assert.equal(await all[1].countDown(), 0);
      await waiting;
      assert.equal(await all[2].reset(), true);
      assert.equal(await all[0].remaining(), 12);
      await assertCode(context.clients[0].coordinator.latch("latch-open", 3).countDown(), "LIMIT_MISMATCH");
    },
  },
  {
    title: "latches: a count whose answer is lost counts once",
    async check(context) {
      const [first, second] = latches(context, "latch-lost", 3);
      let lost = 0;
      context.clients[0].backend.intercept(async (request, send) => {
        const answer = await send();
        if (request.kind !== "commit" || lost > 0) return answer;
        lost += 1;
        throw new OutcomeUnknownError("the answer was lost");
      });
      assert.equal(await first.countDown(), 2);
      assert.equal(lost, 1);
      assert.equal(await second.remaining(), 2);
      await assertCode(second.wait({ wait: 100 }), "ACQUIRE_TIMEOUT");
    },
  },
  {
    title: "barriers: the parties of three clients begin and end together, three times",
    async check(context) {
      const all = barriers(context, "barrier-rounds", 3);
      let inside = 0;
      const rounds = await Promise.all(
        all.map(async (barrier) => {
          const seen: number[] = [];
          for (let round = 1; round <= 3; round += 1) {
            inside += 1;
            const stay = await barrier.enter();
            seen.push(stay.round);
            assert.ok(inside >= 3 * round, "a party began before all were in");
            await stay.leave();
          }
          return seen;
        }),
      );
      assert.deepEqual(
        rounds,
        rounds.map(() => [1, 2, 3]),
      );
      await assertCode(context.clients[0].coordinator.barrier("barrier-rounds", 2).enter(), "LIMIT_MISMATCH");
    },
  },
  {
    title: "barriers: a party that gives up, and one that was cut off, do not count",
    async check(context) {
      const [first, second, third] = barriers(context, "barrier-cut", 3);
      await assertCode(first.enter({ wait: 100 }), "ACQUIRE_TIMEOUT");
      await isIn(second, 0);
      const abort = new AbortController();
      const lost = assertCode(first.enter({ signal: abort.signal }), "ABORTED");
      await isIn(second, 1);
      const stays = [second.enter()];
      await isIn(second, 2);
      context.clients[0].sever();
      await isIn(second, 1);
      stays.push(third.enter(), third.enter());
      assert.deepEqual(
        (await Promise.all(stays)).map(({ round }) => round),
        [1, 1, 1],
      );
      abort.abort();
      await lost;
    },
  },
  {
    title: "barriers: those who leave do not wait for a party that was cut off",
    async check(context) {
      const [first, second, third] = barriers(context, "barrier-left", 3);
      const [, stay, other] = await Promise.all([first.enter(), second.enter(), third.enter()]);
      context.clients[0].sever();
      await Promise.all([stay.leave(), other.leave()]);
    },
  },
];
