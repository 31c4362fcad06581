// Goal: what a transaction can do with entries: typed stores, own writes, times to live, deletions, history, errors, ends.
import { describe, expect, test } from "vitest";
import { jsonCodec, leave, type Transaction, textCodec } from "../../src/index.ts";
import { createWorld, ending, pass, toEnd } from "./transaction-world.ts";

function opened(options: Parameters<typeof createWorld>[0] = {}) {
  const world = createWorld(options);
  const { coordinator } = world.client(0);
  const run = <R>(
    work: (tx: Transaction) => R | PromiseLike<R>,
    how?: Parameters<typeof coordinator.transaction>[1],
  ) => ending(world, coordinator.transaction(work, how) as Promise<R>);
  return { world, coordinator, run };
}

describe("entries", () => {
  test("reads show the transaction's own writes, of every kind; others see them when it has committed", async () => {
    const { world, coordinator, run } = opened({ clients: 2 });
    const seen = await run(async (tx) => {
      tx.set("a", 1);
      const all: unknown[] = [await tx.get("a"), await tx.increment("a", 2), await tx.get("a")];
      all.push(await world.client(1).coordinator.kv("default").get("a"));
      tx.delete("a");
      all.push(
        await tx.get("a"),
        await tx.has("a"),
        await tx.setIfAbsent("a", 5),
        await tx.setIfAbsent("a", 6),
      );
      await tx.update<number>("a", (value = 0) => value * 2);
      await tx.update<number>("a", () => leave);
      return [...all, await tx.getMany(["a", "b", "a"])];
    });
    expect(seen).toEqual([1, 3, 3, undefined, undefined, false, true, false, [10, undefined, 10]]);
    expect((await toEnd(world, coordinator.kv("default").get("a")))?.value).toBe(10);
  });

  test("what is read of an own write is a copy, and calls at once lose nothing of each other", async () => {
    const { run } = opened();
    const seen = await run(async (tx) => {
      const list = [1];
      tx.set("list", list);
      list.push(2);
      const add = (key: string) => tx.update<number>(key, async (value = 0) => value + 1);
      await Promise.all([tx.increment("n"), tx.increment("n", 2), add("n"), add("n"), add("n")]);
      return [await tx.get("list"), await tx.get("n")];
    });
    expect(seen).toEqual([[1], 6]);
  });

  test("stores keep their codec, time to live and history; those of another coordinator are refused", async () => {
    const { world, coordinator, run } = opened({ clients: 2 });
    const texts = coordinator.kv("texts", { codec: textCodec, ttl: "10s", history: 3 });
    const dates = coordinator.kv<Date>("dates", { codec: jsonCodec({ extended: true }) }).namespace("inner");
    const at = new Date(7);
    for (const text of ["one", "two"]) {
      await run((tx) => {
        tx.kv(texts).set("t", text);
        tx.kv(dates).set("d", at, { ttl: null });
        tx.kv("plain").set("p", { text });
      });
    }
    const [text, date, plain, past] = await toEnd(
      world,
      Promise.all([texts.get("t"), dates.get("d"), coordinator.kv("plain").get("p"), texts.history("t")]),
    );
    expect([text?.value, date?.value, plain?.value]).toEqual(["two", at, { text: "two" }]);
    expect(text?.ttlMs).toBeGreaterThan(9_000);
    expect(date?.ttlMs).toBe(null);
    expect(past.map((entry) => entry.operation === "put" && entry.value)).toEqual(["one", "two"]);
    expect(text?.createdAt.getTime()).toBeLessThan(text?.updatedAt.getTime() ?? 0);
    const other = world.client(1).coordinator.kv("texts");
    expect(await run((tx) => void tx.kv(other))).toBe("INVALID_ARGUMENT");
    expect(await run((tx) => void tx.kv({} as never))).toBe("INVALID_ARGUMENT");
  });

  test("a time to live of its own, the one of the store, and the one that is kept", async () => {
    const { world, coordinator, run } = opened();
    const store = coordinator.kv<number>("s", { ttl: "10s" });
    await run((tx) => {
      for (const key of ["own", "usual", "ever"]) tx.kv(store).set(key, 1);
      tx.kv(store).set("own", 1, { ttl: "1s" });
      tx.kv(store).set("ever", 1, { ttl: null });
    });
    await toEnd(world, pass(world.runtime, 500));
    await run(async (tx) => {
      for (const key of ["own", "usual", "ever", "new"]) await tx.kv(store).increment(key, 1, { ttl: "20s" });
      await tx.kv(store).update("ever", (value = 0) => value, { ttl: "3s" });
    });
    const ttls = await toEnd(
      world,
      Promise.all(["own", "usual", "ever", "new"].map((key) => store.ttl(key))),
    );
    expect(ttls.map((ttlMs) => Math.round((ttlMs ?? 0) / 1_000))).toEqual([0, 9, 3, 20]);
    expect(await run((tx) => tx.set("x", 1, { ttl: 0 }))).toBe("INVALID_ARGUMENT");
    expect(await run((tx) => tx.set("x", 1, { tll: 1 } as never))).toBe("INVALID_ARGUMENT");
  });

  test("what is over is not seen, and what ends before the commit makes it run again", async () => {
    const { world, coordinator, run } = opened();
    const store = coordinator.kv<number>("s");
    await toEnd(world, store.set("brief", 1, { ttl: 100 }));
    const seen: unknown[] = [];
    await run(async (tx) => {
      seen.push(await tx.kv(store).get("brief"));
      if (tx.attempt === 1) await pass(world.runtime, 200);
      tx.set("done", true);
    });
    expect(seen).toEqual([1, undefined]);
  });

  test("a deletion leaves what keeps late writes out, and one of nothing writes nothing", async () => {
    const { world, coordinator, run } = opened();
    await toEnd(world, coordinator.kv("default").set("a", 1));
    world.client(0).resetCounts();
    await run((tx) => {
      tx.delete("a");
      tx.delete("never");
    });
    expect(world.client(0).counts.commit).toBe(1);
    const { records } = await world.store.scan("default.kv.");
    expect(records.map(({ key }) => key)).toEqual(["default.kv.default..a"]);
    expect(await toEnd(world, coordinator.kv("default").get("a"))).toBe(undefined);
    expect(await run((tx) => tx.delete("never"))).toBe(undefined);
    expect(world.client(0).counts.commit).toBe(1);
  });
});

