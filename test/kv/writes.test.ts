// Goal: each call on an entry does what it says in as few requests as promised, also where answers are lost, and refuses
// bad input before anything is sent.
import { expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import { bytesCodec, type KeyValue, leave, OutcomeUnknownError } from "../../src/index.ts";
import { createWorld, ending, first, within } from "../counters/counter-world.ts";

function open(clients = 1) {
  const world = createWorld({ clients });
  const stores = world.clients.map(({ coordinator }) => coordinator.kv<number>("numbers"));
  const at = <T>(promise: Promise<T>, delayMs = 20): Promise<T> => within(world.runtime, promise, delayMs);
  return { ...world, stores, kv: stores[0] as KeyValue<number>, at };
}

test("the first write reads and writes, the next ones write, and k at once are one write", async () => {
  const { kv, at, client } = open();
  await at(kv.set("a", 1));
  const { counts } = client(0);
  expect(counts).toMatchObject({ get: 1, commit: 1, time: 1 });
  client(0).resetCounts();
  await at(kv.set("a", 2));
  await at(kv.update("a", (value = 0) => value + 1));
  expect(counts).toMatchObject({ get: 0, commit: 2 });
  client(0).resetCounts();
  const sums = await at(Promise.all(Array.from({ length: 100 }, () => kv.increment("a"))));
  expect(sums).toEqual(Array.from({ length: 100 }, (_, index) => index + 4));
  expect(counts).toMatchObject({ get: 0, commit: 1 });
});

test("reads that are asked for at once are one read; what is not changed is not written", async () => {
  const { kv, at, client } = open();
  await at(kv.set("a", 1));
  client(0).resetCounts();
  const { counts } = client(0);
  await at(Promise.all([kv.get("a"), kv.get("b"), kv.has("a"), kv.getMany(["a", "c"])]));
  expect(counts).toMatchObject({ get: 1, commit: 0 });
  await at(kv.update("a", () => leave));
  await at(kv.delete("b"));
  await at(kv.setIfAbsent("a", 2));
  expect(counts).toMatchObject({ commit: 0 });
});

test("a version that was overtaken in the same write lets nobody write over what came after it", async () => {
  const { kv, at } = open();
  const [one, two] = await at(Promise.all([kv.set("a", 1), kv.set("a", 2)]));
  if (!one.committed || !two.committed) throw new Error("nothing is in the way");
  expect(await at(kv.set("a", 3, { ifVersion: one.version }))).toMatchObject({
    committed: false,
    current: { value: 2, version: two.version },
  });
  expect(await at(kv.set("a", 3, { ifVersion: two.version }))).toMatchObject({ committed: true });
});

test("what is called at once takes effect in the order of the calls, on a new key and on one that is there", async () => {
  const calls: readonly [
    string,
    (kv: KeyValue<number>, key: string) => readonly Promise<unknown>[],
    unknown,
  ][] = [
    ["set, delete", (kv, key) => [kv.set(key, 1), kv.delete(key)], undefined],
    ["set, increment", (kv, key) => [kv.set(key, 1), kv.increment(key, 5)], 6],
    ["set, update", (kv, key) => [kv.set(key, 1), kv.update(key, (value = 0) => value * 10)], 10],
    ["set, deleteMany", (kv, key) => [kv.set(key, 1), kv.deleteMany([key])], undefined],
    ["setMany, delete", (kv, key) => [kv.setMany([{ key, value: 1 }]), kv.delete(key)], undefined],
    ["delete, set", (kv, key) => [kv.delete(key), kv.set(key, 1)], 1],
    ["delete if, set", (kv, key) => [kv.delete(key, { if: () => true }), kv.set(key, 1)], 1],
    [
      "increment, set, set if",
      (kv, key) => [kv.increment(key), kv.set(key, 7), kv.set(key, 8, { if: () => true })],
      8,
    ],
  ];
  const { kv, at } = open();
  for (const [what, call, left] of calls) {
    for (const round of ["new", "there"]) {
      await at(Promise.all(call(kv, what)));
      expect({ what, round, value: (await at(kv.get(what)))?.value }).toEqual({ what, round, value: left });
    }
  }
  await at(Promise.all([kv.set("lasting", 1), kv.expire("lasting", "1h")]));
  expect(await at(kv.ttl("lasting"))).toBeGreaterThan(3_590_000);
});

test("an entry of a batch that is none, or has what nobody looks at, is refused with all others", async () => {
  const { kv, at, client } = open();
  const bad = [
    [{ key: "a", value: 1, ifVersion: "x" }, "has no member"],
    [{ key: "a", value: 1, tll: "1m" }, "has no member"],
    [["a", 1], "entries like"],
    [undefined, "entries like"],
    [{ key: "a" }, "entries like"],
  ] as const;
  for (const [entry, message] of bad) {
    await expect(at(kv.setMany([{ key: "b", value: 1 }, entry as never]))).rejects.toThrow(message);
  }
  expect(client(0).counts.commit).toBe(0);
});

test("a condition or filter that answers a promise is refused: it would count as true", async () => {
  const { kv, at } = open();
  await at(kv.set("a", 1));
  const never = (async () => {
    throw new Error("nobody hears this");
  }) as never;
  for (const call of [
    () => kv.set("a", 2, { if: never }),
    () => kv.delete("a", { if: never }),
    () => kv.list({ filter: never }).page(),
    () => kv.keys({ filter: never }).page(),
  ]) {
    await expect(at<unknown>(call())).rejects.toThrow("must answer true or false at once");
  }
  expect((await at(kv.get("a")))?.value).toBe(1);
});

test("an increment whose answer was lost counts once, and the same for every other write", async () => {
  for (const times of [1, 2]) {
    const { kv, at, client, stores } = open(2);
    await at(kv.set("a", 10));
    const lose = first("commit", times, async (_request, send) => {
      await send();
      throw new OutcomeUnknownError("a test lost the answer");
    });
    client(0).spoil(lose);
    expect(await at(kv.increment("a", 5), 1_000)).toBe(15);
    expect(await at((stores[1] as KeyValue<number>).get("a"))).toMatchObject({ value: 15 });
    client(0).spoil(
      first("commit", times, async (_request, send) => {
        await send();
        throw new OutcomeUnknownError("a test lost the answer");
      }),
    );
    const written = await at(kv.setIfAbsent("b", 1), 1_000);
    expect(written.committed).toBe(true);
    expect(await at(kv.get("b"))).toMatchObject({ version: written.committed && written.version });
  }
});

test("a write that comes late, after a deletion, does not bring back what was deleted", async () => {
  const { kv, at, client, stores } = open(2);
  const other = stores[1] as KeyValue<number>;
  const late: (() => Promise<unknown>)[] = [];
  client(0).spoil((request, send) => {
    if (request !== "commit") return send();
    late.push(send);
    return Promise.reject(new OutcomeUnknownError("a test keeps the request on its way"));
  });
  expect(await at(ending(kv.set("a", 1)), 60_000)).toBe("OUTCOME_UNKNOWN");
  await at(other.set("a", 2));
  await at(other.delete("a"));
  await at(Promise.all(late.map((send) => send())));
  expect(await at(other.get("a"))).toBeUndefined();
});

test("an update whose change throws, or never ends, changes nothing and holds up nobody", async () => {
  const { kv, at } = open();
  const error = new Error("of the user");
  await expect(at(kv.update("a", () => Promise.reject(error)))).rejects.toBe(error);
  const failing = kv.update("a", () => {
    throw error;
  });
  await expect(at(failing)).rejects.toBe(error);
  void kv.update("a", () => new Promise<number>(() => undefined));
  await at(kv.set("a", 1));
  expect(await at(kv.update("a", (value = 0) => value + 1))).toMatchObject({ value: 2, tries: 1 });
  expect(await at(kv.get("a"))).toMatchObject({ value: 2 });
});

test("an update that others always overtake ends with CONTENTION, and one that takes its turn does not", async () => {
  const { kv, at, stores } = open(2);
  const other = stores[1] as KeyValue<number>;
  const meddle = async (value = 0): Promise<number> => {
    await other.increment("a", 10);
    return value + 1;
  };
  const ended = await at(
    kv.update("a", meddle, { attempts: 5 }).catch((error: unknown) => error),
    10_000,
  );
  expect(ended).toMatchObject({ code: "CONTENTION", retryable: true, tries: 5 });
  let meddled = 0;
  const twice = async (value = 0): Promise<number> => {
    meddled += 1;
    return meddled <= 3 ? meddle(value) : value + 1;
  };
  const updated = await at(kv.update("a", twice, { lockAfter: 2 }), 60_000);
  expect(updated).toMatchObject({ committed: true, tries: 4 });
});

test("the signal takes back what was not sent", async () => {
  const { kv, at } = open();
  const aborter = new AbortController();
  const writing = ending(kv.set("a", 1, { signal: aborter.signal }));
  aborter.abort();
  expect(await at(writing)).toBe("ABORTED");
  expect(await at(kv.get("a"))).toBeUndefined();
});

test.each<[string, (kv: KeyValue<number>) => Promise<unknown>]>([
  ["an empty key", (kv) => kv.set("", 1)],
  ["half a surrogate pair", (kv) => kv.get("\ud800")],
  ["a key that is no text", (kv) => kv.get(1 as never)],
  ["a key that is too long", (kv) => kv.get("x".repeat(1_025))],
  ["a ttl of zero", (kv) => kv.set("a", 1, { ttl: 0 })],
  ["a negative ttl", (kv) => kv.set("a", 1, { ttl: -1 })],
  ["a ttl of NaN", (kv) => kv.expire("a", Number.NaN)],
  ["an endless ttl", (kv) => kv.set("a", 1, { ttl: Number.POSITIVE_INFINITY })],
  ["an unknown option", (kv) => kv.set("a", 1, { tll: 5 } as never)],
  ["a condition that is no function", (kv) => kv.set("a", 1, { if: true as never })],
  ["the version of an entry that is not there", (kv) => kv.set("a", 1, { ifVersion: undefined as never })],
  ["a version that is none", (kv) => kv.delete("a", { ifVersion: 7 as never })],
  ["an addend that is no number", (kv) => kv.increment("a", Number.NaN)],
  ["keys that are no array", (kv) => kv.getMany("ab" as never)],
  ["entries that are no array", (kv) => kv.setMany({} as never)],
  ["a change that is no function", (kv) => kv.update("a", 1 as never)],
  ["no attempts", (kv) => kv.update("a", () => 1, { attempts: 0 })],
  ["a page of nothing", async (kv) => kv.list({ pageSize: 0 })],
  ["a cursor that is none", async (kv) => kv.keys({ cursor: "?" })],
])("%s is refused before anything is sent", async (_what, call) => {
  const { kv, at, client } = open();
  await expect(at(call(kv))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(client(0).counts).toMatchObject({ get: 0, commit: 0 });
});

test("namespaces are refused that are empty, or too long together", () => {
  const { coordinator } = createWorld().client(0);
  expect(() => coordinator.kv("")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(() => coordinator.kv("a".repeat(121))).toThrow(/at most 120/);
  expect(() => coordinator.kv("a".repeat(60)).namespace("b".repeat(60))).toThrow(/at most 120/);
  expect(() => coordinator.kv("a", { history: 65 })).toThrow(/history/);
  expect(() => coordinator.kv("a", { codec: {} as never })).toThrow(/codec/);
});

test("values that the codec refuses say where, and what stands there stays", async () => {
  const { kv, at, store, runtime } = open();
  await expect(at(kv.set("a", undefined as never))).rejects.toMatchObject({
    code: "INVALID_VALUE",
    key: "a",
  });
  await at(kv.set("a", "text" as never));
  await expect(at(kv.increment("a"))).rejects.toMatchObject({ code: "INVALID_VALUE", value: "text" });
  const foreign = recordKey("default", "kv", "x").replace("x", "numbers..b");
  await within(runtime, store.commit([{ kind: "put", key: foreign, value: Buffer.from("?") }]));
  await expect(at(kv.get("b"))).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  await expect(at(kv.set("b", 1))).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
});

test("the largest value that is taken fits into a record, whatever its key", async () => {
  const { at, client, store } = open();
  const kv = client(0).coordinator.kv("bytes", { codec: bytesCodec });
  const { valueBytesMax } = store.capabilities;
  for (const key of ["a", "\u0001".repeat(1_024), "é".repeat(512)]) {
    const refused = await at(kv.set(key, new Uint8Array(valueBytesMax)).catch((error: unknown) => error));
    expect(refused).toMatchObject({ code: "LIMIT_EXCEEDED", size: valueBytesMax });
    const { limit = 0 } = refused as { readonly limit?: number };
    expect(await at(kv.set(key, new Uint8Array(limit)))).toMatchObject({ committed: true });
    await expect(at(kv.set(key, new Uint8Array(limit + 1)))).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
  }
});

test("a write in doubt whose entry was erased meanwhile is shut out, and the caller is told that nobody knows", async () => {
  const { kv, at, client, stores } = open(2);
  const other = stores[1] as KeyValue<number>;
  await at(kv.set("a", 1));
  let lost = 0;
  client(0).spoil(async (request, send) => {
    if (request !== "commit" || lost > 0) return send();
    lost += 1;
    await send();
    await other.purge("a");
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const ended = await at(ending(kv.setIfPresent("a", 2)), 5_000);
  expect(JSON.stringify(ended)).toMatch(/OUTCOME_UNKNOWN|"committed":false/);
  expect(await at(other.get("a"))).toBeUndefined();
  expect(await at(kv.setIfAbsent("a", 3))).toMatchObject({ committed: true });
});
