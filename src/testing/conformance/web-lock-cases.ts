import assert from "node:assert/strict";
import type { LockManager, WebLock, WebLockInfo, WebLockOptions } from "../../web-locks/lock-manager.ts";
import { type LockCaseContext, type LockCaseDefinition, until } from "./lock-support.ts";
import { standardOrderCases } from "./web-lock-order.ts";
import { assertDom, deferred, modesOf, standardRequestCases } from "./web-lock-standard.ts";

const roundsEach = 6;

/** Web locks between clients, after what the standard says of one of them. */
export const webLockCases: readonly LockCaseDefinition[] = [
  ...[...standardRequestCases, ...standardOrderCases].map(({ title, check }) => ({
    title: `web locks: ${title}`,
    check: ({ clients }: LockCaseContext) => check(clients[0].coordinator.lockManager, "standard"),
  })),
  {
    // Node's own lock manager fails here: it never releases such a lock.
    title: "web locks: a lock is free after its callback threw without being async",
    async check(context) {
      const [first] = managers(context);
      const fail = (): never => {
        throw new Error("own");
      };
      for (const options of [{}, { mode: "shared" }, { steal: true }] as const) {
        await assert.rejects(first.request("thrown", options, fail), /own/);
      }
      assert.equal(await first.request("thrown", { ifAvailable: true }, Boolean), true);
    },
  },
  {
    title: "web locks: many share or one is alone, with many requests of three clients, and fences rise",
    async check(context) {
      let shared = 0;
      let alone = 0;
      let sharedMost = 0;
      const fences = new Set<number>();
      const visit = async (lock: WebLock | null): Promise<void> => {
        assert.ok(lock !== null);
        fences.add(lock.fence);
        if (lock.mode === "shared") shared += 1;
        else alone += 1;
        sharedMost = Math.max(sharedMost, shared);
        assert.ok(alone === 0 || alone + shared === 1, `${alone} are alone, and ${shared} share`);
        await context.pass(2);
        assert.equal(lock.signal.aborted, false);
        if (lock.mode === "shared") shared -= 1;
        else alone -= 1;
      };
      const loop = async (locks: LockManager, mode: WebLock["mode"]): Promise<void> => {
        for (let round = 0; round < roundsEach; round += 1) await locks.request("crowded", { mode }, visit);
      };
      const modes = ["shared", "shared", "exclusive"] as const;
      await Promise.all(managers(context).flatMap((locks) => modes.map((mode) => loop(locks, mode))));
      assert.ok(sharedMost > 1, "nobody ever held beside another");
      assert.equal(fences.size, 3 * modes.length * roundsEach, "each grant has a fence of its own");
      await assertNothing(context, "crowded");
    },
  },
  {
    title: "web locks: requests of several clients are granted in the order in which they came",
    async check(context) {
      const [first, second, third] = managers(context);
      const holding = await held(first, "queue");
      const order: string[] = [];
      const waiting: Promise<unknown>[] = [];
      for (const [index, locks] of [third, second, first].entries()) {
        waiting.push(locks.request("queue", () => order.push(`${index}`)));
        await pending(second, "queue", index + 1);
      }
      assert.equal(await third.request("queue", { ifAvailable: true }, (lock) => lock), null);
      holding.end();
      await Promise.all([holding.result, ...waiting]);
      assert.deepEqual(order, ["0", "1", "2"]);
    },
  },
  {
    title: "web locks: query shows who of several clients waits for whom",
    async check(context) {
      const [first, second] = managers(context);
      const [one, two] = [await held(first, "one"), await held(second, "two")];
      const crossed = [first.request("two", () => 2), second.request("one", () => 1)];
      await pending(first, "one", 1);
      await pending(second, "two", 1);
      for (const locks of [first, second]) {
        const state = await locks.query();
        assert.equal(clientOf(state.held, "one"), clientOf(state.pending, "two"));
        assert.equal(clientOf(state.held, "two"), clientOf(state.pending, "one"));
        assert.notEqual(clientOf(state.held, "one"), clientOf(state.held, "two"));
      }
      one.end();
      two.end();
      await Promise.all([one.result, two.result, ...crossed]);
    },
  },
  {
    title: "web locks: steal takes a lock from those of other clients, who learn of it",
    async check(context) {
      const [first, second, third] = managers(context);
      const robbed = [
        await held(first, "stolen", { mode: "shared" }),
        await held(second, "stolen", { mode: "shared" }),
      ];
      const waiting = second.request("stolen", (lock) => lock?.fence);
      await pending(third, "stolen", 1);
      const thief = await held(third, "stolen", { steal: true });
      for (const { lock, result } of robbed) {
        await assertDom(result, "AbortError");
        assert.equal(lock.signal.aborted, true);
        assert.ok(thief.lock.fence > lock.fence);
      }
      assert.deepEqual(modesOf((await first.query()).held, "stolen"), ["exclusive"]);
      thief.end();
      assert.ok(Number(await waiting) > thief.lock.fence);
      await assertNothing(context, "stolen");
    },
  },
  {
    title: "web locks: who is cut off loses its lock like a stolen one, before somebody else gets it",
    async check(context) {
      const [first, second] = managers(context);
      const lost = await held(first, "cut");
      const outcome = assertDom(lost.result, "AbortError").then(() => "lost");
      const next = second.request("cut", (lock) => {
        assert.equal(lost.lock.signal.aborted, true, "somebody holds it beside one who does not know");
        return lock?.fence;
      });
      context.clients[0].sever();
      assert.ok(Number(await next) > lost.lock.fence);
      assert.equal(await outcome, "lost");
      const error = await lost.result.catch((thrown: unknown) => thrown);
      assert.equal((error as { cause?: { code?: unknown } }).cause?.code, "LEASE_LOST");
    },
  },
  {
    title: "web locks: their names are apart from those of other locks",
    async check(context) {
      const [first] = managers(context);
      const { coordinator } = context.clients[1];
      await first.request("apart", async () => {
        assert.ok((await coordinator.lock("apart").tryAcquire()) !== null);
        assert.ok((await coordinator.readWriteLock("apart").write.tryAcquire()) !== null);
      });
    },
  },
  {
    title: "web locks: who waits when its coordinator closes is told, and leaves nothing behind",
    async check(context) {
      const [first, second] = managers(context);
      const holding = await held(first, "closed");
      const ended = assertDom(
        second.request("closed", () => assert.fail()),
        "InvalidStateError",
      );
      await pending(first, "closed", 1);
      await context.clients[1].coordinator.close();
      await ended;
      await assertDom(
        second.request("closed", () => assert.fail()),
        "InvalidStateError",
      );
      await assertDom(second.query(), "InvalidStateError");
      holding.end();
      await holding.result;
      await assertNothing(context, "closed");
    },
  },
];

