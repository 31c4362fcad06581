// Goal: what each kind of transaction costs in requests, exactly; and what no store commits at once is refused before
// anything is sent.
import { describe, expect, test } from "vitest";
import type { Isolation, Transaction } from "../../src/index.ts";
import { createWorld, ending, toEnd } from "./transaction-world.ts";

const keys = Array.from({ length: 10 }, (_, index) => `k${index}`);

function setAll(tx: Transaction): void {
  for (const key of keys) tx.set(key, 1);
}

const table: readonly {
  readonly what: string;
  readonly work: (tx: Transaction) => unknown;
  readonly isolation?: Isolation;
  readonly get: number;
  readonly commit: number;
}[] = [
  { what: "nothing", work: () => undefined, get: 0, commit: 0 },
  { what: "one key that is read", work: (tx) => tx.get("k0"), get: 1, commit: 0 },
  { what: "one key that is changed", work: (tx) => tx.increment("k0"), get: 1, commit: 1 },
  { what: "one key that is only written", work: (tx) => tx.set("k0", 1), get: 1, commit: 1 },
  { what: "ten keys that are read at once", work: (tx) => tx.getMany(keys), get: 2, commit: 0 },
  {
    what: "ten keys that are read one by one",
    work: async (tx) => {
      for (const key of keys) await tx.get(key);
    },
    get: 19,
    commit: 0,
  },
  {
    what: "ten keys that are read at once and changed",
    work: async (tx) => {
      await tx.getMany(keys);
      await Promise.all(keys.map((key) => tx.increment(key)));
    },
    get: 2,
    commit: 1,
  },
  {
    what: "ten keys that are only written",
    work: (tx) => setAll(tx),
    get: 1,
    commit: 1,
  },
  {
    what: "ten keys that are read one by one, where they need not fit together until the end",
    work: async (tx) => {
      for (const key of keys) await tx.get(key);
    },
    isolation: "repeatable-reads",
    get: 11,
    commit: 0,
  },
  {
    what: "the same, and one is written: the commit checks them",
    work: async (tx) => {
      for (const key of keys) await tx.get(key);
      tx.set("k0", 1);
    },
    isolation: "repeatable-reads",
    get: 10,
    commit: 1,
  },
  {
    what: "ten keys that are read at once, where nothing is checked",
    work: (tx) => tx.getMany(keys),
    isolation: "read-committed",
    get: 1,
    commit: 0,
  },
];

test.each(table)("$what", async ({ work, isolation, get, commit }) => {
  const world = createWorld();
  const { coordinator, counts, resetCounts } = world.client(0);
  await toEnd(world, coordinator.kv("default").set("k0", 1));
  resetCounts();
  await toEnd(world, coordinator.transaction(work as never, isolation && { isolation }));
  expect(counts).toEqual({ get, commit, time: 0 });
});

test("after a conflict what came back for nothing is not read again", async () => {
  const world = createWorld({ clients: 2 });
  const { coordinator, counts, spoil } = world.client(0);
  const others = world.client(1).coordinator.kv<number>("default");
  let left = 1;
  spoil(async ({ kind }, send) => {
    if (kind === "commit" && left > 0) {
      left -= 1;
      await others.set("a", 10);
    }
    return send();
  });
  let runs = 0;
  const work = async (tx: Transaction): Promise<void> => {
    runs += 1;
    await tx.increment("a");
    await tx.get("b");
  };
  await toEnd(world, coordinator.transaction(work));
  // a, b, a again, commit; then a came with the refusal, and only b is looked at once more; commit.
  expect([runs, counts]).toEqual([2, { get: 4, commit: 2, time: 1 }]);
  expect((await toEnd(world, others.get("a")))?.value).toBe(11);
});

describe("what no store commits at once", () => {
  const limited = (commitOperationsMax: number) => createWorld({ capabilities: { commitOperationsMax } });

  test("more keys than its limit: an error that says the limit and the size", async () => {
    const world = limited(9);
    const { coordinator, counts } = world.client(0);
    await expect(toEnd(world, coordinator.transaction(setAll))).rejects.toMatchObject({
      ...{ code: "LIMIT_EXCEEDED", limit: 9, size: 10 },
    });
    const reads = async (tx: Transaction): Promise<void> => {
      await tx.getMany(keys);
      tx.set("other", 1);
    };
    await expect(toEnd(world, coordinator.transaction(reads))).rejects.toMatchObject({ limit: 9, size: 11 });
    expect(counts.commit).toBe(0);
    expect(
      await ending(
        world,
        coordinator.transaction((tx) => tx.getMany(keys)),
      ),
    ).toHaveLength(10);
  });

  test("two keys where it commits one at a time; one always works, and so does reading many", async () => {
    const world = limited(1);
    const { coordinator, counts } = world.client(0);
    expect(await ending(world, coordinator.transaction(setAll))).toBe("UNSUPPORTED");
    expect(counts.commit).toBe(0);
    expect(
      await ending(
        world,
        coordinator.transaction((tx) => tx.increment("k0")),
      ),
    ).toBe(1);
    const checks = async (tx: Transaction): Promise<number> =>
      (await tx.get("k1")) ? 0 : tx.increment("k0");
    expect(await ending(world, coordinator.transaction(checks))).toBe("UNSUPPORTED");
    expect(await ending(world, coordinator.transaction(checks, { isolation: "read-committed" }))).toBe(2);
  });

  test("writes alongside where it takes none, and a value that is too large", async () => {
    const world = createWorld();
    const { coordinator, counts } = world.client(0);
    const alongside = (tx: Transaction): void => {
      tx.set("a", 1);
      tx.alongside({ Put: {} });
    };
    expect(await ending(world, coordinator.transaction(alongside))).toBe("UNSUPPORTED");
    const large = coordinator.transaction((tx) => tx.set("a", "x".repeat(2 ** 20)));
    await expect(toEnd(world, large)).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      limit: 2 ** 20 - 2_048 - 3,
    });
    const many = coordinator.transaction((tx) =>
      tx.getMany(Array.from({ length: 10_001 }, (_, index) => `${index}`)),
    );
    expect(await ending(world, many)).toBe("LIMIT_EXCEEDED");
    expect(counts.commit).toBe(0);
  });
});
