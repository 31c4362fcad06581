// Goal: setting up creates a bucket that keeps every promise, works with weaker ones by fallbacks, and refuses those
// that would break a promise, with a message that says how to mend it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { newStreamConfig } from "../../src/backends/nats/bucket-config.ts";
import { type NatsConnection, natsBackend, natsBackendFromUrl } from "../../src/backends/nats/index.ts";
import {
  InvalidArgumentError,
  LimitExceededError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnsupportedError,
} from "../../src/core/errors.ts";
import { natsServer } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, type ClientOptions, clients, uniqueBucket } from "./nats-clients.ts";

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

async function open(connect: (options: ClientOptions) => Promise<NatsConnection>, options: ClientOptions) {
  const connection = await connect(options);
  toClose.push(() => connection.close());
  return connection;
}

async function create(connection: NatsConnection, bucket: string, config: object): Promise<void> {
  const answer = await askJetStream(connection, `STREAM.CREATE.KV_${bucket}`, {
    name: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    retention: "limits",
    storage: "file",
    num_replicas: 1,
    max_msgs_per_subject: 1,
    discard: "new",
    allow_rollup_hdrs: true,
    deny_delete: true,
    ...config,
  });
  expect(answer.error).toBeUndefined();
  toClose.push(() => askJetStream(connection, `STREAM.DELETE.KV_${bucket}`));
}

const [, connectCurrent] = clients[1] as (typeof clients)[number];

describe.each(clients)("over %s,", (_client, connect) => {
  test("a server before 2.9.21 is refused with both versions named", async () => {
    const server = sharedServers().nats29;
    const connection = await open(connect, { servers: server.url });
    const setup = natsBackend({ connection, bucket: uniqueBucket() }).setup();
    await expect(setup).rejects.toThrow(UnsupportedError);
    await expect(setup).rejects.toThrow(`${server.version}; leasehold needs 2.9.21`);
  });

  test("a server without JetStream is refused with a way to enable it", async () => {
    await using server = await natsServer({ jetstream: false });
    const connection = await open(connect, { servers: server.url });
    const backend = natsBackend({ connection, bucket: uniqueBucket() });
    for (const request of [backend.setup(), backend.get(["a"])]) {
      await expect(request).rejects.toThrow(UnsupportedError);
      await expect(request).rejects.toThrow(/has JetStream disabled.*-js/s);
    }
    await connection.close();
  });

  test("an account without JetStream is refused with a way to enable it", async () => {
    const config =
      "accounts { with: { jetstream: enabled, users: [{ user: a, password: p }] }, without: { users: [{ user: b, password: p }] } }";
    await using server = await natsServer({ config });
    const connection = await open(connect, { servers: server.url, user: "b", pass: "p" });
    const setup = natsBackend({ connection, bucket: uniqueBucket() }).setup();
    await expect(setup).rejects.toThrow(/JetStream/);
    await connection.close();
  });
});

describe("a new bucket", () => {
  test("has the settings that the promises need, and versions that go on above those of the clock", async () => {
    const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
    const bucket = uniqueBucket();
    const before = Date.now() * 1_000;
    const backend = natsBackend({ connection, bucket, maxBytes: 10_000_000, compression: true });
    await backend.setup();
    toClose.push(() => askJetStream(connection, `STREAM.DELETE.KV_${bucket}`));
    const { config } = await askJetStream(connection, `STREAM.INFO.KV_${bucket}`);
    expect(config).toMatchObject({
      max_msgs_per_subject: 1,
      max_bytes: 10_000_000,
      compression: "s2",
      storage: "file",
      discard: "new",
      deny_delete: true,
      allow_direct: true,
      allow_rollup_hdrs: true,
      allow_msg_ttl: true,
      allow_atomic: true,
      republish: { src: `$KV.${bucket}.>`, dest: `leasehold.${bucket}.changes.>` },
    });
    const result = await backend.commit([{ kind: "put", key: "a", value: Buffer.from("x"), expect: null }]);
    const version = result.committed ? Number(result.versions[0]) : 0;
    expect(version).toBeGreaterThanOrEqual(before);
    expect(Number.isSafeInteger(version)).toBe(true);
    await backend.close();
  });

  test("takes a description, metadata, tags and a largest value, and keeps to it", async () => {
    await using server = await natsServer({ config: 'server_tags: ["disk:ssd", "north"]' });
    const connection = await open(connectCurrent, { servers: server.url });
    const [metadata, placement] = [{ team: "mail" }, { tags: ["disk:ssd", "north"] }];
    const options = { description: "Who sends what", metadata, placement, maxValueBytes: 200_000 };
    const backend = natsBackend({ connection, bucket: "a", ...options });
    await backend.setup();
    const { config } = await askJetStream(connection, "STREAM.INFO.KV_a");
    expect(config).toMatchObject({
      description: "Who sends what",
      metadata,
      placement,
      max_msg_size: 200_512,
    });
    expect(backend.capabilities.valueBytesMax).toBe(200_000);
    const put = (bytes: number) => backend.commit([{ kind: "put", key: "a", value: Buffer.alloc(bytes) }]);
    expect((await put(200_000)).committed).toBe(true);
    await expect(put(200_001)).rejects.toThrow(LimitExceededError);
    const larger = natsBackend({ connection, bucket: "a", maxValueBytes: 200_001 }).setup();
    await expect(larger).rejects.toThrow(/max_msg_size 200512, expected -1 or at least 200513/);
    await connection.close();
  });

  test("is the one whose settings the page shows, for making it by hand", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/nats.md"), "utf8");
    const shown = JSON.parse(/^```json\n([\s\S]*?)^```/m.exec(page)?.[1] ?? "null");
    expect(shown).toEqual(newStreamConfig("leasehold", {}, 1_700_000_000_000_000));
  });

  test("deleted and created again gives versions above all it gave before", async () => {
    for (const line of ["nats", "nats210"] as const) {
      const connection = await open(connectCurrent, { servers: sharedServers()[line].url });
      const bucket = uniqueBucket();
      let last = 0;
      for (let round = 0; round < 3; round += 1) {
        const backend = natsBackend({ connection, bucket });
        await backend.setup();
        const result = await backend.commit([
          { kind: "put", key: "a", value: Buffer.from("x"), expect: null },
        ]);
        const version = result.committed ? Number(result.versions[0]) : 0;
        expect(version).toBeGreaterThan(last);
        last = version;
        await backend.close();
        await askJetStream(connection, `STREAM.DELETE.KV_${bucket}`);
      }
    }
  });

  test("with more replicas than the server can give is refused with the server's reason", async () => {
    const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
    const setup = natsBackend({ connection, bucket: uniqueBucket(), replicas: 3 }).setup();
    await expect(setup).rejects.toThrow(StoreMisconfiguredError);
    await expect(setup).rejects.toThrow(/replicas/);
  });

  test("is not created by create: false, nor by any request", async () => {
    const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
    const bucket = uniqueBucket();
    const backend = natsBackend({ connection, bucket });
    await expect(backend.setup({ create: false })).rejects.toThrow(StoreMissingError);
    await expect(backend.get(["a"])).rejects.toThrow(StoreMissingError);
    const { error } = await askJetStream(connection, `STREAM.INFO.KV_${bucket}`);
    expect(error.err_code).toBe(10059);
  });
});

