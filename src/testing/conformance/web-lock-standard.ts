import assert from "node:assert/strict";
import type { LockManager, WebLockInfo } from "../../web-locks/lock-manager.ts";

/**
 * What the Web Locks standard says of one client's lock manager, so that `navigator.locks` passes it too: no case uses
 * what leasehold adds.
 */
export interface StandardCase {
  readonly title: string;
  /** `name` is used by no other case. */
  check(locks: LockManager, name: string): Promise<void>;
}

/** A promise and its end. */
export type Deferred = PromiseWithResolvers<void>;

/** A promise that the case settles itself. */
export function deferred(): Deferred {
  return Promise.withResolvers<void>();
}

/** Rejects unless `promise` rejects with a DOMException of that name. */
export async function assertDom(promise: Promise<unknown>, name: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof DOMException, `a DOMException was expected; got ${String(error)}`);
    assert.equal(error.name, name);
    return true;
  });
}

/** The modes of the locks of a name. */
export function modesOf(list: readonly WebLockInfo[], name: string): readonly string[] {
  return list.filter((info) => info.name === name).map(({ mode }) => mode);
}

const unexpected = (): never => assert.fail("the callback must not be called");

/** Arguments, names and the callback's result. */
export const standardRequestCases: readonly StandardCase[] = [
  {
    title: "a name and a function are needed",
    async check(locks, name) {
      const request = locks.request as (...values: unknown[]) => Promise<unknown>;
      await assert.rejects(request.call(locks), TypeError);
      for (const callback of [undefined, null, 123, "text", [], {}, Promise.resolve()]) {
        await assert.rejects(request.call(locks, name, callback), TypeError);
        await assert.rejects(request.call(locks, name, {}, callback ?? "none"), TypeError);
      }
    },
  },
  {
    title: "mode is exclusive unless it is shared, and nothing else",
    async check(locks, name) {
      for (const mode of ["foo", null, ""]) {
        await assert.rejects(locks.request(name, { mode: mode as "shared" }, unexpected), TypeError);
      }
      assert.equal(await locks.request(name, (lock) => lock?.mode), "exclusive");
      assert.equal(await locks.request(name, {}, (lock) => lock?.mode), "exclusive");
      assert.equal(await locks.request(name, { mode: "shared" }, (lock) => lock?.mode), "shared");
    },
  },
  {
    title: "options that exclude one another are not supported",
    async check(locks, name) {
      const { signal } = new AbortController();
      const combinations = [
        { steal: true, ifAvailable: true },
        { steal: true, mode: "shared" },
        { steal: true, signal },
        { ifAvailable: true, signal },
      ] as const;
      for (const options of combinations) {
        await assertDom(locks.request(name, options, unexpected), "NotSupportedError");
      }
    },
  },
  {
    title: "a name must not begin with a hyphen",
    async check(locks, name) {
      for (const reserved of ["-", "-foo", `-${name}`]) {
        await assertDom(locks.request(reserved, unexpected), "NotSupportedError");
      }
      assert.equal(await locks.request(`${name}-x`, (lock) => lock?.name), `${name}-x`);
    },
  },
  {
    title: "any other string is a name, and not mangled",
    async check(locks, name) {
      for (const odd of ["", "a\u0000b", "\uD800", "\uDC00\uD800", "\uFFFF", '"', name]) {
        assert.equal(await locks.request(odd, { mode: "shared" }, (lock) => lock?.name), odd);
      }
      // As UTF-8 the two would be the same.
      const inner = locks.request("\uD800", () => locks.request("\uFFFD", (lock) => lock?.name));
      assert.equal(await inner, "\uFFFD");
    },
  },
  {
    title: "the result is that of the callback, whether it is a promise or not",
    async check(locks, name) {
      assert.equal(await locks.request(name, () => 123), 123);
      assert.equal(await locks.request(name, async () => "later"), "later");
      assert.equal(await locks.request(name, () => undefined), undefined);
    },
  },
  {
    title: "what the callback throws comes back as it is",
    async check(locks, name) {
      let wasAsked = false;
      // biome-ignore lint/suspicious/noThenProperty: it must not be asked.
      const thenable = { then: () => (wasAsked = true) };
      for (const [index, thrown] of [new Error("own"), { name: "test" }, thenable].entries()) {
        const fail = (): never => {
          throw thrown;
        };
        // In a list: a promise would ask it.
        const caught = (error: unknown): readonly unknown[] => [error];
        for (const callback of [async () => fail(), fail]) {
          // Node never releases the lock of a callback that throws without being async.
          assert.equal(await locks.request(`${name} ${index}`, { ifAvailable: true }, Boolean), true);
          const [error] = await locks.request(`${name} ${index}`, callback).catch(caught);
          assert.equal(error, thrown);
        }
      }
      assert.equal(wasAsked, false);
    },
  },
  {
    title: "the promise is settled after the lock was released",
    async check(locks, name) {
      const order: string[] = [];
      const { promise: held, resolve } = deferred();
      const returned = locks.request(name, () => held).then(() => order.push("returned"));
      const holding = held.then(() => order.push("holding"));
      resolve();
      await Promise.all([returned, holding]);
      assert.deepEqual(order, ["holding", "returned"]);
      assert.equal(await locks.request(name, { ifAvailable: true }, (lock) => lock !== null), true);
    },
  },
  {
    title: "a lock is held until what the callback returned is settled, one way or the other",
    async check(locks, name) {
      for (const settle of ["resolve", "reject"] as const) {
        const order: string[] = [];
        const granted = deferred();
        const end = deferred();
        const first = locks.request(name, () => {
          granted.resolve();
          return end.promise;
        });
        const ended = first.catch(() => {
          order.push("rejected");
        });
        await granted.promise;
        const second = locks.request(name, () => order.push("second"));
        await locks.query();
        assert.equal(order.length, 0);
        order.push("settled");
        end[settle]();
        await Promise.all([ended, second]);
        assert.equal(order[0], "settled");
        assert.equal(order.includes("rejected"), settle === "reject");
      }
    },
  },
];
