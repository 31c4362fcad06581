// Goal: `history` shows what stood under a key, as many states as asked for and as fit, and nothing that is over or erased.
import { describe, expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import {
  createCoordinator,
  type KeyValueOptions,
  LimitExceededError,
  type PastEntry,
} from "../../src/index.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";

function open<T = number>(options: KeyValueOptions<T> = {}, valueBytesMax = 1_048_576) {
  const runtime = createVirtualRuntime();
  const store = memoryBackend({ runtime });
  const capabilities = { ...store.capabilities, valueBytesMax };
  const limited: Backend = {
    kind: "memory",
    capabilities,
    setup: () => store.setup(),
    get: (keys) => store.get(keys),
    scan: (prefix, page) => store.scan(prefix, page),
    commit: (operations) => store.commit(operations),
    add: (key, delta, operation) => store.add(key, delta, operation),
    time: () => store.time(),
    watch: (prefix, listener) => store.watch(prefix, listener),
    wake: () => undefined,
    onWake: () => () => undefined,
    close: () => store.close(),
  };
  const coordinator = createCoordinator(limited, { runtime });
  return { runtime, store, coordinator, entries: coordinator.kv<T>("data", options) };
}

function texts(history: readonly PastEntry<unknown>[]): string[] {
  return history.map((entry) => (entry.operation === "put" ? `${entry.value}` : entry.operation));
}

describe("the history of a key", () => {
  test("is empty where nothing ever was, and shows only what is there by default", async () => {
    const { entries } = open();
    expect(await entries.history("a")).toEqual([]);
    for (const value of [1, 2, 3]) await entries.set("a", value);
    expect(await entries.history("a")).toEqual([await entries.get("a")]);
    await entries.delete("a");
    expect(texts(await entries.history("a"))).toEqual(["delete"]);
  });

  test("has as many states as asked for, oldest first, deletions included, with versions and times of their own", async () => {
    const { runtime, entries } = open({ history: 4 });
    const versions: string[] = [];
    for (const value of [1, 2, 3]) {
      const written = await entries.set("a", value);
      if (written.committed) versions.push(written.version);
      await runtime.advance(1_000);
    }
    const history = await entries.history("a");
    expect(texts(history)).toEqual(["1", "2", "3"]);
    expect(history.map(({ version }) => version)).toEqual(versions);
    const times = history.map(({ updatedAt }) => updatedAt.getTime());
    expect((times[2] ?? 0) - (times[0] ?? 0)).toBeCloseTo(2_000, -1);
    expect(history.at(-1)).toEqual(await entries.get("a"));
    await entries.delete("a");
    await entries.set("a", 4);
    expect(texts(await entries.history("a"))).toEqual(["2", "3", "delete", "4"]);
    await entries.increment("a", 10);
    await entries.update("a", (value = 0) => value * 2);
    expect(texts(await entries.history("a"))).toEqual(["delete", "4", "14", "28"]);
    const removal = (await entries.history("a"))[0];
    expect(removal).toMatchObject({ operation: "delete", key: "a", version: expect.any(String) });
  });

  test("has each of the states that were written at once, and conditions go by the newest alone", async () => {
    const { entries } = open({ history: 10 });
    await Promise.all([1, 2, 3, 4].map((value) => entries.set("a", value)));
    const history = await entries.history("a");
    expect(texts(history)).toEqual(["1", "2", "3", "4"]);
    expect(new Set(history.map(({ version }) => version)).size).toBe(4);
    for (const { version } of history.slice(0, 3)) {
      expect(version).not.toBeNull();
      expect((await entries.set("a", 9, { ifVersion: version ?? "" })).committed).toBe(false);
    }
    expect((await entries.set("a", 5, { ifVersion: history.at(-1)?.version ?? "" })).committed).toBe(true);
  });

  test("does not show values whose time is over, and says so of the newest", async () => {
    const { runtime, entries } = open({ history: 5 });
    await entries.set("a", 1, { ttl: "10s" });
    await entries.set("a", 2);
    await entries.set("a", 3, { ttl: "20s" });
    expect(texts(await entries.history("a"))).toEqual(["1", "2", "3"]);
    await runtime.advance(11_000);
    expect(texts(await entries.history("a"))).toEqual(["2", "3"]);
    await runtime.advance(11_000);
    const history = await entries.history("a");
    expect(texts(history)).toEqual(["2", "expire"]);
    const [before, expiry] = history;
    expect(Number(expiry?.updatedAt) - Number(before?.updatedAt)).toBeCloseTo(20_000, -1);
    await entries.set("a", 4);
    expect(texts(await entries.history("a"))).toEqual(["2", "4"]);
  });

  test("does not keep the bytes of what is over any longer than to the next write", async () => {
    const { runtime, entries, store } = open<string>({ history: 5 });
    await entries.set("a", "secret", { ttl: "1s" });
    await runtime.advance(2_000);
    await entries.set("a", "plain");
    const { records } = await store.scan("");
    expect(records.map(({ value }) => Buffer.from(value).toString()).join()).not.toContain("secret");
  });

  test("is erased by purge, and begins anew", async () => {
    const { entries, store, coordinator } = open({ history: 5 });
    for (const value of [1, 2, 3]) await entries.set("a", value);
    expect(await entries.purge("a")).toBe(true);
    expect(await entries.history("a")).toEqual([]);
    expect((await store.scan("default.kv.")).records).toEqual([]);
    await entries.set("a", 4);
    expect(texts(await entries.history("a"))).toEqual(["4"]);
    await coordinator.kv("data").destroy();
    expect(await entries.history("a")).toEqual([]);
  });

  test("gives way to the newest value: the oldest states are left out as far as there is no room", async () => {
    const { entries } = open<string>({ history: 64 }, 131_072);
    const of = (letter: string, length: number): string => letter.repeat(length);
    for (let round = 0; round < 20; round += 1)
      await entries.set("a", of("abcdefghijklmnopqrst"[round] ?? "", 20_000));
    const kept = texts(await entries.history("a")).map((text) => text[0]);
    expect(kept).toEqual(["o", "p", "q", "r", "s", "t"]);
    await entries.set("a", of("u", 120_000));
    expect(texts(await entries.history("a")).map((text) => text[0])).toEqual(["u"]);
    await expect(entries.set("a", of("v", 131_000))).rejects.toBeInstanceOf(LimitExceededError);
    await entries.set("a", "w");
    expect(texts(await entries.history("a")).map((text) => text[0])).toEqual(["u", "w"]);
  });

  test("fits with many small states, long keys and stamps of many writers", async () => {
    const { entries, store, runtime } = open<string>({ history: 64 }, 131_072);
    const key = "ключ".repeat(120);
    const writers = Array.from({ length: 20 }, () =>
      createCoordinator(store, { runtime }).kv<string>("data", { history: 64 }),
    );
    for (const writer of writers)
      for (let round = 0; round < 4; round += 1) await writer.set(key, "x".repeat(500));
    expect(await entries.history(key)).toHaveLength(64);
    expect((await entries.get(key))?.value).toHaveLength(500);
  });

  test("is that of the namespace: one within has its own number of states", async () => {
    const { entries } = open({ history: 2 });
    const within = entries.namespace<number>("within", { history: 3 });
    for (const value of [1, 2, 3, 4]) {
      await entries.set("a", value);
      await within.set("a", value);
      await entries.namespace("same").set("a", value);
    }
    expect(texts(await entries.history("a"))).toEqual(["3", "4"]);
    expect(texts(await within.history("a"))).toEqual(["2", "3", "4"]);
    expect(texts(await entries.namespace("same").history("a"))).toEqual(["3", "4"]);
  });

  test("is as long as the last who wrote keeps it, and goes an hour after the key was deleted", async () => {
    const { runtime, entries, coordinator } = open({ history: 5 });
    for (const value of [1, 2, 3]) await entries.set("a", value);
    await coordinator.kv<number>("data", { history: 2 }).set("a", 4);
    expect(texts(await entries.history("a"))).toEqual(["3", "4"]);
    await coordinator.kv<number>("data").set("a", 5);
    expect(texts(await entries.history("a"))).toEqual(["5"]);
    await entries.delete("a");
    await runtime.advance(3_599_000);
    expect(texts(await entries.history("a"))).toEqual(["5", "delete"]);
    await runtime.advance(2_000);
    // Has the store collect what it may.
    for (let write = 0; write < 10; write += 1) await coordinator.kv("other").set("b", write);
    expect(await entries.history("a")).toEqual([]);
  });

  test("with compression and codecs of its own comes back as it was written", async () => {
    const { entries } = open<string>({ history: 3, compression: { thresholdBytes: 1 } });
    const values = ["a".repeat(5_000), "b".repeat(5_000), "c"];
    for (const value of values) await entries.set("a", value);
    expect(texts(await entries.history("a"))).toEqual(values);
  });
});
