// Goal: what the key-value buckets of NATS offer is had here, on a NATS server, as docs/coverage.md says: entries and
// revisions, history, watches, status, codecs, limits, and the stream below for the rest.
import { connect as connectToNats } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { natsBackend, natsBucketOf, natsConnectionOf } from "../../src/backends/nats/index.ts";
import {
  bytesCodec,
  type Change,
  type Coordinator,
  createCoordinator,
  leave,
  type Reset,
  textCodec,
} from "../../src/index.ts";
import { askJetStream, uniqueBucket } from "../backends/nats-clients.ts";
import { type NatsStore, openNatsStore } from "../backends/nats-stores.ts";
import { sharedServers } from "../servers/shared.ts";

const connect = (options: { readonly servers: string }) => connectToNats({ ...options });
/** What is shown here is not how soon a busy machine answers. */
const patient = { requestTimeout: "10s" } as const;
let store: NatsStore;
let coordinator: Coordinator;
let other: Coordinator;

beforeAll(async () => {
  store = await openNatsStore(connect, sharedServers().nats.url, patient);
  coordinator = createCoordinator(store.backend);
  other = createCoordinator(store.backend);
});
afterAll(async () => {
  await coordinator.close();
  await other.close();
  await askJetStream(store.connection, `STREAM.DELETE.KV_${store.bucket}`);
  await store[Symbol.asyncDispose]();
});

test("an entry has its key, value, version, times and operation; its namespace knows its name", async () => {
  const kv = coordinator.kv<string>("entries", { codec: textCodec });
  const { version } = await written(kv.set("api.url", "https://api.example.com"));
  const entry = await kv.get("api.url");
  expect(entry).toEqual({
    ...{ operation: "put", key: "api.url", value: "https://api.example.com", version, ttlMs: null },
    ...{ createdAt: expect.any(Date), updatedAt: expect.any(Date) },
  });
  expect(kv.name).toBe("entries");
  const next = await written(kv.set("api.url", "https://new.example.com", { ifVersion: version }));
  expect(next.version).not.toBe(version);
  const later = await kv.get("api.url");
  expect(later?.createdAt).toEqual(entry?.createdAt);
  expect(Number(later?.updatedAt)).toBeGreaterThan(Number(entry?.updatedAt));
  expect(await kv.delete("api.url", { ifVersion: version })).toMatchObject({
    committed: false,
    current: later,
  });
  expect(await kv.delete("api.url", { ifVersion: next.version })).toEqual({ committed: true, existed: true });
});

test("history tells values and deletions, oldest first; a purge leaves none", async () => {
  const kv = coordinator.kv<string>("history", { history: 5, codec: textCodec });
  for (const value of ["1", "2"]) await kv.set("user.123", value);
  await kv.delete("user.123");
  await kv.set("user.123", "3");
  const past = await other.kv("history", { codec: textCodec }).history("user.123");
  expect(past.map((one) => (one.operation === "put" ? one.value : one.operation))).toEqual([
    "1",
    "2",
    "delete",
    "3",
  ]);
  const times = past.map(({ updatedAt }) => Number(updatedAt));
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  expect(await kv.purge("user.123")).toBe(true);
  expect(await kv.history("user.123")).toEqual([]);
});

test("a watch follows a pattern, tells only updates, leaves out removals, and goes on from a cursor elsewhere", async () => {
  const kv = coordinator.kv<number>("watched");
  await kv.set("user.a", 1);
  const ready = Promise.withResolvers<void>();
  const options = { match: "user.*", updatesOnly: true, onReady: ready.resolve } as const;
  const updates = other.kv<number>("watched").watch(options)[Symbol.asyncIterator]();
  const first = updates.next();
  await ready.promise;
  await kv.set("config.x", 1);
  await kv.set("user.b", 2);
  expect(tell((await first).value)).toBe("put user.b");
  await kv.delete("user.b");
  expect(tell((await updates.next()).value)).toBe("delete user.b");
  await kv.set("user.c", 3);
  expect(tell((await updates.next()).value)).toBe("put user.c");
  await updates.return?.();

  const names = (await take(kv.watch({ match: "user.*", removals: false }), 2)).map(tell);
  expect(names.sort()).toEqual(["put user.a", "put user.c"]);

  const [, cursor] = await upTo(kv.watch(), "user.c");
  await kv.set("user.d", 4);
  const [later] = await upTo(other.kv<number>("watched").watch({ since: cursor }), "user.d");
  expect(later).toContain("put user.d");
});

test("keys are listed by pattern; any text is a key, whatever it means to NATS", async () => {
  const kv = coordinator.kv<number>("names");
  const names = ["config.a", "config.b", "user 1", "a.*.>", ">", "*", "..", "ключ", "a/b=c\\d", "\n"];
  for (const [nth, name] of names.entries()) await kv.set(name, nth);
  for (const [nth, name] of names.entries()) expect((await kv.get(name))?.value).toBe(nth);
  const found: string[] = [];
  for await (const key of kv.keys()) found.push(key);
  expect(found.sort()).toEqual([...names].sort());
  const { items } = await kv.keys({ match: "config.*" }).page();
  expect([...items].sort()).toEqual(["config.a", "config.b"]);
});

