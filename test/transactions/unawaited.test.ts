// Goal: a read that the function of a transaction did not await, and that is answered at any moment of the commit, makes
// nobody's write be lost.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { createCoordinator, type Isolation, type Transaction } from "../../src/index.ts";

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
}

/** Somebody else adds 100 after the function has read, and an answer that shows it comes `delay` turns after the function. */
async function race(isolation: Isolation, delay: number): Promise<unknown> {
  const store = memoryBackend();
  const answer = Promise.withResolvers<void>();
  let isHeld = false;
  const get: Backend["get"] = async (keys, options) => {
    // What was read before is read again along with it.
    if (isHeld && keys.some((key) => key.endsWith("..a"))) await answer.promise;
    return store.get(keys, options);
  };
  const link = new Proxy(store, {
    get: (target, name: keyof Backend) => {
      const member = name === "get" ? get : target[name];
      return typeof member === "function" ? member.bind(target as never) : member;
    },
  });
  const others = createCoordinator(store).kv<number>("default");
  const coordinator = createCoordinator(link);
  await coordinator.kv("default").set("clock", "known from now on");
  await others.set("a", 0);
  await coordinator.transaction(
    async (tx) => {
      const value = (await tx.get<number>("a")) ?? 0;
      if (tx.attempt === 1) {
        isHeld = true;
        void tx.get("b").catch(() => undefined);
        await turns(40);
        await others.increment("a", 100);
        void turns(delay).then(answer.resolve);
      }
      tx.set("a", value + 1);
    },
    { isolation },
  );
  return (await others.get("a"))?.value;
}

test.each(["serializable-snapshot", "serializable", "repeatable-reads"] as const)(
  "a read that nobody awaits loses nothing of others: %s",
  async (isolation) => {
    for (let delay = 0; delay < 60; delay += 1) {
      expect({ delay, value: await race(isolation, delay) }).toEqual({ delay, value: 101 });
    }
  },
);

test("what a function leaves behind fails unheard once it is over, and what fails before is the caller's to hear", async () => {
  const unheard: unknown[] = [];
  const listen = (error: unknown): number => unheard.push(error);
  // Those of the test runner would end the run.
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", listen);
  try {
    await using coordinator = createCoordinator(memoryBackend());
    await coordinator.kv<string>("default").set("text", "no number");
    const leaveAll = (tx: Transaction): void => {
      void tx.get("a");
      void tx.getMany(["b", "c"]);
      void tx.has("d");
      void tx.kv("other").get("e");
    };
    await coordinator.transaction(leaveAll);
    const thrown = coordinator.transaction((tx) => {
      leaveAll(tx);
      void tx.increment("a");
      void tx.update("b", () => 1);
      void tx.setIfAbsent("c", 1);
      throw new RangeError("the function's own");
    });
    await expect(thrown).rejects.toThrow("the function's own");
    await expect(coordinator.transaction((tx) => void tx.increment("a"))).rejects.toThrow("Await them");
    await new Promise((resolve) => setImmediate(resolve));
    expect(unheard).toEqual([]);
    await coordinator.transaction(async (tx) => {
      void tx.increment("text");
      await tx.get("z");
      await turns(20);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(unheard).toMatchObject([{ code: "INVALID_VALUE" }]);
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const other of others) process.on("unhandledRejection", other);
  }
});

test.each<[string, (tx: Transaction) => Promise<unknown>]>([
  ["increment", (tx) => tx.increment("a")],
  ["update", (tx) => tx.update("a", () => 1)],
  ["setIfAbsent", (tx) => tx.setIfAbsent("a", 1)],
])("a function that ends before its %s is refused, and nothing is applied", async (_name, write) => {
  await using coordinator = createCoordinator(memoryBackend());
  const late: Promise<unknown>[] = [];
  const ended = coordinator.transaction((tx) => {
    tx.set("b", 1);
    const writing = write(tx);
    // Looked at below, by when it may have been refused long ago.
    writing.catch(() => undefined);
    late.push(writing);
  });
  await expect(ended).rejects.toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  await expect(Promise.all(late)).rejects.toMatchObject({ code: "CLOSED" });
  expect(await coordinator.kv("default").getMany(["a", "b"])).toEqual([undefined, undefined]);
});
