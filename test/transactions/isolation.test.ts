// Goal: each isolation level keeps out what the page says it keeps out, and lets through what it says it lets through.
import { describe, expect, test } from "vitest";
import type { Isolation, Transaction } from "../../src/index.ts";
import { createWorld, toEnd } from "./transaction-world.ts";

const levels = ["serializable-snapshot", "serializable", "repeatable-reads", "read-committed"] as const;

/** Runs a transaction of one client, in the first run of which another client writes at a moment of its choice. */
async function interleave<R>(
  isolation: Isolation,
  work: (tx: Transaction, others: (values: Record<string, number>) => Promise<void>) => Promise<R>,
  before: Record<string, number> = {},
): Promise<{
  readonly result: R;
  readonly attempts: number;
  readonly left: (key: string) => Promise<unknown>;
}> {
  const world = createWorld({ clients: 2 });
  const other = world.client(1).coordinator.kv<number>("default");
  const put = async (values: Record<string, number>): Promise<void> => {
    await world.client(1).coordinator.transaction((tx) => {
      for (const [key, value] of Object.entries(values)) tx.set(key, value);
    });
  };
  if (Object.keys(before).length > 0) await toEnd(world, put(before));
  let attempts = 0;
  const result = await toEnd(
    world,
    world.client(0).coordinator.transaction(
      (tx) => {
        attempts = tx.attempt;
        return work(tx, async (values) => (tx.attempt === 1 ? put(values) : undefined));
      },
      { isolation },
    ),
  );
  return { result, attempts, left: async (key) => (await toEnd(world, other.get(key)))?.value };
}

describe.each(levels)("%s:", (isolation) => {
  const isChecked = isolation !== "read-committed";
  const isSnapshot = isolation.startsWith("serializable");

  test(`a lost update ${isChecked ? "does not happen" : "can happen"}`, async () => {
    const { attempts, left } = await interleave(isolation, async (tx, others) => {
      const value = (await tx.get<number>("x")) ?? 0;
      await others({ x: 10 });
      tx.set("x", value + 1);
    });
    expect(await left("x")).toBe(isChecked ? 11 : 1);
    expect(attempts).toBe(isChecked ? 2 : 1);
  });

  test("an increment, an update and a setIfAbsent lose nothing of others", async () => {
    const { left } = await interleave(isolation, async (tx, others) => {
      await tx.increment("x");
      await tx.update<number>("y", (value = 0) => value + 1);
      expect(await tx.setIfAbsent("z", 1)).toBe(tx.attempt === 1);
      await others({ x: 10, y: 20, z: 30 });
    });
    expect([await left("x"), await left("y"), await left("z")]).toEqual([11, 21, 30]);
  });

  test(`write skew ${isChecked ? "does not happen" : "can happen"}`, async () => {
    const { attempts, left } = await interleave(
      isolation,
      async (tx, others) => {
        const others1 = await tx.get<number>("bob");
        await others({ bob: 0 });
        if (others1 === 1) tx.set("ann", 0);
      },
      { ann: 1, bob: 1 },
    );
    expect([await left("ann"), await left("bob")]).toEqual(isChecked ? [1, 0] : [0, 0]);
    expect(attempts).toBe(isChecked ? 2 : 1);
  });

  test(`what is not there and then is ${isChecked ? "makes it run again" : "goes unnoticed"}`, async () => {
    const { attempts, left } = await interleave(isolation, async (tx, others) => {
      const isTaken = await tx.has("name");
      await others({ name: 7 });
      tx.set("mine", isTaken ? 0 : 1);
    });
    expect(await left("mine")).toBe(isChecked ? 0 : 1);
    expect(attempts).toBe(isChecked ? 2 : 1);
  });

  test(`a key that is read twice ${isChecked ? "is the same" : "may have changed"}`, async () => {
    const { result } = await interleave(
      isolation,
      async (tx, others) => {
        const first = await tx.get("x");
        await others({ x: 2 });
        return [first, await tx.get("x")];
      },
      { x: 1 },
    );
    expect(result).toEqual(isChecked ? [1, 1] : [1, 2]);
  });

  test(`the function ${isSnapshot ? "never sees" : "may see"} values together that never were`, async () => {
    const seen: unknown[] = [];
    const { result } = await interleave(
      isolation,
      async (tx, others) => {
        const x = await tx.get("x");
        await others({ x: 2, y: 2 });
        const y = await tx.get("y");
        seen.push([x, y]);
        return [x, y];
      },
      { x: 1, y: 1 },
    );
    const skewed = [1, 2];
    const right = [2, 2];
    expect(seen).toEqual(isSnapshot ? [right] : isChecked ? [skewed, right] : [skewed]);
    expect(result).toEqual(isChecked ? right : skewed);
  });

  test(`others write a key that it only writes: ${isolation === "serializable-snapshot" ? "it runs again" : "it does not run again"}`, async () => {
    let attempts = 0;
    const world = createWorld({ clients: 2 });
    const [client, other] = world.clients;
    let isStruck = false;
    client?.spoil(async ({ kind }, send) => {
      if (kind === "commit" && !isStruck) {
        isStruck = true;
        await other?.coordinator.kv("default").set("x", "other");
      }
      return send();
    });
    const work = (tx: Transaction): void => {
      attempts += 1;
      tx.set("x", "mine");
      tx.set("y", "mine");
    };
    await toEnd(world, world.client(0).coordinator.transaction(work, { isolation }));
    const entry = await toEnd(world, world.client(1).coordinator.kv("default").get("x"));
    expect(entry?.value).toBe("mine");
    expect(attempts).toBe(isolation === "serializable-snapshot" ? 2 : 1);
  });

  test("what is deleted without a look is gone, also when others make it before the commit", async () => {
    const world = createWorld({ clients: 2 });
    const [client, other] = world.clients;
    let isStruck = false;
    client?.spoil(async ({ kind }, send) => {
      if (kind === "commit" && !isStruck) {
        isStruck = true;
        await other?.coordinator.kv("default").set("gone", "other");
      }
      return send();
    });
    const work = (tx: Transaction): void => {
      tx.delete("gone");
      tx.set("y", "mine");
    };
    await toEnd(world, world.client(0).coordinator.transaction(work, { isolation }));
    const entry = await toEnd(world, world.client(1).coordinator.kv("default").get("gone"));
    // Where nothing is checked, there was nothing to delete.
    expect(entry?.value).toBe(isChecked ? undefined : "other");
  });
});
