// Goal: a bucket that copies others shows what they hold, soon and with their versions, and nothing is ever written to
// it or locked in it.
import { afterEach, describe, expect, test } from "vitest";
import { type NatsBackendOptions, type NatsConnection, natsBackend } from "../../src/backends/nats/index.ts";
import type { Backend, ChangeHint } from "../../src/core/backend.ts";
import { InvalidArgumentError, StoreMisconfiguredError, UnsupportedError } from "../../src/core/errors.ts";
import { createCoordinator } from "../../src/index.ts";
import { claimPort, natsServer, waitUntil } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";
import { makePlainBucket, put, putNow, read, readText } from "./nats-stores.ts";

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

async function connectTo(url: string, client = 1): Promise<NatsConnection> {
  const connection = await (clients[client] as (typeof clients)[number])[1]({ servers: url });
  toClose.push(() => connection.close());
  return connection;
}

/** A bucket that is set up, and deleted at the end. */
async function open(
  connection: NatsConnection,
  options: Partial<NatsBackendOptions> = {},
): Promise<Backend & { bucket: string }> {
  const { bucket = uniqueBucket() } = options;
  const backend = natsBackend({ ...options, connection, bucket });
  toClose.push(async () => {
    await backend.close();
    await askJetStream(connection, `STREAM.DELETE.KV_${bucket}`);
  });
  await backend.setup();
  return Object.assign(backend, { bucket });
}

function arrives(backend: Backend, key: string, text: string | null): Promise<unknown> {
  const there = async () => ((await readText(backend, key)) === text ? true : null);
  return waitUntil(there, { timeoutMs: 25_000, intervalMs: 5, what: `${key} to be ${text}` });
}

async function expectReadOnly(backend: Backend): Promise<void> {
  expect(backend.capabilities).toMatchObject({ commitOperationsMax: 0, wake: false, watch: "push" });
  const writes = [
    () => backend.commit([put("new", "x")]),
    () => backend.commit([put("new", "x", null), put("newer", "x")]),
    () => backend.commit([{ kind: "delete", key: "a" }]),
    () => backend.commit([{ kind: "check", key: "a", expect: null }]),
    () => backend.add("n", 1, { writer: "w", sequence: 1 }),
  ];
  for (const write of writes) {
    await expect(write()).rejects.toThrow(UnsupportedError);
    await expect(write()).rejects.toThrow(/is a copy, which is only read/);
  }
  const coordinator = createCoordinator(backend, { ttl: "1s" });
  await expect(coordinator.lock("job").acquire({ wait: "5s" })).rejects.toThrow(/is a copy/);
  await expect(coordinator.lock("job").tryAcquire()).rejects.toThrow(UnsupportedError);
  await expect(coordinator.counter("c").add(1)).rejects.toThrow(UnsupportedError);
  await coordinator.close();
}

