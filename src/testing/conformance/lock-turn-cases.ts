import assert from "node:assert/strict";
import type { Lock } from "../../locks/lock.ts";
import type { Grant } from "../../roster/grant.ts";
import { assertCode, assertEmpty, type LockCaseDefinition } from "./lock-support.ts";

const roundsEach = 8;
const callersEach = 2;

/** Taking turns: one at a time, in order, and nothing left behind by those who give up. */
export const lockTurnCases: readonly LockCaseDefinition[] = [
  {
    title: "one at a time holds a lock that six callers of three clients want all the time, and fences rise",
    async check({ locks, pass }) {
      let inside = 0;
      const fences: number[] = [];
      const work = async ({ fence, signal }: Grant): Promise<void> => {
        inside += 1;
        assert.equal(inside, 1, "two hold the lock at once");
        fences.push(fence);
        await pass(1);
        assert.equal(signal.aborted, false);
        inside -= 1;
      };
      const loop = async (lock: Lock): Promise<void> => {
        for (let round = 0; round < roundsEach; round += 1) await lock.hold(work);
      };
      const all = locks("contended");
      await Promise.all(Array.from({ length: callersEach }, () => all.map(loop)).flat());
      assert.equal(fences.length, all.length * callersEach * roundsEach);
      assertRising(fences);
      await assertEmpty(all[0]);
    },
  },
  {
    title: "the lock goes to those who wait in the order in which they came",
    async check({ locks, queued }) {
      const [first, second, third] = locks("queue");
      const grant = await first.acquire();
      const served: string[] = [];
      const one = third.hold(() => served.push("third"));
      await queued(first, 1);
      const two = second.hold(() => served.push("second"));
      await queued(first, 2);
      const three = first.hold(() => served.push("first"));
      await grant.release();
      await Promise.all([one, two, three]);
      assert.deepEqual(served, ["third", "second", "first"]);
      await assertEmpty(first);
    },
  },
  {
    title: "a lock is held for as long as its holder lives, over several TTLs",
    async check({ locks, pass, ttlMs }) {
      const [first, second] = locks("long");
      const grant = await first.acquire();
      for (let look = 0; look < 6; look += 1) {
        await pass(ttlMs / 2);
        assert.equal(await second.tryAcquire(), null);
        assert.equal(grant.signal.aborted, false);
      }
      grant.assertHeld();
      await grant.release();
    },
  },
  {
    title: "a try answers null while somebody holds the lock, and the lock when it is free",
    async check({ locks }) {
      const [first, second] = locks("tried");
      const grant = await first.tryAcquire();
      assert.ok(grant);
      assert.equal(await second.tryAcquire(), null);
      assert.equal(await first.tryAcquire(), null);
      await assertCode(second.acquire({ wait: 0 }), "ACQUIRE_TIMEOUT");
      await grant.release();
      const next = await second.acquire({ wait: 0 });
      assert.ok(next.fence > grant.fence);
      await next.release();
    },
  },
  {
    title: "of many tries at once over all clients exactly one wins",
    async check({ locks }) {
      const all = locks("race");
      const tries = Array.from({ length: 12 }, (_, index) => (all[index % 3] as Lock).tryAcquire());
      const grants = (await Promise.all(tries)).filter((grant) => grant !== null);
      assert.ok(grants.length <= 1, `${grants.length} hold the lock at once`);
      await grants[0]?.release();
      await assertEmpty(all[0]);
    },
  },
  {
    title: "waiters that time out or are aborted leave nothing in the queue",
    async check({ locks, queued }) {
      const [first, second, third] = locks("impatient");
      const grant = await first.acquire();
      const abort = new AbortController();
      const reason = new Error("enough");
      const timedOut = assertCode(second.acquire({ wait: 200 }), "ACQUIRE_TIMEOUT");
      const aborted = assert.rejects(third.acquire({ signal: abort.signal }), {
        code: "ABORTED",
        cause: reason,
      });
      await timedOut;
      abort.abort(reason);
      await aborted;
      await queued(first, 0);
      await grant.release();
      await assertEmpty(first);
      await second.hold(() => undefined);
    },
  },
  {
    title: "inspect shows who holds and who waits, with what they said of themselves",
    async check({ locks, queued, ttlMs }) {
      const [first, second] = locks("shown");
      assert.equal(await first.inspect(), null);
      const grant = await first.acquire({ metadata: { job: "naïve ☕" } });
      const waiting = second.acquire({ metadata: "next" });
      await queued(first, 1);
      const inspection = await second.inspect();
      assert.equal(inspection?.name, "shown");
      assert.equal(inspection?.fence, grant.fence);
      const [[holder], [waiter]] = [inspection?.holders ?? [], inspection?.waiters ?? []];
      assert.equal(holder?.fence, grant.fence);
      assert.equal(holder?.ttlMs, ttlMs);
      assert.deepEqual(holder?.metadata, { job: "naïve ☕" });
      assert.equal(holder?.client?.pid, process.pid);
      assert.equal(waiter?.metadata, "next");
      await grant.release();
      await (await waiting).release();
    },
  },
  {
    title: "close gives back what is held, ends waiters, and leaves no session behind",
    async check({ clients, locks, queued, namespace }) {
      const [first, second, third] = locks("closed");
      const grant = await first.acquire();
      const { signal } = grant;
      const waiting = second.acquire();
      await queued(first, 1);
      const ended = assertCode(third.acquire(), "CLOSED");
      await queued(first, 2);
      await clients[2].coordinator.close();
      await ended;
      await clients[0].coordinator.close();
      assert.equal((signal.reason as { code?: unknown }).code, "CLOSED");
      await (await waiting).release();
      await assertEmpty(second);
      await clients[1].coordinator.close();
      const { records } = await clients[1].backend.scan(`${namespace}.session.`);
      assert.deepEqual(
        records.map(({ key }) => key),
        [],
      );
    },
  },
];

/** Fails unless each number is larger than the one before. */
export function assertRising(fences: readonly number[]): void {
  for (const [index, fence] of fences.entries()) {
    assert.ok(index === 0 || fence > (fences[index - 1] ?? Number.NaN), `fences fall: ${fences.join(", ")}`);
  }
}
