// Goal: what other tools leave in a bucket is read for what it is, and a creation over a delete marker of anybody
// succeeds exactly once.
import { connect as connectPrevious, headers, type KV, type NatsConnection } from "nats";
import { describe, expect, test } from "vitest";
import type { ChangeHint } from "../../src/core/backend.ts";
import { CorruptRecordError } from "../../src/core/errors.ts";
import { waitUntil } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";
import { makePlainBucket, openNatsStore, put, putNow, read, readText } from "./nats-stores.ts";

const lines = ["nats", "nats210"] as const;
const creators = 16;
const soon = { timeoutMs: 20_000, intervalMs: 20 };

interface Foreign extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly kv: KV;
  /** Sends what no client would: any headers, under any key. */
  send(
    key: string,
    text: string,
    lines?: Readonly<Record<string, string | readonly string[]>>,
  ): Promise<void>;
}

/** The key-value client of the nats package, on the same bucket. */
async function openForeign(servers: string, bucket: string): Promise<Foreign> {
  const connection = await connectPrevious({ servers });
  const kv = await connection.jetstream().views.kv(bucket, { bindOnly: true });
  return {
    connection,
    kv,
    async send(key, text, fields = {}) {
      const all = headers();
      for (const [name, values] of Object.entries(fields)) {
        for (const value of [values].flat()) all.append(name, value);
      }
      await connection.request(`$KV.${bucket}.${key}`, Buffer.from(text), { timeout: 5_000, headers: all });
    },
    async [Symbol.asyncDispose]() {
      await askJetStream(connection, `STREAM.DELETE.KV_${bucket}`);
      await connection.close();
    },
  };
}

describe.each(clients)("over %s,", (_client, connect) => {
  test.for(lines)("a key that was put by a key-value client is a record, on %s", async (line) => {
    const { url } = sharedServers()[line];
    await using store = await openNatsStore(connect, url);
    await using foreign = await openForeign(url, store.bucket);
    const { backend } = store;
    const revision = await foreign.kv.put("a", "theirs");
    const record = await read(backend, "a");
    expect(record).toMatchObject({ version: String(revision) });
    expect(Buffer.from(record?.value ?? []).toString()).toBe("theirs");
    expect(await backend.commit([put("a", "x", null)])).toMatchObject({ committed: false });
    await expect(backend.add("a", 1, { writer: "w", sequence: 1 })).rejects.toThrow(CorruptRecordError);
    const mine = await putNow(backend, "a", "ours", record?.version as string);
    expect((await foreign.kv.get("a"))?.string()).toBe("ours");
    await foreign.kv.update("a", "theirs again", Number(mine));
    expect(await backend.commit([put("a", "x", mine)])).toMatchObject({ committed: false });
  });

  test.for(lines)(
    "odd headers do not make a record absent, and odd subjects are no keys, on %s",
    async (line) => {
      const { url } = sharedServers()[line];
      await using store = await openNatsStore(connect, url);
      await using foreign = await openForeign(url, store.bucket);
      const { backend } = store;
      await foreign.send("many", "1", { Colour: ["red", "green"], Empty: "", Long: "x".repeat(2_000) });
      await foreign.send("put", "2", { "KV-Operation": "PUT" });
      await foreign.send("similar", "3", { "X-KV-Operation": "DEL", Note: "KV-Operation: DEL" });
      await foreign.send("unreadable", "4", { "Leasehold-TTL-Ms": "soon" });
      for (const key of ["a/b", "schlüssel", "a$b", "{}"]) await foreign.send(key, "garbage");
      const { records } = await backend.scan("");
      expect(records.map(({ key, value }) => [key, Buffer.from(value).toString()])).toEqual([
        ["many", "1"],
        ["put", "2"],
        ["similar", "3"],
        ["unreadable", "4"],
      ]);
      for (const { key, version } of records)
        expect(await putNow(backend, key, "ours", version)).toBeTypeOf("string");
    },
  );

  const markers: readonly [string, (foreign: Foreign) => Promise<void>][] = [
    ["deleted", (foreign) => foreign.kv.delete("a")],
    ["purged", (foreign) => foreign.kv.purge("a")],
    // As the clients of version 3 purge with a time to live.
    [
      "purged for a while",
      (foreign) => foreign.send("a", "", { "KV-Operation": "PURGE", "Nats-Rollup": "sub" }),
    ],
  ];
  describe.each(markers)("a key that a key-value client %s", (_how, remove) => {
    test.for(lines)("is absent, and of many creators exactly one wins, on %s", async (line) => {
      const { url } = sharedServers()[line];
      await using store = await openNatsStore(connect, url);
      await using other = await openNatsStore(connect, url, { bucket: store.bucket });
      await using foreign = await openForeign(url, store.bucket);
      const hints: ChangeHint[] = [];
      store.backend.watch("a", (hint) => hints.push(hint));
      // An answer on the same connection: the server knows of the subscription before others write.
      await store.backend.get(["a"]);
      const old = await putNow(other.backend, "a", "x", null);
      await remove(foreign);
      expect(await read(other.backend, "a")).toBeNull();
      expect((await other.backend.scan("")).records).toEqual([]);
      expect(await store.backend.commit([put("a", "x", old)])).toMatchObject({ committed: false });
      const check = await store.backend.commit([{ kind: "check", key: "a", expect: null }]);
      await waitUntil(async () => hints.find(({ record }) => record === null) ?? null, {
        ...soon,
        what: "a hint",
      });
      const results = await Promise.all(
        Array.from({ length: creators }, (_, index) =>
          (index % 2 === 0 ? store : other).backend.commit([put("a", String(index), null)]),
        ),
      );
      const winners = results.flatMap(({ committed }, index) => (committed ? [String(index)] : []));
      expect(winners).toHaveLength(1);
      expect(await readText(store.backend, "a")).toBe(winners[0]);
      expect(check).toMatchObject({ committed: true });
    });
  });

  test("a marker that the server left at the end of a time to live is absence", async () => {
    const { url } = sharedServers().nats;
    const bucket = uniqueBucket();
    const maker = await connect({ servers: url });
    await makePlainBucket(maker, bucket, { allow_msg_ttl: true, subject_delete_marker_ttl: 60e9 });
    await using store = await openNatsStore(connect, url, { bucket, create: false });
    await using foreign = await openForeign(url, bucket);
    await store.backend.commit([{ ...put("a", "x", null), ttlMs: 1_000 }]);
    const marker = async () => {
      const { message } = await askJetStream(foreign.connection, `STREAM.MSG.GET.KV_${bucket}`, {
        last_by_subj: `$KV.${bucket}.a`,
      });
      return /Nats-Marker-Reason/.test(Buffer.from(message?.hdrs ?? "", "base64").toString()) ? true : null;
    };
    await waitUntil(marker, { ...soon, what: "the server's marker" });
    expect(await read(store.backend, "a")).toBeNull();
    expect(await putNow(store.backend, "a", "y", null)).toBeTypeOf("string");
    await maker.close();
  });
});