describe.each([
  ["nats", 0],
  ["nats", 1],
  ["nats210", 1],
] as const)("on %s with client %i,", (line, client) => {
  test("a mirror has the keys, versions and changes of its origin, and takes no writes", async () => {
    const connection = await connectTo(sharedServers()[line].url, client);
    const origin = await open(connection);
    const early = await putNow(origin, "a..b", "early");
    const mirror = await open(connection, { mirror: origin.bucket });
    await arrives(mirror, "a..b", "early");
    expect((await read(mirror, "a..b"))?.version).toBe(early);
    const heard: ChangeHint[] = [];
    mirror.watch("a", (hint) => heard.push(hint));
    await connection.flush();
    const late = await putNow(origin, "a.c", "late");
    await putNow(origin, "b", "other");
    await arrives(mirror, "b", "other");
    expect(await read(mirror, "a.c")).toEqual({ key: "a.c", value: Buffer.from("late"), version: late });
    await origin.commit([{ kind: "delete", key: "a.c" }]);
    await arrives(mirror, "a.c", null);
    expect((await mirror.scan("")).records.map(({ key }) => key)).toEqual(["a..b", "b"]);
    const told = async () => (heard.length >= 2 ? heard : null);
    await waitUntil(told, { timeoutMs: 5_000, intervalMs: 5, what: "two hints" });
    expect(heard.map(({ key, record }) => [key, record?.version])).toEqual([
      ["a.c", late],
      ["a.c", undefined],
    ]);
    await expectReadOnly(mirror);
    expect((await mirror.time()).earliestMs).toBeGreaterThan(0);
    // Whoever opens it by its name alone finds out what it is.
    const plain = natsBackend({ connection, bucket: mirror.bucket });
    await expect(plain.commit([put("x", "x")])).rejects.toThrow(UnsupportedError);
    await expect(
      connection.request(`$KV.${mirror.bucket}.x`, Buffer.from("x"), { timeout: 2_000 }),
    ).rejects.toThrow();
    const { state } = await askJetStream(connection, `STREAM.INFO.KV_${mirror.bucket}`);
    const { state: original } = await askJetStream(connection, `STREAM.INFO.KV_${origin.bucket}`);
    expect(state.last_seq).toBe(original.last_seq);
  });

  test("a bucket with sources has all of their records, and takes no writes", async () => {
    const connection = await connectTo(sharedServers()[line].url, client);
    const [one, two] = [await open(connection), await open(connection)];
    await putNow(one, "one.a", "1");
    const both = await open(connection, { sources: [one.bucket, { bucket: two.bucket }] });
    await putNow(two, "two..a", "2");
    await arrives(both, "one.a", "1");
    await arrives(both, "two..a", "2");
    const heard = new Promise<ChangeHint>((resolve) => both.watch("one", resolve));
    await connection.flush();
    await putNow(one, "one.b", "3");
    expect(Buffer.from((await heard).record?.value ?? []).toString()).toBe("3");
    expect((await both.scan("")).records.map(({ key }) => key)).toEqual(["one.a", "one.b", "two..a"]);
    await one.commit([{ kind: "delete", key: "one.a" }]);
    await arrives(both, "one.a", null);
    await expectReadOnly(both);
    await expect(
      connection.request(`$KV.${both.bucket}.x`, Buffer.from("x"), { timeout: 2_000 }),
    ).rejects.toThrow();
  });
});

test("whoever looks at a mirror sees who holds what", async () => {
  const connection = await connectTo(sharedServers().nats.url);
  const origin = await open(connection);
  const mirror = await open(connection, { mirror: origin.bucket });
  const [holder, looker] = [createCoordinator(origin), createCoordinator(mirror)];
  await using grant = await holder.lock("deploy").acquire();
  const seen = () => looker.lock("deploy").inspect();
  const inspection = await waitUntil(seen, { timeoutMs: 10_000, intervalMs: 10, what: "the holder" });
  expect(inspection.holders[0]?.fence).toBe(grant.fence);
  await looker.close();
  await grant.release();
  await holder.close();
});

test("typed entries are read, listed and counted down in a mirror, and not written", async () => {
  const connection = await connectTo(sharedServers().nats.url);
  const origin = await open(connection);
  const mirror = await open(connection, { mirror: origin.bucket });
  await using writer = createCoordinator(origin);
  await using reader = createCoordinator(mirror);
  const [users, seen] = [writer.kv<{ name: string }>("users"), reader.kv<{ name: string }>("users")];
  await users.set("ä/1", { name: "Ann" }, { ttl: "1h" });
  const arrived = async () => (await seen.get("ä/1")) ?? null;
  const entry = await waitUntil(arrived, { timeoutMs: 10_000, intervalMs: 5, what: "the entry" });
  expect(entry).toMatchObject({
    key: "ä/1",
    value: { name: "Ann" },
    version: (await users.get("ä/1"))?.version,
  });
  expect(entry.ttlMs).toBeGreaterThan(3_500_000);
  const keys: string[] = [];
  for await (const key of seen.keys()) keys.push(key);
  expect(keys).toEqual(["ä/1"]);
  for (const write of [
    () => seen.set("ä/1", { name: "Eve" }),
    () => seen.delete("ä/1"),
    // @ts-expect-error its values are no numbers
    () => seen.increment("n"),
    () => seen.clear(),
  ]) {
    await expect(write()).rejects.toThrow(UnsupportedError);
  }
  expect((await users.get("ä/1"))?.value).toEqual({ name: "Ann" });
});

test("a commit of several keys comes to a mirror whole, and what expires in the origin expires there", async () => {
  const connection = await connectTo(sharedServers().nats.url);
  const origin = await open(connection);
  const mirror = await open(connection, { mirror: origin.bucket });
  await origin.commit([{ ...put("short", "x"), ttlMs: 1_000 }, put("a", "1", null), put("b", "2", null)]);
  await arrives(mirror, "b", "2");
  expect(await readText(mirror, "a")).toBe("1");
  await arrives(mirror, "short", null);
});

