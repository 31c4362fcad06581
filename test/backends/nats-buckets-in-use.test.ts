// Goal: a bucket that vanishes, comes back, fills up or expires while it is in use is noticed, and nothing is made up.
import { describe, expect, test } from "vitest";
import { StoreMissingError, UnavailableError } from "../../src/core/errors.ts";
import { natsServer, waitUntil } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients } from "./nats-clients.ts";
import {
  makePlainBucket,
  type NatsStore,
  openNatsStore,
  put,
  putNow,
  read,
  readText,
} from "./nats-stores.ts";

const lines = ["nats", "nats210"] as const;
const soon = { timeoutMs: 20_000, intervalMs: 50 };
const noStream = 10_059;

function remove({ connection, bucket }: NatsStore): Promise<{ readonly success?: boolean }> {
  return askJetStream(connection, `STREAM.DELETE.KV_${bucket}`);
}

describe.each(clients)("over %s,", (_client, connect) => {
  test.for(lines)(
    "every call says that a deleted bucket is missing, and none makes it again, on %s",
    async (line) => {
      await using store = await openNatsStore(connect, sharedServers()[line].url);
      const { backend } = store;
      const version = await putNow(backend, "a", "x", null);
      await remove(store);
      const isBatching = backend.capabilities.commitOperationsMax > 1;
      const calls: readonly (() => Promise<unknown>)[] = [
        () => backend.get(["a"]),
        () => backend.get(["a", "b"]),
        () => backend.scan(""),
        () => backend.commit([put("a", "y", version)]),
        () => backend.commit([put("b", "y", null)]),
        () => backend.commit([put("b", "y")]),
        () => backend.commit([{ kind: "delete", key: "a" }]),
        () => backend.commit([{ kind: "check", key: "a", expect: version }]),
        ...(isBatching ? [() => backend.commit([put("a", "y", version), put("b", "y", null)])] : []),
        () => backend.add("n", 1, { writer: "w", sequence: 1 }),
        () => backend.setup({ create: false }),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(StoreMissingError);
      const { error } = await askJetStream(store.connection, `STREAM.INFO.KV_${store.bucket}`);
      expect(error.err_code).toBe(noStream);
    },
  );

  test.for(lines)(
    "in a bucket that was made again, old versions conflict and none repeats, on %s",
    async (line) => {
      const { url } = sharedServers()[line];
      await using store = await openNatsStore(connect, url);
      await using other = await openNatsStore(connect, url, { bucket: store.bucket });
      const old = await putNow(store.backend, "a", "x", null);
      await remove(other);
      await other.backend.setup();
      const fresh = await putNow(other.backend, "a", "y", null);
      expect(Number(fresh)).toBeGreaterThan(Number(old));
      expect(await store.backend.commit([put("a", "z", old)])).toMatchObject({ committed: false });
      expect(await readText(store.backend, "a")).toBe("y");
      await remove(store);
    },
  );

  test("a bucket that another tool made again stops all calls until setting up, on 2.15", async () => {
    await using store = await openNatsStore(connect, sharedServers().nats.url);
    const { backend } = store;
    const old = await putNow(backend, "a", "x", null);
    await remove(store);
    await makePlainBucket(store.connection, store.bucket);
    expect(await backend.commit([put("a", "y", old)])).toMatchObject({ committed: false });
    await expect(backend.commit([put("a", "y", null)])).rejects.toThrow(/went back from sequence/);
    for (const call of [() => backend.get(["a"]), () => backend.commit([put("b", "y", null)])]) {
      await expect(call()).rejects.toThrow(StoreMissingError);
    }
    await backend.setup();
    expect(await backend.commit([put("b", "y", null)])).toMatchObject({ committed: true });
    await remove(store);
  });

  test.for(lines)(
    "a full bucket refuses writes, keeps its records, and takes deletes, on %s",
    async (line) => {
      await using store = await openNatsStore(connect, sharedServers()[line].url, { maxBytes: 20_000 });
      const { backend } = store;
      const text = "x".repeat(4_000);
      const stored: string[] = [];
      let refusal: unknown;
      for (let index = 0; index < 10 && refusal === undefined; index += 1) {
        await putNow(backend, `k${index}`, text, null).then(
          () => stored.push(`k${index}`),
          (error: unknown) => {
            refusal = error;
          },
        );
      }
      expect(stored.length).toBeGreaterThan(2);
      expect(refusal).toBeInstanceOf(UnavailableError);
      expect(String(refusal)).toMatch(/is full, nothing was applied.*--max-bytes/s);
      if (backend.capabilities.commitOperationsMax > 1) {
        const batch = backend.commit([put("b1", text, null), put("b2", text, null)]);
        await expect(batch).rejects.toThrow(/is full, nothing was applied/);
        expect(await backend.get(["b1", "b2"])).toEqual([null, null]);
      }
      expect((await backend.get(stored)).every((record) => record !== null)).toBe(true);
      await backend.commit([{ kind: "delete", key: "k0" }]);
      expect(await putNow(backend, "k0", text, null)).toBeTypeOf("string");
      await remove(store);
    },
  );

  test.for(lines)("an expired record is collected and can be created again, on %s", async (line) => {
    const { url } = sharedServers()[line];
    await using store = await openNatsStore(connect, url, { sweepInterval: "1s" });
    await using other = await openNatsStore(connect, url, { bucket: store.bucket, sweepInterval: "1s" });
    const { backend } = store;
    const expiring = { ...put("short", "x", null), ttlMs: 1_200 };
    await backend.commit([expiring]);
    await putNow(backend, "long", "x", null);
    await backend.commit([{ ...put("far", "x", null), ttlMs: 600_000 }]);
    const gone = async () => ((await read(backend, "short")) === null ? true : null);
    await waitUntil(gone, { ...soon, what: "the record to expire" });
    expect((await other.backend.scan("")).records.map(({ key }) => key)).toEqual(["far", "long"]);
    expect(await putNow(other.backend, "short", "again", null)).toBeTypeOf("string");
    await remove(store);
  });
});

test("a bucket in memory is missing after its server was restarted, and versions go on when it is made again", async () => {
  await using server = await natsServer();
  const [, connect] = clients[1] as (typeof clients)[number];
  await using store = await openNatsStore(connect, server.url, { storage: "memory" });
  const { backend } = store;
  const old = await putNow(backend, "a", "x", null);
  await server.restart();
  const answer = await waitUntil(
    async () => {
      const error = await read(backend, "a").catch((reason: unknown) => reason);
      return error instanceof UnavailableError ? null : error;
    },
    { ...soon, what: "the server" },
  );
  expect(answer).toBeInstanceOf(StoreMissingError);
  await backend.setup();
  expect(await backend.commit([put("a", "y", old)])).toMatchObject({ committed: false });
  expect(Number(await putNow(backend, "a", "y", null))).toBeGreaterThan(Number(old));
});
