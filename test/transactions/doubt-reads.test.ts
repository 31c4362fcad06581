// Goal: whether a commit whose answer was lost was applied is never concluded from a read alone, which may be old, wherever
// the store tells only a part of what stood in the way.
import { expect, test } from "vitest";
import type { Conflict } from "../../src/core/backend.ts";
import { OutcomeUnknownError, UnsupportedError } from "../../src/index.ts";
import { createWorld, ending, toEnd } from "./transaction-world.ts";

const keyOf = (key: string): string => `default.kv.default..${key}`;

/**
 * A transaction reads `checked` and adds to `a`; the answer of its commit is lost, and what it has checked changes. Copies
 * of it are refused over that key alone, and reads show what was there before.
 */
async function play(isApplied: boolean, check?: (send: () => Promise<unknown>) => Promise<unknown>) {
  const world = createWorld({ clients: 2 });
  const [client, other] = world.clients as [(typeof world.clients)[0], (typeof world.clients)[0]];
  const others = other.coordinator.kv<number>("default");
  await toEnd(world, others.set("a", 10));
  const old = await world.store.get([keyOf("a")]);
  let commits = 0;
  let late: (() => Promise<unknown>) | undefined;
  client.spoil(async ({ kind, keys, operations }, send) => {
    if (kind === "get") return commits > 0 && commits < 9 && keys.includes(keyOf("a")) ? old : send();
    if (kind !== "commit") return send();
    commits += 1;
    if (commits === 1) {
      if (isApplied) await send();
      else late = send;
      await others.set("checked", 1);
      throw new OutcomeUnknownError("a test lost the answer");
    }
    if (operations.length === 1 && operations[0]?.kind === "check" && check !== undefined) return check(send);
    const result = (await send()) as { committed: boolean; conflicts?: readonly Conflict[] };
    if (result.committed || operations.length === 1) return result;
    return { ...result, conflicts: result.conflicts?.filter(({ key }) => key === keyOf("checked")) };
  });
  let runs = 0;
  const told = await ending(
    world,
    client.coordinator.transaction(async (tx) => {
      runs += 1;
      await tx.get("checked");
      await tx.increment("a");
    }),
  );
  if (late !== undefined) await toEnd(world, late());
  return { told, runs, value: (await toEnd(world, others.get("a")))?.value };
}

test("what was applied is not run again", async () => {
  expect(await play(true)).toEqual({ told: undefined, runs: 1, value: 11 });
});

test("what was not applied is run again, and its late copy is shut out", async () => {
  expect(await play(false)).toEqual({ told: undefined, runs: 2, value: 11 });
});

test("where the store takes no check of a key alone, the caller hears that nobody knows", async () => {
  const refuse = async () => {
    throw new UnsupportedError("a test knows no checks");
  };
  expect(await play(true, refuse)).toEqual({ told: "OUTCOME_UNKNOWN", runs: 1, value: 11 });
});
