import assert from "node:assert/strict";
import { OutcomeUnknownError } from "../../core/errors.ts";
import { recordKey } from "../../core/names.ts";
import { systemRuntime } from "../../core/runtime.ts";
import type { Grant } from "../../roster/grant.ts";
import type { Interceptor, ObservedBackend } from "../observed-backend.ts";
import { assertCode, assertEmpty, type LockCaseDefinition, until } from "./lock-support.ts";

/** How much longer than its TTL a session must stand still, at the default drift tolerance. */
const deathTtls = 1.1;

/** Clients that die, answers that are lost, requests that come late, records that vanish. */
export const lockFailureCases: readonly LockCaseDefinition[] = [
  {
    title: "the lock of a client that was cut off goes to the waiter, after the holder knows of its loss",
    async check({ clients, locks, ttlMs }) {
      const [first, second] = locks("cut");
      const grant = await first.acquire();
      let isLost = false;
      grant.signal.addEventListener("abort", () => {
        isLost = true;
      });
      const waiting = second.acquire();
      clients[0].sever();
      const severedAtMs = systemRuntime.monotonicMs();
      const next = await waiting;
      const tookMs = systemRuntime.monotonicMs() - severedAtMs;
      assert.equal(isLost, true, "the lock was taken over from a holder who did not know");
      assert.equal(grant.state, "lost");
      assert.ok(next.fence > grant.fence);
      assert.ok(tookMs > ttlMs / 2 && tookMs < 4 * deathTtls * ttlMs, `the takeover took ${tookMs} ms`);
      await next.release();
    },
  },
  {
    title: "the lock of a client that was cut off goes to one who only tries now and then",
    async check({ clients, locks, pass, ttlMs }) {
      const [first, second] = locks("cut-try");
      const grant = await first.acquire();
      assert.equal(await second.tryAcquire(), null);
      clients[0].sever();
      let taken: Grant | null = null;
      for (let tries = 0; taken === null; tries += 1) {
        assert.ok(tries < 20, "the lock of a dead holder stays taken");
        await pass(ttlMs / 4);
        taken = await second.tryAcquire();
      }
      assert.equal(grant.state, "lost");
      assert.ok(taken.fence > grant.fence);
      await taken.release();
    },
  },
  {
    title: "a waiter that was cut off does not keep those behind it waiting for ever",
    async check({ clients, locks, queued }) {
      const [first, second, third] = locks("cut-waiter");
      const grant = await first.acquire();
      const abort = new AbortController();
      const dead = assertCode(second.acquire({ signal: abort.signal }), "ABORTED");
      await queued(first, 1);
      clients[1].sever();
      const waiting = third.acquire();
      await queued(first, 2);
      await grant.release();
      const next = await waiting;
      assert.ok(next.fence > grant.fence);
      await next.release();
      abort.abort();
      await dead;
      await assertEmpty(first);
    },
  },
  {
    title: "a join whose answer is lost holds once, and leaves nothing behind",
    async check({ clients, locks }) {
      const [first, second] = locks("lost-join");
      await second.hold(() => undefined);
      const lost = loseOneAnswer(clients[0].backend, "locks");
      const grant = await first.acquire();
      assert.equal(lost.count, 1);
      const inspection = await second.inspect();
      assert.equal(inspection?.holders.length, 1);
      assert.equal(inspection?.waiters.length, 0);
      await grant.release();
      await assertEmpty(second);
    },
  },
  {
    title: "a release whose answer is lost frees the lock, and answers so",
    async check({ clients, locks, queued }) {
      const [first, second] = locks("lost-release");
      const grant = await first.acquire();
      const waiting = second.acquire();
      await queued(first, 1);
      const lost = loseOneAnswer(clients[0].backend, "locks");
      await grant.release();
      assert.equal(lost.count, 1);
      const next = await waiting;
      assert.ok(next.fence > grant.fence);
      await next.release();
      await assertEmpty(first);
    },
  },
  {
    title: "a heartbeat whose answer is lost costs no lease",
    async check({ clients, locks, pass, ttlMs }) {
      const [first] = locks("lost-heartbeat");
      const grant = await first.acquire();
      const lost = loseOneAnswer(clients[0].backend, "session");
      await pass(2 * ttlMs);
      assert.equal(lost.count, 1);
      grant.assertHeld();
      await grant.release();
    },
  },
  {
    title: "a release that comes late does not free the lock of the one who took it since",
    async check({ clients, locks }) {
      const [first, second, third] = locks("late-release");
      const grant = await first.acquire();
      const late: (() => Promise<unknown>)[] = [];
      clients[0].backend.intercept(async (request, send) => {
        if (request.kind !== "commit" || late.length > 0) return send();
        late.push(send);
        throw new OutcomeUnknownError("the request is still on its way");
      });
      await grant.release();
      assert.equal(late.length, 1);
      const next = await second.acquire();
      await late[0]?.();
      assert.equal(await third.tryAcquire(), null);
      assert.equal((await third.inspect())?.holders[0]?.fence, next.fence);
      await next.release();
      await assertCode(
        Promise.resolve().then(() => grant.assertHeld()),
        "LEASE_LOST",
      );
    },
  },
  {
    title: "a holder whose session record was deleted learns of its loss",
    async check({ clients, locks, namespace, ttlMs }) {
      const [first] = locks("deleted-session");
      const grant = await first.acquire();
      const { records } = await clients[1].backend.scan(`${namespace}.session.`);
      await clients[1].backend.commit(records.slice(0, 1).map(({ key }) => ({ kind: "delete", key })));
      await until(
        () => grant.signal.aborted,
        () => `the signal aborts within ${ttlMs} ms`,
      );
      await assertCode(grant.release(), "LEASE_LOST");
    },
  },
  {
    title: "after the record of a lock vanished, its release says so and fences go on rising",
    async check({ clients, locks, namespace }) {
      const [first, second] = locks("vanished");
      const grant = await first.acquire();
      await clients[2].backend.commit([{ kind: "delete", key: recordKey(namespace, "lock", "vanished") }]);
      await assertCode(grant.release(), "LEASE_LOST");
      const next = await second.acquire();
      assert.ok(next.fence > grant.fence);
      await next.release();
    },
  },
  {
    title: "a record that leasehold did not write is reported and left alone",
    async check({ clients, locks, namespace }) {
      const [first, second] = locks("garbage");
      const key = recordKey(namespace, "lock", "garbage");
      const value = Buffer.from("not a roster");
      await clients[2].backend.commit([{ kind: "put", key, value }]);
      await assertCode(first.acquire(), "CORRUPT_RECORD");
      await assertCode(second.tryAcquire(), "CORRUPT_RECORD");
      await assertCode(first.inspect(), "CORRUPT_RECORD");
      const [record] = await clients[2].backend.get([key]);
      assert.equal(Buffer.from(record?.value ?? []).toString(), "not a roster");
    },
  },
];

/** Loses the answer to the next write of a kind that the store applies. */
function loseOneAnswer(backend: ObservedBackend, what: "locks" | "session"): { readonly count: number } {
  const lost = { count: 0 };
  const interceptor: Interceptor = async (request, send) => {
    const answer = await send();
    if (request.kind !== "commit" || lost.count > 0) return answer;
    const isSession = request.operations[0]?.key.includes(".session.") === true;
    if (isSession !== (what === "session") || !("committed" in answer && answer.committed)) return answer;
    lost.count += 1;
    throw new OutcomeUnknownError("the answer was lost");
  };
  backend.intercept(interceptor);
  return lost;
}