test("the status counts, and the stream below tells the rest", async () => {
  const kv = coordinator.kv<Uint8Array>("metrics", { codec: bytesCodec, history: 3, ttl: "1h" });
  await kv.set("a", new Uint8Array(10));
  await kv.set("b", new Uint8Array(20));
  expect(await kv.status()).toEqual({
    ...{ name: "metrics", backend: "nats", entries: 2, bytes: 30, history: 3, ttlMs: 3_600_000 },
    ...{ valueBytesMax: expect.any(Number), transactionKeysMax: expect.any(Number), watch: "push" },
  });
  const { bucket, stream } = natsBucketOf(coordinator);
  expect(bucket).toBe(store.bucket);
  const { config, state } = await askJetStream(natsConnectionOf(coordinator), `STREAM.INFO.${stream}`);
  expect(config).toMatchObject({ storage: "file", num_replicas: 1, compression: "none" });
  expect(state.messages).toBeGreaterThanOrEqual(2);
});

test("limits are told before anything is sent; a full bucket refuses writes and drops nothing", async () => {
  const refusals = [
    () => coordinator.kv("limits", { history: 65 }),
    () => coordinator.kv("limits", { ttl: 0.5 }),
    () => coordinator.kv("limits", { ttl: "36501d" }),
    () => coordinator.kv("limits").watch({ headersOnly: true } as never),
    () => coordinator.kv("limits", { maxKeys: 7 } as never),
  ];
  for (const refused of refusals)
    expect(refused).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  await using small = await openNatsStore(connect, sharedServers().nats.url, {
    ...patient,
    maxBytes: 200_000,
  });
  await using full = createCoordinator(small.backend);
  const kv = full.kv("data", { codec: bytesCodec });
  const value = new Uint8Array(60_000);
  const ends = await kv.setMany(["a", "b", "c", "d", "e"].map((key) => ({ key, value })));
  const failed = ends.filter((end) => "error" in end);
  expect(failed.length).toBeGreaterThanOrEqual(2);
  for (const end of failed) expect(end).toMatchObject({ error: { code: "UNAVAILABLE" } });
  const { entries } = await kv.status();
  expect(entries).toBe(5 - failed.length);
  await askJetStream(small.connection, `STREAM.DELETE.KV_${small.bucket}`);
});

test("a bucket is got or made; closing leaves it, destroy erases a namespace, and the stream goes by the native way", async () => {
  const url = sharedServers().nats.url;
  const bucket = uniqueBucket();
  await using first = await openNatsStore(connect, url, {
    ...patient,
    bucket,
    description: "User session cache",
  });
  await using second = await openNatsStore(connect, url, { ...patient, bucket });
  const [one, two] = [createCoordinator(first.backend), createCoordinator(second.backend)];
  await one.kv("sessions").set("a", 1);
  await one.close();
  const kv = two.kv("sessions");
  expect((await kv.get("a"))?.value).toBe(1);
  expect(await kv.destroy()).toBe(1);
  expect((await kv.status()).entries).toBe(0);
  const { stream } = natsBucketOf(second.backend);
  expect((await askJetStream(second.connection, `STREAM.DELETE.${stream}`)).success).toBe(true);
  await expect(kv.get("a")).rejects.toMatchObject({ code: "STORE_MISSING" });
  await two.close();
});

test("an increment and a conditional update of many clients are all counted, with how many tries they took", async () => {
  const stores = [coordinator, other].map((one) => one.kv<number>("counts"));
  const sums = await Promise.all(stores.flatMap((kv) => Array.from({ length: 20 }, () => kv.increment("n"))));
  expect(new Set(sums).size).toBe(40);
  const updates = stores.map((kv) => kv.update("n", async (n = 0) => n + 1, { attempts: 10 }));
  for (const update of await Promise.all(updates)) {
    expect(update).toMatchObject({ committed: true, tries: expect.any(Number) });
  }
  expect(await stores[0]?.update("n", () => leave)).toMatchObject({
    committed: false,
    current: { value: 42 },
  });
});

test("a bucket of a version of its own cannot be asked for what would lose locks", () => {
  for (const option of ["history", "ttl", "republish"]) {
    const make = () => natsBackend({ connection: store.connection, bucket: "b", [option]: 5 } as never);
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});

async function written<W extends { readonly committed: boolean }>(write: Promise<W>) {
  const end = await write;
  if (!end.committed) throw new Error("the write met a conflict");
  return end as Extract<W, { readonly committed: true }>;
}

type Told = Change<unknown> | Reset;
const tell = (change: Told) => (change.operation === "reset" ? "reset" : `${change.operation} ${change.key}`);

async function take(watch: AsyncIterable<Told>, count: number): Promise<Told[]> {
  const taken: Told[] = [];
  for await (const change of watch) if (taken.push(change) === count) break;
  return taken;
}

/** What is told up to the put of a key, and the cursor of that. */
async function upTo(watch: AsyncIterable<Told>, key: string): Promise<[string[], string]> {
  const heard: string[] = [];
  for await (const change of watch) {
    heard.push(tell(change));
    if (heard.at(-1) === `put ${key}`) return [heard, change.cursor];
  }
  throw new Error(`nothing was told of ${key}`);
}
