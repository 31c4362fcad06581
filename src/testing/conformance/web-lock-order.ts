import assert from "node:assert/strict";
import type { LockManager, WebLockOptions } from "../../web-locks/lock-manager.ts";
import { assertDom, deferred, modesOf, type StandardCase } from "./web-lock-standard.ts";

/** A request that holds until the case ends it. */
interface Holding {
  /** Resolves once it is granted. */
  readonly granted: Promise<void>;
  readonly result: Promise<unknown>;
  end(value?: string): void;
}

function hold(locks: LockManager, name: string, options: WebLockOptions = {}): Holding {
  const granted = deferred();
  const { promise: ended, resolve } = Promise.withResolvers<string | undefined>();
  const result = locks.request(name, options, () => {
    granted.resolve();
    return ended;
  });
  result.catch(() => granted.resolve());
  return { granted: granted.promise, result, end: resolve };
}

const isThere = (lock: unknown): boolean => lock !== null;

/** Who is served when: the queue, `ifAvailable`, `signal`, `steal` and `query`. */
export const standardOrderCases: readonly StandardCase[] = [
  {
    title: "requests are granted in order; shared ones together, and not past an exclusive one",
    async check(locks, name) {
      const order: string[] = [];
      const first = hold(locks, name);
      const shared = ["s1", "s2", "s3"].map((it) =>
        locks.request(name, { mode: "shared" }, () => order.push(it)),
      );
      const exclusive = locks.request(name, () => order.push("x"));
      const late = locks.request(name, { mode: "shared" }, () => order.push("s4"));
      const { held, pending } = await locks.query();
      assert.deepEqual(modesOf(held, name), ["exclusive"]);
      assert.deepEqual(modesOf(pending, name), ["shared", "shared", "shared", "exclusive", "shared"]);
      first.end();
      await Promise.all([first.result, ...shared, exclusive, late]);
      assert.deepEqual(order, ["s1", "s2", "s3", "x", "s4"]);
    },
  },
  {
    title: "those who share hold at the same time, and one who holds alone waits for all of them",
    async check(locks, name) {
      const shared = [1, 2, 3].map(() => hold(locks, name, { mode: "shared" }));
      await Promise.all(shared.map(({ granted }) => granted));
      const alone = hold(locks, name);
      assert.deepEqual(modesOf((await locks.query()).held, name), ["shared", "shared", "shared"]);
      for (const each of shared) each.end();
      await alone.granted;
      assert.deepEqual(modesOf((await locks.query()).held, name), ["exclusive"]);
      alone.end();
      await alone.result;
    },
  },
  {
    title: "ifAvailable calls back with null where it would have to wait, and its result counts",
    async check(locks, name) {
      const tryIt = (mode: "exclusive" | "shared") =>
        locks.request(name, { ifAvailable: true, mode }, isThere);
      const tries = async () => [await tryIt("exclusive"), await tryIt("shared")];
      assert.deepEqual(await tries(), [true, true]);
      assert.deepEqual(await locks.request(name, tries), [false, false]);
      assert.deepEqual(await locks.request(name, { mode: "shared" }, tries), [false, true]);
      const thrown = { name: "test" };
      const holding = hold(locks, name);
      const failing = locks.request(name, { ifAvailable: true }, () => {
        throw thrown;
      });
      assert.equal(await failing.catch((error: unknown) => error), thrown);
      holding.end();
      await holding.result;
    },
  },
  {
    title:
      "ifAvailable looks at what was asked for before it, in the same turn too, and not at what comes after",
    async check(locks, name) {
      const before = hold(locks, `${name} 1`);
      const refused = locks.request(`${name} 1`, { ifAvailable: true }, isThere);
      assert.equal(await refused, false);
      before.end();
      const shared = hold(locks, `${name} 2`, { mode: "shared" });
      const beside = hold(locks, `${name} 2`, { mode: "shared", ifAvailable: true });
      const after = hold(locks, `${name} 2`);
      await Promise.all([shared.granted, beside.granted]);
      assert.deepEqual(modesOf((await locks.query()).held, `${name} 2`), ["shared", "shared"]);
      for (const each of [shared, beside, after]) each.end();
      await Promise.all([before, shared, beside, after].map(({ result }) => result));
    },
  },
  {
    title: "ifAvailable does not pass those who wait",
    async check(locks, name) {
      const reader = hold(locks, name, { mode: "shared" });
      const writer = hold(locks, name);
      assert.equal(await locks.request(name, { ifAvailable: true, mode: "shared" }, isThere), false);
      for (const each of [reader, writer]) each.end();
      await Promise.all([reader.result, writer.result]);
    },
  },
  {
    title: "signal must be an AbortSignal",
    async check(locks, name) {
      for (const signal of ["text", 12.34, false, {}, Symbol("no"), () => undefined]) {
        const options = { signal: signal as unknown as AbortSignal };
        await assert.rejects(
          locks.request(name, options, () => assert.fail()),
          TypeError,
        );
      }
    },
  },
  {
    title: "an abort before the grant rejects with its reason, and lets the next one in",
    async check(locks, name) {
      const reasons = [undefined, "my dog ate it", new Error("own")];
      for (const reason of reasons) {
        const holding = hold(locks, name);
        await holding.granted;
        const [early, waiting, sameTurn] = [1, 2, 3].map(() => new AbortController()) as [
          AbortController,
          AbortController,
          AbortController,
        ];
        early.abort(reason);
        const aborted = [early, waiting, sameTurn].map(({ signal }) =>
          locks.request(name, { signal }, () => assert.fail("called in spite of the abort")),
        );
        const next = locks.request(name, () => "next");
        sameTurn.abort(reason);
        const settled = Promise.allSettled(aborted);
        assert.equal(modesOf((await locks.query()).held, name).length, 1);
        waiting.abort(reason);
        for (const [index, outcome] of (await settled).entries()) {
          const { signal } = [early, waiting, sameTurn][index] ?? {};
          assert.equal(outcome.status === "rejected" && outcome.reason === signal?.reason, true);
        }
        holding.end();
        assert.equal(await next, "next");
      }
    },
  },
  {
    title: "an abort in the turn of the request counts although the lock is free, and leaves it free",
    async check(locks, name) {
      const abort = new AbortController();
      const aborted = locks.request(name, { signal: abort.signal }, () => assert.fail());
      abort.abort();
      await assertDom(aborted, "AbortError");
      assert.equal(await locks.request(name, () => "free"), "free");
    },
  },
  {
    title: "an abort after the grant does nothing",
    async check(locks, name) {
      const abort = new AbortController();
      const holding = hold(locks, name, { signal: abort.signal });
      await holding.granted;
      abort.abort();
      assert.deepEqual(modesOf((await locks.query()).held, name), ["exclusive"]);
      holding.end("fine");
      assert.equal(await holding.result, "fine");
    },
  },
  {
    title: "steal takes a lock from all who hold it, whose promises reject at once",
    async check(locks, name) {
      assert.equal(await locks.request(name, { steal: true }, isThere), true);
      const robbed = [1, 2].map(() => hold(locks, name, { mode: "shared" }));
      await Promise.all(robbed.map(({ granted }) => granted));
      const thief = hold(locks, name, { steal: true });
      await Promise.all(robbed.map(({ result }) => assertDom(result, "AbortError")));
      await thief.granted;
      for (const each of robbed) each.end("too late");
      assert.deepEqual(modesOf((await locks.query()).held, name), ["exclusive"]);
      thief.end("mine");
      assert.equal(await thief.result, "mine");
    },
  },
  {
    title: "steal goes before those who wait, who are served afterwards",
    async check(locks, name) {
      const order: string[] = [];
      const robbed = hold(locks, name);
      const waiting = locks.request(name, () => order.push("waiting"));
      const thief = locks.request(name, { steal: true }, () => order.push("thief"));
      await assertDom(robbed.result, "AbortError");
      await Promise.all([thief, waiting]);
      assert.deepEqual(order, ["thief", "waiting"]);
    },
  },
  {
    title: "of several who steal the last one wins, in the same turn too",
    async check(locks, name) {
      const [first, second, third] = [1, 2, 3].map(() => hold(locks, name, { steal: true }));
      await assertDom(first?.result ?? assert.fail(), "AbortError");
      await assertDom(second?.result ?? assert.fail(), "AbortError");
      third?.end("last");
      assert.equal(await third?.result, "last");
    },
  },
  {
    title: "query shows name, mode and client of what is held and what waits, and nothing that is over",
    async check(locks, name) {
      const holding = hold(locks, name);
      const waiting = hold(locks, name, { mode: "shared" });
      const own = (list: readonly { name?: string }[]) => list.filter((info) => info.name === name);
      const { held, pending } = await locks.query();
      const { clientId } = held.find((info) => info.name === name) ?? assert.fail("it is not shown");
      assert.equal(typeof clientId, "string");
      assert.deepEqual(own(held), [{ name, mode: "exclusive", clientId }]);
      assert.deepEqual(own(pending), [{ name, mode: "shared", clientId }]);
      for (const each of [holding, waiting]) each.end();
      await Promise.all([holding.result, waiting.result]);
      const after = await locks.query();
      assert.deepEqual([...own(after.held), ...own(after.pending)], []);
    },
  },
];