describe("a bucket that would break a promise is refused:", () => {
  const refused: readonly [string, object, RegExp][] = [
    [
      "a history of 5",
      { max_msgs_per_subject: 5 },
      /max_msgs_per_subject 5, expected 1.*--max-msgs-per-subject=1/,
    ],
    ["a time to live of the bucket", { max_age: 60e9 }, /max_age 60 s, expected 0.*--max-age=0s/],
    ["discard old with a size limit", { discard: "old", max_bytes: 1e6 }, /discard old.*--discard=new/],
    ["work queue retention", { retention: "workqueue", deny_delete: false }, /retention workqueue/],
    ["other subjects", { subjects: ["$KV.other.>"] }, /subjects \$KV\.other\.>/],
    ["small messages", { max_msg_size: 1_000 }, /max_msg_size 1000.*--max-msg-size=-1/],
    [
      "discard new per subject",
      { discard_new_per_subject: true },
      /discard_new_per_subject.*--no-discard-per-subject/,
    ],
  ];
  test.each(refused)("%s", async (_what, config, message) => {
    const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
    const bucket = uniqueBucket();
    const subjects = "subjects" in config ? { subjects: [`$KV.${bucket}-other.>`] } : {};
    await create(connection, bucket, { ...config, ...subjects });
    const backend = natsBackend({ connection, bucket });
    const expected = "subjects" in config ? /subjects \$KV\..*-other\.>, expected/ : message;
    await expect(backend.setup()).rejects.toThrow(StoreMisconfiguredError);
    await expect(backend.get(["a"])).rejects.toThrow(expected);
  });

  test("a bucket with records of its own and of others", async () => {
    const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
    const [origin, collected] = [uniqueBucket(), uniqueBucket()];
    await create(connection, origin, {});
    await create(connection, collected, { sources: [{ name: `KV_${origin}` }] });
    await expect(natsBackend({ connection, bucket: collected }).setup()).rejects.toThrow(/found sources/);
  });

  test("fewer replicas or less durable storage than the options ask for", async () => {
    const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
    const bucket = uniqueBucket();
    await create(connection, bucket, { storage: "memory" });
    const strict = natsBackend({ connection, bucket, replicas: 3, storage: "file" });
    await expect(strict.setup()).rejects.toThrow(
      /found 1 replicas, expected 3.*found storage memory, expected file/s,
    );
    await natsBackend({ connection, bucket }).setup();
  });
});

test("options of NATS buckets that are had in another way are refused with that way, in URLs too", async () => {
  const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
  for (const [option, instead] of [
    ["history", /kv\(namespace, \{ history: 5 \}\)/],
    ["ttl", /kv\(namespace, \{ ttl \}\)/],
    ["republish", /Subscribe to leasehold\.<bucket>\.changes\.>/],
  ] as const) {
    expect(() => natsBackend({ connection, bucket: "a", [option]: 5 })).toThrow(instead);
    await expect(natsBackendFromUrl(`nats://127.0.0.1:1/a?${option}=5`)).rejects.toThrow(instead);
  }
});

test("options out of their range are refused before anything is sent", async () => {
  const connection = await open(connectCurrent, { servers: sharedServers().nats.url });
  const refused = [
    { bucket: "a.b" },
    { bucket: "a b" },
    { bucket: "" },
    { bucket: "a", replicas: 6 },
    { bucket: "a", maxBytes: 0 },
    { bucket: "a", requestTimeout: 1 },
    { bucket: "a", storage: "disk" as "file" },
    { bucket: "a", replica: 3 },
    { bucket: "a", maxValueBytes: 131_071 },
    { bucket: "a", compression: "s2" as never },
    { bucket: "a", placement: { clusters: "a" } as never },
    { bucket: "a", placement: { tags: "a" as never } },
    { bucket: "a", description: "x".repeat(4_097) },
    { bucket: "a", metadata: { a: 1 } as never },
    { bucket: "a", metadata: [] as never },
  ];
  for (const options of refused) {
    expect(() => natsBackend({ connection, ...options })).toThrow(InvalidArgumentError);
  }
});