test("copies go on after a restart of their server, and leave out nothing", async () => {
  await using server = await natsServer();
  const connection = await connectTo(server.url);
  const [one, two] = ["one", "two"].map((bucket) => natsBackend({ connection, bucket }));
  if (one === undefined || two === undefined) throw new Error("there are two origins");
  await Promise.all([one.setup(), two.setup()]);
  const copies = [{ mirror: "one" }, { sources: ["one", "two"] }].map((options, index) =>
    natsBackend({ connection, bucket: `copy-${index}`, ...options }),
  );
  for (const copy of copies) await copy.setup();
  await putNow(one, "one.a", "1");
  await putNow(two, "two.a", "2");
  await server.kill();
  await server.restart();
  const setup = async () =>
    one.setup().then(
      () => true,
      () => null,
    );
  await waitUntil(setup, { timeoutMs: 20_000, intervalMs: 50, what: "the server to be back" });
  await putNow(one, "one.b", "3");
  await putNow(two, "two.b", "4");
  for (const copy of copies) await arrives(copy, "one.b", "3");
  await arrives(copies[1] as Backend, "two.b", "4");
  const keys = await Promise.all(
    copies.map(async (copy) => (await copy.scan("")).records.map(({ key }) => key)),
  );
  expect(keys).toEqual([
    ["one.a", "one.b"],
    ["one.a", "one.b", "two.a", "two.b"],
  ]);
  await Promise.all([one, two, ...copies].map((backend) => backend.close()));
  await connection.close();
});

test("a mirror that another tool made is read without being told of changes", async () => {
  const connection = await connectTo(sharedServers().nats.url);
  const origin = await open(connection);
  const bucket = uniqueBucket();
  await makePlainBucket(connection, bucket, { mirror: { name: `KV_${origin.bucket}` }, subjects: undefined });
  const mirror = await open(connection, { bucket });
  expect(mirror.capabilities).toMatchObject({ commitOperationsMax: 0, watch: "none" });
  await putNow(origin, "a", "x");
  await arrives(mirror, "a", "x");
  await expect(mirror.commit([put("a", "y")])).rejects.toThrow(UnsupportedError);
});

test("a mirror follows its origin from another JetStream domain", async () => {
  using leafPort = await claimPort();
  await using hub = await natsServer({
    config: `jetstream { domain: hub }\nleafnodes { listen: "127.0.0.1:${leafPort.port}" }`,
    talksToOthers: true,
  });
  await using leaf = await natsServer({
    config: `jetstream { domain: leaf }\nleafnodes { remotes: [{ url: "nats://127.0.0.1:${leafPort.port}" }] }`,
    talksToOthers: true,
  });
  const [there, here] = [await connectTo(hub.url), await connectTo(leaf.url)];
  const origin = natsBackend({ connection: there, bucket: "jobs" });
  await origin.setup();
  // A mirror that finds nobody looks again ten seconds later.
  const reached = () => here.request("$JS.hub.API.INFO", undefined, { timeout: 1_000 }).catch(() => null);
  await waitUntil(reached, { timeoutMs: 20_000, intervalMs: 20, what: "the other domain" });
  // The same name, as for taking over one day.
  const mirror = natsBackend({ connection: here, bucket: "jobs", mirror: "hub/jobs" });
  await mirror.setup();
  const version = await putNow(origin, "a", "far away");
  await arrives(mirror, "a", "far away");
  expect((await read(mirror, "a"))?.version).toBe(version);
  await expect(mirror.commit([put("a", "x")])).rejects.toThrow(UnsupportedError);
  await mirror.close();
  await hub.kill();
  // Taking over, as docs/nats.md says.
  const { config } = await askJetStream(here, "STREAM.INFO.KV_jobs");
  const { mirror: _mirror, mirror_direct: _direct, ...rest } = config;
  const { error } = await askJetStream(here, "STREAM.UPDATE.KV_jobs", {
    ...rest,
    subjects: ["$KV.jobs.>"],
    allow_atomic: true,
  });
  expect(error).toBeUndefined();
  const successor = natsBackend({ connection: here, bucket: "jobs" });
  await successor.setup();
  expect(successor.capabilities).toMatchObject({ commitOperationsMax: 1_000, watch: "push" });
  expect(Number(await putNow(successor, "a", "goes on", version))).toBeGreaterThan(Number(version));
  await successor.close();
  await there.close();
  await here.close();
});

