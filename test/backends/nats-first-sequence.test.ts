// Goal: no server that leasehold takes loses a bucket by a restart because of the sequence it begins with.
import { describe, expect, test } from "vitest";
import { StoreMisconfiguredError } from "../../src/core/errors.ts";
import { natsServer, waitUntil } from "../servers/index.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";
import { makePlainBucket, openNatsStore, putNow, read } from "./nats-stores.ts";

const [, connect] = clients[1] as (typeof clients)[number];
const firstSequence = 1_700_000_000_000_000;
const soon = { timeoutMs: 15_000, intervalMs: 20 };

describe.each(["2.15", "2.10"] as const)("on %s,", (version) => {
  test("the first record of a new bucket survives a server that stops in order", async () => {
    await using server = await natsServer({ version });
    await using store = await openNatsStore(connect, server.url);
    const kept = await putNow(store.backend, "a", "x", null);
    await server.restart();
    const record = await waitUntil(() => read(store.backend, "a"), { ...soon, what: "the record" });
    expect(record.version).toBe(kept);
  });

  test("so do the first records of many clients that set up at once, and of a bucket made by hand", async () => {
    await using server = await natsServer({ version });
    const bucket = uniqueBucket();
    await using maker = await openNatsStore(connect, server.url);
    await makePlainBucket(maker.connection, bucket, { first_seq: firstSequence });
    const stores = await Promise.all(
      Array.from({ length: 6 }, () => openNatsStore(connect, server.url, { bucket, create: false })),
    );
    const versions = await Promise.all(
      stores.map(({ backend }, index) => putNow(backend, `k${index}`, "x", null)),
    );
    await server.restart();
    const [first] = stores;
    const records = await waitUntil(
      async () => first?.backend.get(versions.map((_, index) => `k${index}`)) ?? null,
      {
        ...soon,
        what: "the records",
      },
    );
    expect(records.map((record) => record?.version)).toEqual(versions);
    for (const store of stores) await store[Symbol.asyncDispose]();
  });
});

test("a bucket that 2.10 would empty is refused until the message at its first sequence has gone", async () => {
  await using server = await natsServer({ version: "2.10" });
  await using maker = await openNatsStore(connect, server.url);
  const bucket = uniqueBucket();
  await makePlainBucket(maker.connection, bucket, { first_seq: firstSequence });
  await maker.connection.request(`$KV.${bucket}.a`, Buffer.from("x"), { timeout: 5_000 });
  const opened = openNatsStore(connect, server.url, { bucket, create: false });
  await expect(opened).rejects.toThrow(StoreMisconfiguredError);
  await maker.connection.request(`$KV.${bucket}.a`, Buffer.from("y"), { timeout: 5_000 });
  await using store = await openNatsStore(connect, server.url, { bucket, create: false });
  await server.restart();
  const record = await waitUntil(() => read(store.backend, "a"), { ...soon, what: "the record" });
  expect(Buffer.from(record.value).toString()).toBe("y");
  // Over the connection that has just read: the maker's may still be down, and would drop the request.
  const { config } = await askJetStream(store.connection, `STREAM.INFO.KV_${bucket}`);
  expect(config.first_seq).toBe(firstSequence);
});
