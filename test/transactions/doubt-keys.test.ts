// Goal: what became of a commit whose answer was lost is found out by all that its keys show, and by nothing that may be old.
import { expect, test } from "vitest";
import type { Conflict } from "../../src/core/backend.ts";
import { OutcomeUnknownError } from "../../src/index.ts";
import { createWorld, ending, toEnd } from "./transaction-world.ts";

test("what was applied is not run again", async () => {
  const world = createWorld({ clients: 2 });
  const [client, other] = world.clients as [(typeof world.clients)[0], (typeof world.clients)[0]];
  const others = other.coordinator.kv<number>("default");
  await toEnd(world, others.set("a", 10));
  const old = await world.store.get(["default.kv.default..a"]);
  await toEnd(world, others.purge("a"));
  let commits = 0;
  let stale = 0;
  client.spoil(async ({ kind }, send) => {
    if (kind === "get" && commits === 2 && stale === 0) {
      stale += 1;
      return old;
    } // one read that lags
    if (kind !== "commit") return send();
    commits += 1;
    const result = (await send()) as { committed: boolean; conflicts?: readonly Conflict[] };
    if (commits === 1) throw new OutcomeUnknownError("a test lost the answer");
    // As NATS: a refusal does not say what stands there.
    return result.committed
      ? result
      : { ...result, conflicts: result.conflicts?.map(({ key }) => ({ key })) };
  });
  let runs = 0;
  const told = await ending(
    world,
    client.coordinator.transaction(async (tx) => {
      runs += 1;
      await tx.increment("a");
    }),
  );
  const value = (await toEnd(world, others.get("a")))?.value;
  expect({ told, runs, value }).toEqual({ told: undefined, runs: 1, value: 1 });
});

for (const keys of [
  ["b", "a"],
  ["a", "b"],
] as const) {
  test(`written in the order ${keys.join()}`, async () => {
    const world = createWorld({ clients: 17 });
    const [client, ...others] = world.clients;
    const kv = others[0]?.coordinator.kv<number>("default");
    await toEnd(world, Promise.all([kv?.set("a", 0), kv?.set("b", 0)]));
    let isFirst = true;
    client?.spoil(async ({ kind }, send) => {
      if (kind !== "commit" || !isFirst) return send();
      isFirst = false;
      for (const each of others)
        await each.coordinator.kv<number>("default").update("a", (value) => (value ?? 0) + 1);
      throw new OutcomeUnknownError("a test lost the request");
    });
    const told = await ending(
      world,
      client?.coordinator.transaction(async (tx) => {
        for (const key of keys) await tx.increment(key);
      }) as Promise<void>,
    );
    const b = (await toEnd(world, kv?.get("b") as Promise<{ value: number } | null>))?.value;
    expect({ told, b }).toEqual({ told: undefined, b: 1 });
  });
}

test.each([
  ["a", "b"],
  ["b", "a"],
])("what was applied is not applied again where a key that it made was purged: %s, %s", async (...keys) => {
  const world = createWorld({ clients: 17 });
  const [client, ...others] = world.clients;
  const kv = others[0]?.coordinator.kv<number>("default");
  await toEnd(world, kv?.set("a", 0) as Promise<unknown>);
  let isFirst = true;
  client?.spoil(async ({ kind }, send) => {
    if (kind !== "commit" || !isFirst) return send();
    isFirst = false;
    await send();
    for (const each of others) await each.coordinator.kv<number>("default").increment("a");
    await kv?.purge("b");
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const incremented = client?.coordinator.transaction(async (tx) => {
    for (const key of keys) await tx.increment(key);
  });
  expect(await ending(world, incremented as Promise<unknown>)).toBe("OUTCOME_UNKNOWN");
  expect((await toEnd(world, kv?.get("a") as Promise<{ readonly value: number } | undefined>))?.value).toBe(
    17,
  );
});