describe("ends", () => {
  test("what the function throws ends it, and nothing is applied; what a codec refuses as well", async () => {
    const { world, coordinator, run } = opened();
    const throws = (tx: Transaction): void => {
      tx.set("a", 1);
      throw new RangeError("no");
    };
    await expect(toEnd(world, coordinator.transaction(throws))).rejects.toThrow(RangeError);
    const later = coordinator.kv<number>("s", {
      codec: { type: "late", encode: async () => Promise.reject(new Error("no")), decode: () => 1 },
    });
    expect(await run((tx) => tx.kv(later).set("a", 1))).toBe("INVALID_VALUE");
    expect(await run((tx) => tx.set("a", () => 1))).toBe("INVALID_VALUE");
    expect(await run((tx) => tx.set("", 1))).toBe("INVALID_ARGUMENT");
    expect(await run((tx) => tx.increment("a", Number.NaN))).toBe("INVALID_ARGUMENT");
    expect(await toEnd(world, coordinator.kv("default").get("a"))).toBe(undefined);
  });

  test("once it has ended, its methods throw", async () => {
    const { world, run } = opened();
    let escaped: Transaction | undefined;
    await run((tx) => {
      escaped = tx;
    });
    for (const call of [
      () => escaped?.set("a", 1),
      () => escaped?.delete("a"),
      () => escaped?.kv("b"),
      () => escaped?.guard({} as never),
      () => escaped?.alongside({}),
    ])
      expect(call).toThrow(expect.objectContaining({ code: "CLOSED" }));
    for (const call of [escaped?.get("a"), escaped?.increment("a"), escaped?.setIfAbsent("a", 1)]) {
      expect(await ending(world, call as Promise<unknown>)).toBe("CLOSED");
    }
  });

  test("a signal and a timeout end it while the function runs; it can do nothing more", async () => {
    const { world, coordinator, run } = opened();
    const controller = new AbortController();
    const ends: unknown[] = [];
    const work = async (tx: Transaction): Promise<void> => {
      await pass(world.runtime, 1_000);
      ends.push(await tx.get("a").catch(({ code }) => code));
      tx.set("a", 1);
    };
    const aborted = ending(world, coordinator.transaction(work, { signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect(await aborted).toBe("ABORTED");
    expect(await run(work, { timeout: 300 })).toBe("ABORTED");
    expect(await run(work, { signal: controller.signal })).toBe("ABORTED");
    await world.runtime.advance(3_000);
    expect(ends).toEqual(["ABORTED", "ABORTED"]);
    expect(await toEnd(world, coordinator.kv("default").get("a"))).toBe(undefined);
    expect(world.runtime.timerCount).toBe(0);
  });

  test("a timeout that comes while the commit is under way does not end it", async () => {
    const { world, run } = opened();
    world.client(0).spoil(async ({ kind }, send) => {
      if (kind === "commit") await pass(world.runtime, 1_000);
      return send();
    });
    expect(await run((tx) => tx.increment("a"), { timeout: 500 })).toBe(1);
  });

  test("a closed coordinator begins none, and waits for the commit that is under way", async () => {
    const { world, coordinator, run } = opened();
    world.client(0).spoil(async ({ kind }, send) => {
      if (kind === "commit") await pass(world.runtime, 1_000);
      return send();
    });
    const going = coordinator.transaction((tx) => tx.increment("a"));
    await world.runtime.advance(100);
    let isCommitted = false;
    void going.then(() => {
      isCommitted = true;
    });
    await toEnd(world, coordinator.close());
    expect(isCommitted).toBe(true);
    expect(await run((tx) => tx.increment("a"))).toBe("CLOSED");
  });

  test("options and functions of the wrong kind are refused", async () => {
    const { run } = opened();
    const work = (): void => undefined;
    for (const how of [
      { attempts: 0 },
      { attempts: 1.5 },
      { timeout: 0 },
      { isolation: "none" },
      { tries: 1 },
      { signal: {} },
    ])
      expect(await run(work, how as never)).toBe("INVALID_ARGUMENT");
    expect(await run(undefined as never)).toBe("INVALID_ARGUMENT");
    expect(await run((tx) => tx.update("a", 1 as never))).toBe("INVALID_ARGUMENT");
  });

  test("others that come in between every time make it give up, also one within itself", async () => {
    const { world, coordinator } = opened();
    let runs = 0;
    const nested = coordinator.transaction(
      async (tx) => {
        runs += 1;
        await tx.get("a");
        await coordinator.transaction((inner) => inner.increment("a"));
        tx.set("b", 1);
      },
      { attempts: 5 },
    );
    await expect(toEnd(world, nested)).rejects.toMatchObject({ code: "CONTENTION", tries: 5 });
    expect(runs).toBe(5);
    const entries = await toEnd(world, coordinator.kv("default").getMany(["a", "b"]));
    expect(entries.map((entry) => entry?.value)).toEqual([5, undefined]);
  });
});

test("a record that is no entry is told to the one who reads it", async () => {
  const { world, run } = opened();
  await world.store.commit([{ kind: "put", key: "default.kv.default..bad", value: Buffer.from("no") }]);
  const seen = await run((tx) =>
    Promise.all([tx.get("bad").catch(({ code }: { code: string }) => code), tx.get("good")]),
  );
  expect(seen).toEqual(["CORRUPT_RECORD", undefined]);
});