function managers({ clients }: LockCaseContext): readonly [LockManager, LockManager, LockManager] {
  const [first, second, third] = clients;
  return [first.coordinator.lockManager, second.coordinator.lockManager, third.coordinator.lockManager];
}

/** A lock that is held until the case ends it. */
interface Held {
  readonly lock: WebLock;
  readonly result: Promise<unknown>;
  end(): void;
}

async function held(locks: LockManager, name: string, options: WebLockOptions = {}): Promise<Held> {
  const granted = Promise.withResolvers<WebLock>();
  const { promise: ended, resolve } = deferred();
  const result = locks.request(name, options, (lock) => {
    assert.ok(lock !== null);
    granted.resolve(lock);
    return ended;
  });
  result.catch(granted.reject);
  return { lock: await granted.promise, result, end: resolve };
}

function pending(locks: LockManager, name: string, waiting: number): Promise<void> {
  return until(
    async () => modesOf((await locks.query()).pending, name).length === waiting,
    () => `${waiting} requests wait for ${name}`,
  );
}

function clientOf(list: readonly WebLockInfo[], name: string): string {
  return list.find((info) => info.name === name)?.clientId ?? assert.fail(`${name} is not shown`);
}

function assertNothing({ clients }: LockCaseContext, name: string): Promise<void> {
  return until(
    async () => {
      const state = await clients[0].coordinator.lockManager.query();
      return modesOf([...state.held, ...state.pending], name).length === 0;
    },
    () => `nobody holds or waits for ${name}`,
  );
}
