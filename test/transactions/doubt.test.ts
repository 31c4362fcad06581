// Goal: a commit whose answer was lost is applied once or not at all, and its caller hears which: line by line of what
// happens then.
import { describe, expect, test } from "vitest";
import {
  ConditionFailedError,
  OutcomeUnknownError,
  type Transaction,
  UnavailableError,
} from "../../src/index.ts";
import { createWorld, ending, type Spoiler, toEnd, type World } from "./transaction-world.ts";

type Act = (send: () => Promise<unknown>) => Promise<unknown>;

const lostAfter: Act = async (send) => {
  await send();
  throw new OutcomeUnknownError("a test lost the answer");
};
const lostBefore: Act = async () => {
  throw new OutcomeUnknownError("a test lost the request");
};
const refused: Act = async () => {
  throw new UnavailableError("a test refused the request");
};
const through: Act = (send) => send();

/** What happens to the first commits of a client; those after them get through. */
function script(...acts: readonly Act[]): Spoiler {
  const left = [...acts];
  return async ({ kind }, send) => (kind === "commit" ? (left.shift() ?? through)(send) : send());
}

function prepared(): { readonly world: World; readonly value: (key: string) => Promise<unknown> } {
  const world = createWorld({ clients: 2 });
  const values = world.client(1).coordinator.kv("default");
  return { world, value: async (key) => (await toEnd(world, values.get(key)))?.value };
}

let runs = 0;
const addToBoth = async (tx: Transaction): Promise<void> => {
  runs += 1;
  await tx.get("checked");
  await tx.increment("a");
  await tx.increment("b");
};

/** Runs a transaction of the first client, whose commits go as the acts say. */
async function run(world: World, ...acts: readonly Act[]): Promise<unknown> {
  runs = 0;
  const [client] = world.clients as [World["clients"][0]];
  client.spoil(script(...acts));
  client.resetCounts();
  return ending(world, client.coordinator.transaction(addToBoth));
}

