import assert from "node:assert/strict";
import { systemRuntime } from "../../core/runtime.ts";
import type { Inspection } from "../../roster/inspection.ts";
import type { Intervention } from "../../roster/intervention.ts";
import { assertCode, assertEmpty, type LockCaseDefinition, until } from "./lock-support.ts";

const reason = "naïve ☕ reason";

/** Looking at what others hold, asking for it, and taking it away. */
export const administrationCases: readonly LockCaseDefinition[] = [
  {
    title: "a forced release tells the holder in time, lets the next one in, and is remembered",
    async check({ locks, clients, queued, ttlMs }) {
      const [first, second, third] = locks("forced");
      const kept = await clients[0].coordinator.lock("kept").acquire();
      const grant = await first.acquire();
      const { signal } = grant;
      const waiting = second.acquire();
      await queued(first, 1);
      const startedAtMs = systemRuntime.monotonicMs();
      assert.equal(await third.forceRelease({ reason }), true);
      await until(
        () => signal.aborted,
        () => "the holder hears of it",
      );
      const tookMs = systemRuntime.monotonicMs() - startedAtMs;
      assert.ok(tookMs < (2 * ttlMs) / 3, `the holder heard of it after ${tookMs} ms`);
      const { cause } = signal.reason as { cause?: Intervention };
      assert.equal(cause?.kind, "force-release");
      assert.equal(cause?.reason, reason);
      const next = await waiting;
      assert.ok(next.fence > grant.fence);
      await assertCode(grant.release(), "LEASE_LOST");
      // On a busy machine a renewal may be overdue; what counts is that they hold.
      next.assertHeld();
      kept.assertHeld();
      const inspection = await third.inspect();
      assert.deepEqual(
        inspection?.forcedReleases.map((each) => [each.reason, each.fences]),
        [[reason, [grant.fence]]],
      );
      await next.release();
      await kept.release();
      await assertEmpty(first);
      assert.equal(await third.forceRelease({ reason }), false);
    },
  },
  {
    title: "a forced release does not wait for a holder that is cut off",
    async check({ locks, clients, ttlMs }) {
      const [first, second, third] = locks("cut off");
      const grant = await first.acquire();
      clients[0].sever();
      const startedAtMs = systemRuntime.monotonicMs();
      assert.equal(await second.forceRelease({ reason }), true);
      const next = await third.acquire();
      const tookMs = systemRuntime.monotonicMs() - startedAtMs;
      assert.ok(tookMs < ttlMs, `the next one came after ${tookMs} ms`);
      assert.ok(next.fence > grant.fence);
      await until(
        () => grant.state === "lost",
        () => "the lease of the holder ends by its own clock",
      );
      next.assertHeld();
      await next.release();
    },
  },
  {
    title: "a request to give up reaches the holder, and takes nothing",
    async check({ locks, pass, ttlMs }) {
      const [first, second] = locks("asked");
      assert.equal(await second.requestRevoke({ reason }), false);
      const grant = await first.acquire();
      assert.equal(await second.requestRevoke({ reason }), true);
      await until(
        () => grant.revokeRequested.aborted,
        () => "the holder hears of it",
      );
      const { cause } = grant.revokeRequested.reason as { cause?: Intervention };
      assert.equal(cause?.reason, reason);
      await pass(ttlMs);
      grant.assertHeld();
      await grant.release();
    },
  },
  {
    title: "list shows what is held, by kind and by beginning",
    async check({ clients }) {
      const [{ coordinator }, { coordinator: other }] = clients;
      const names = ["list/a", "list/b ☕", "else"];
      const grants = await Promise.all(names.map((name) => coordinator.lock(name).acquire()));
      grants.push(await coordinator.semaphore("list/a", { permits: 2 }).acquire());
      const listed = async (list: AsyncIterable<Inspection>): Promise<readonly string[]> => {
        const found: string[] = [];
        for await (const { kind, name, holders } of list) found.push(`${kind} ${name} ${holders.length}`);
        return found.sort();
      };
      const expected = ["lock list/a 1", "lock list/b ☕ 1"];
      assert.deepEqual(await listed(other.list("list/", { kind: "lock" })), expected);
      assert.deepEqual(await listed(other.list("list/")), [...expected, "semaphore list/a 1"]);
      await Promise.all(grants.map((grant) => grant.release()));
    },
  },
];
