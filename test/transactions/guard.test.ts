// Goal: a transaction that is guarded by a grant commits only while the grant is held, whatever it is a grant of, and who
// only comes to wait does not make its function run again; and what each kind of transaction costs in requests.
import { describe, expect, test } from "vitest";
import type { Coordinator, Grant, Transaction } from "../../src/index.ts";
import { createWorld, ending, pass, toEnd, type World } from "./transaction-world.ts";

const kinds: Readonly<Record<string, (coordinator: Coordinator) => Promise<Grant>>> = {
  "a lock": (coordinator) => coordinator.lock("it").acquire(),
  "several locks": (coordinator) => coordinator.lockAll(["one", "it"]).acquire(),
  "a semaphore": (coordinator) => coordinator.semaphore("it", { permits: 2 }).acquire(),
  "a read-write lock that reads": (coordinator) => coordinator.readWriteLock("it").read.acquire(),
  "a read-write lock that writes": (coordinator) => coordinator.readWriteLock("it").write.acquire(),
  "an election": (coordinator) => coordinator.election("it").campaign(),
};

function guarded(grant: Grant) {
  const state = { runs: 0 };
  const work = async (tx: Transaction): Promise<number> => {
    state.runs += 1;
    tx.guard(grant);
    return tx.increment("n");
  };
  return { state, work };
}

async function stored(world: World): Promise<unknown> {
  return (await toEnd(world, world.client(1).coordinator.kv("default").get("n")))?.value;
}

describe.each(Object.entries(kinds))("guarded by a grant of %s", (_, acquire) => {
  test("it commits while it is held, and not after its release", async () => {
    const world = createWorld({ clients: 2 });
    const { coordinator } = world.client(0);
    const grant = await toEnd(world, acquire(coordinator));
    const { work } = guarded(grant);
    expect(await ending(world, coordinator.transaction(work))).toBe(1);
    await toEnd(world, grant.release());
    expect(await ending(world, coordinator.transaction(work))).toBe("LEASE_LOST");
    expect(await stored(world)).toBe(1);
  });

  test("others that come to wait change what is checked, and not what the function saw", async () => {
    const world = createWorld({ clients: 2 });
    const { coordinator } = world.client(0);
    const grant = await toEnd(world, acquire(coordinator));
    const { work, state } = guarded(grant);
    let commits = 0;
    world.client(0).spoil(async ({ kind, operations }, send) => {
      if (kind === "commit" && operations.length > 1) commits += 1;
      if (kind === "commit" && operations.length > 1 && commits === 1) {
        void acquire(world.client(1).coordinator).catch(() => undefined);
        await pass(world.runtime, 50);
      }
      return send();
    });
    expect(await ending(world, coordinator.transaction(work))).toBe(1);
    expect([commits, state.runs]).toEqual([2, 1]);
  });

  test("somebody takes it away before the commit comes: nothing is applied", async () => {
    const world = createWorld({ clients: 2 });
    const { coordinator } = world.client(0);
    const grant = await toEnd(world, acquire(coordinator));
    const { work, state } = guarded(grant);
    let isStruck = false;
    world.client(0).spoil(async ({ kind, operations }, send) => {
      if (kind === "commit" && operations.length > 1 && !isStruck) {
        isStruck = true;
        // The message to the holder stays away, as when it is cut off from everything else.
        const { records } = await world.store.scan("default.");
        for (const { key, value } of records.filter((record) => /\.it$/.test(record.key))) {
          const roster = { ...JSON.parse(Buffer.from(value).toString()), holders: [] };
          await world.store.commit([{ kind: "put", key, value: Buffer.from(JSON.stringify(roster)) }]);
        }
      }
      return send();
    });
    expect(await ending(world, coordinator.transaction(work))).toBe("LEASE_LOST");
    expect([isStruck, state.runs, grant.state, await stored(world)]).toEqual([true, 1, "lost", undefined]);
  });
});

test("a paused holder whose lock went to somebody else commits nothing", async () => {
  const world = createWorld({ clients: 2 });
  const { coordinator } = world.client(0);
  const grant = await toEnd(world, coordinator.lock("it").acquire());
  const { work } = guarded(grant);
  const late = ending(world, coordinator.transaction(work));
  world.client(0).pause();
  const taken = await toEnd(world, world.client(1).coordinator.lock("it").acquire());
  world.client(0).resume("answers");
  expect(await late).toBe("LEASE_LOST");
  expect(taken.state).toBe("held");
  expect(await stored(world)).toBe(undefined);
});

test("an old read that does not show the holder yet is not believed", async () => {
  const world = createWorld({ clients: 2 });
  const { coordinator, spoil } = world.client(0);
  const grant = await toEnd(world, coordinator.lock("it").acquire());
  const { work, state } = guarded(grant);
  let old = 3;
  spoil(async ({ kind, keys }, send) => {
    if (kind !== "get" || !keys.some((key) => key.includes(".lock.")) || old === 0) return send();
    old -= 1;
    return keys.map(() => null);
  });
  expect(await ending(world, coordinator.transaction(work))).toBe(1);
  expect([state.runs, grant.state]).toEqual([1, "held"]);
});

test("grants of another coordinator, and what is none, are refused", async () => {
  const world = createWorld({ clients: 2 });
  const foreign = await toEnd(world, world.client(1).coordinator.lock("it").acquire());
  for (const grant of [foreign, {}, undefined, { parts: [{}] }]) {
    const work = world.client(0).coordinator.transaction((tx) => tx.guard(grant as never));
    expect(await ending(world, work)).toBe("INVALID_ARGUMENT");
  }
});

test("a guard alone asks once whether the grant is held, and commits nothing", async () => {
  const world = createWorld({ clients: 2 });
  const { coordinator, counts, resetCounts } = world.client(0);
  const grant = await toEnd(world, coordinator.lock("it").acquire());
  resetCounts();
  expect(
    await ending(
      world,
      coordinator.transaction((tx) => tx.guard(grant)),
    ),
  ).toBe(undefined);
  expect(counts).toEqual({ get: 1, commit: 0, time: 0 });
});