describe("a commit of which", () => {
  test("the answer was lost is found by its mark: one more commit", async () => {
    const { world, value } = prepared();
    expect(await run(world, lostAfter)).toBe(undefined);
    expect([runs, await value("a"), await value("b")]).toEqual([1, 1, 1]);
    // Three keys read one after the other, and each time those before; the mark comes with the refusal.
    expect(world.client(0).counts).toEqual({ get: 5, commit: 2, time: 1 });
  });

  test("the request was lost is sent again", async () => {
    const { world, value } = prepared();
    expect(await run(world, lostBefore, lostBefore)).toBe(undefined);
    expect([runs, await value("a"), await value("b")]).toEqual([1, 1, 1]);
    expect(world.client(0).counts.commit).toBe(3);
  });

  test("the answer was lost, and then the store was away, is found by its mark", async () => {
    const { world, value } = prepared();
    expect(await run(world, lostAfter, refused, refused)).toBe(undefined);
    expect([runs, await value("a")]).toEqual([1, 1]);
  });

  test("every answer was lost is found by its mark in the end", async () => {
    const { world, value } = prepared();
    expect(await run(world, lostAfter, lostBefore, lostBefore, lostBefore)).toBe(undefined);
    expect([runs, await value("a"), world.client(0).counts.commit]).toEqual([1, 1, 4]);
  });

  test("the first copy comes late is applied once", async () => {
    const { world, value } = prepared();
    const held: (() => Promise<unknown>)[] = [];
    const keep: Act = async (send) => {
      held.push(send);
      throw new OutcomeUnknownError("a test keeps it on its way");
    };
    expect(await run(world, keep)).toBe(undefined);
    await toEnd(world, held[0]?.() as Promise<unknown>);
    expect([runs, await value("a"), await value("b")]).toEqual([1, 1, 1]);
  });

  test("no copy got through is unknown, and each that still comes shuts the others out", async () => {
    const { world, value } = prepared();
    const held: (() => Promise<unknown>)[] = [];
    const keep: Act = async (send) => {
      held.push(send);
      throw new OutcomeUnknownError("a test keeps it on its way");
    };
    expect(await run(world, keep, keep, keep, keep)).toBe("OUTCOME_UNKNOWN");
    expect([runs, await value("a")]).toEqual([1, undefined]);
    for (const send of held) await toEnd(world, send());
    expect([await value("a"), await value("b")]).toEqual([1, 1]);
  });

  test.each(["a", "checked"])(
    "somebody else changed %s before it came is not applied, and run again",
    async (key) => {
      const { world, value } = prepared();
      const others = world.client(1).coordinator.kv<number>("default");
      let late: (() => Promise<unknown>) | undefined;
      const overtaken: Act = async (send) => {
        late = send;
        await others.set(key, 10);
        throw new OutcomeUnknownError("a test keeps it on its way");
      };
      expect(await run(world, overtaken)).toBe(undefined);
      await toEnd(world, late?.() as Promise<unknown>);
      expect([runs, await value("a"), await value("b")]).toEqual([2, key === "a" ? 11 : 1, 1]);
    },
  );

  test("a copy comes while its marks are looked for is not run again", async () => {
    const { world, value } = prepared();
    const { store } = world;
    const [client, other] = world.clients as [World["clients"][0], World["clients"][0]];
    let commits = 0;
    let late: (() => Promise<unknown>) | undefined;
    client.spoil(async ({ kind, keys }, send) => {
      if (kind === "commit") {
        commits += 1;
        late ??= send;
        if (commits <= 4) throw new OutcomeUnknownError("a test keeps it on its way");
      }
      if (kind !== "get" || commits !== 4) return send();
      // What it writes is read; then it is applied, and what it checks changes.
      const written = await store.get(keys);
      await late?.();
      await other.coordinator.kv("default").set("checked", 1);
      return written;
    });
    runs = 0;
    expect(await ending(world, client.coordinator.transaction(addToBoth))).toBe("OUTCOME_UNKNOWN");
    expect([runs, commits, await value("a"), await value("b")]).toEqual([1, 4, 1, 1]);
  });

  test.each(["old", "absent"])(
    "the answer was lost is not run again because reads show what is %s",
    async (what) => {
      const { world, value } = prepared();
      const { store } = world;
      const [client] = world.clients as [World["clients"][0]];
      await run(world);
      const old = await store.get(["default.kv.default..a", "default.kv.default..b"]);
      await run(world);
      let commits = 0;
      client.spoil(async ({ kind, keys }, send) => {
        if (kind === "commit") {
          commits += 1;
          await send();
          if (commits === 1) throw new OutcomeUnknownError("a test lost the answer");
          // As where a store does not say what stands in the way.
          return { committed: false, conflicts: keys.map((key) => ({ key })) };
        }
        if (kind !== "get" || commits === 0) return send();
        return keys.map((key) =>
          what === "old" ? (old.find((record) => record?.key === key) ?? null) : null,
        );
      });
      runs = 0;
      expect(await ending(world, client.coordinator.transaction(addToBoth))).toBe("OUTCOME_UNKNOWN");
      client.spoil(undefined);
      expect([runs, await value("a"), await value("b")]).toEqual([1, 3, 3]);
    },
  );

  test("the answer was lost is found also when many others of its process wrote the same keys meanwhile", async () => {
    const { world, value } = prepared();
    const { coordinator } = world.client(0);
    const busy: Act = async (send) => {
      await send();
      for (let count = 0; count < 40; count += 1) await coordinator.transaction((tx) => tx.increment("a"));
      throw new OutcomeUnknownError("a test lost the answer");
    };
    expect(await run(world, busy)).toBe(undefined);
    expect([runs, await value("a"), await value("b")]).toEqual([1, 41, 1]);
  });
});

describe("what is not tried again:", () => {
  test("a store that is away, while nothing is in doubt", async () => {
    const { world, value } = prepared();
    expect(await run(world, refused)).toBe("UNAVAILABLE");
    expect([runs, world.client(0).counts.commit, await value("a")]).toEqual([1, 1, undefined]);
  });

  const fails: Act = async () => {
    throw new ConditionFailedError("a test lets the condition fail", { index: 0 });
  };

  test("a commit whose condition of a write alongside failed; whether it did it first is found out", async () => {
    const world = createWorld({ capabilities: { alongside: true } });
    const [client] = world.clients as [World["clients"][0]];
    const work = (tx: Transaction): void => {
      tx.set("a", 1);
      tx.alongside({ Put: {} });
    };
    client.spoil(script(fails));
    expect(await ending(world, client.coordinator.transaction(work))).toBe("CONDITION_FAILED");
    expect(client.counts.commit).toBe(1);
    client.spoil(script(lostBefore, fails));
    expect(await ending(world, client.coordinator.transaction(work))).toBe("OUTCOME_UNKNOWN");
    expect(client.counts.commit).toBe(3);
  });

  test("a commit of writes alongside alone: there is no mark to find it by", async () => {
    const world = createWorld({ capabilities: { alongside: true } });
    const [client] = world.clients as [World["clients"][0]];
    client.spoil(script(lostBefore));
    const work = client.coordinator.transaction((tx) => tx.alongside({ Put: {} }));
    expect(await ending(world, work)).toBe("OUTCOME_UNKNOWN");
    expect(client.counts.commit).toBe(1);
  });
});