test("a mirror follows its origin from another account", async () => {
  const consumers = "$JS.API.CONSUMER.>";
  await using server = await natsServer({
    config: `accounts {
      THERE: { jetstream: enabled, users: [{ user: there, password: p }]
        exports: [{ service: "${consumers}" }, { service: "$JS.FC.>" }, { stream: "copies.here.>" }] }
      HERE: { jetstream: enabled, users: [{ user: here, password: p }]
        imports: [{ service: { account: THERE, subject: "${consumers}" }, to: "there.API.CONSUMER.>" }
          { service: { account: THERE, subject: "$JS.FC.>" } }
          { stream: { account: THERE, subject: "copies.here.>" } }] } }`,
  });
  const [, connect] = clients[1] as (typeof clients)[number];
  const as = (user: string) => connect({ servers: server.url, user, pass: "p" });
  const [there, here] = [await as("there"), await as("here")];
  const origin = natsBackend({ connection: there, bucket: "jobs" });
  await origin.setup();
  const from = { bucket: "jobs", apiPrefix: "there.API", deliverPrefix: "copies.here" };
  const mirror = natsBackend({ connection: here, bucket: "jobs", mirror: from });
  await mirror.setup();
  for (let write = 0; write < 200; write += 1) await putNow(origin, `a.${write}`, "far away");
  await arrives(mirror, "a.199", "far away");
  expect((await mirror.scan("", { limit: 500 })).records).toHaveLength(200);
  await expect(mirror.commit([put("a", "x")])).rejects.toThrow(UnsupportedError);
  await there.close();
  await here.close();
});

describe("refused with what was found and expected:", () => {
  test("a copy of something else than the options say, or none, or part of one", async () => {
    const connection = await connectTo(sharedServers().nats.url);
    const [origin, other] = [await open(connection), await open(connection)];
    const mirror = await open(connection, { mirror: origin.bucket });
    const make = async (config: object): Promise<string> => {
      const bucket = uniqueBucket();
      await makePlainBucket(connection, bucket, { subjects: undefined, ...config });
      toClose.push(() => askJetStream(connection, `STREAM.DELETE.KV_${bucket}`));
      return bucket;
    };
    const name = `KV_${origin.bucket}`;
    const filtered = await make({ mirror: { name, filter_subject: `$KV.${origin.bucket}.a` } });
    const renaming = await make({ sources: [{ name }] });
    const beginning = await make({ first_seq: 5, sources: [{ name }] });
    const late = await make({ mirror: { name, opt_start_seq: 5 } });
    const refused: readonly [Partial<NatsBackendOptions> & { bucket: string }, RegExp][] = [
      [
        { bucket: mirror.bucket, mirror: other.bucket },
        new RegExp(`found mirror ${name}, expected mirror KV_`),
      ],
      [{ bucket: mirror.bucket, sources: [origin.bucket] }, /found mirror .*expected sources/],
      [
        { bucket: origin.bucket, mirror: other.bucket },
        /found a bucket with records of its own, expected mirror/,
      ],
      [{ bucket: filtered }, /filtered, cut or renamed/],
      [{ bucket: late }, /filtered, cut or renamed/],
      [{ bucket: beginning }, /first_seq 5 with sources/],
      [{ bucket: renaming }, /filtered, cut or renamed, expected all of it, with the transform/],
    ];
    for (const [options, message] of refused) {
      const setup = natsBackend({ connection, ...options }).setup();
      await expect(setup).rejects.toThrow(StoreMisconfiguredError);
      await expect(setup).rejects.toThrow(message);
    }
  });

  test("origins of another form", async () => {
    const connection = await connectTo(sharedServers().nats.url);
    const wrong: readonly object[] = [
      { mirror: "a.b" },
      { mirror: "" },
      { mirror: "a/b/c" },
      { mirror: { bucket: "a", domain: "d", apiPrefix: "$JS.d.API" } },
      { mirror: { bucket: "a", deliverPrefix: "d" } },
      { mirror: { bucket: "a", name: "KV_a" } },
      { mirror: "a", sources: ["b"] },
      { sources: [] },
      { sources: "a" },
    ];
    for (const options of wrong) {
      expect(() => natsBackend({ connection, bucket: "copy", ...options })).toThrow(InvalidArgumentError);
    }
  });
});
