// Goal: a write whose answer is lost is unknown, never a conflict and never refused, and an add counts once.
import { describe, expect, test } from "vitest";
import { OutcomeUnknownError } from "../../src/core/errors.ts";
import { waitUntil } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { clients, uniqueBucket } from "./nats-clients.ts";
import { type NatsFault, natsFaultProxy } from "./nats-fault-proxy.ts";
import { openNatsStore, put, putNow, read, readText } from "./nats-stores.ts";

const requestTimeout = 300;
const soon = { timeoutMs: 15_000, intervalMs: 20 };
const lines = ["nats", "nats210"] as const;
const faults: readonly [string, NatsFault["kind"] & ("loseAnswer" | "cutAfter")][] = [
  ["its answer is swallowed", "loseAnswer"],
  ["its connection is cut", "cutAfter"],
];

/** Two backends of one bucket: one behind a proxy that spoils its requests, one with a way of its own. */
async function faultyStore(connect: (typeof clients)[number][1], line: (typeof lines)[number]) {
  const { url } = sharedServers()[line];
  const bucket = uniqueBucket();
  const proxy = await natsFaultProxy(url);
  const direct = await openNatsStore(connect, url, { bucket });
  const store = await openNatsStore(connect, proxy.url, { bucket, requestTimeout });
  return {
    proxy,
    backend: store.backend,
    direct: direct.backend,
    subject: (key: string) => `$KV.${bucket}.${key}`,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await direct.connection.request(`$JS.API.STREAM.DELETE.KV_${bucket}`, undefined, { timeout: 5_000 });
      await direct[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe.each(clients)("over %s,", (_client, connect) => {
  describe.each(faults)("a write that was applied while %s", (_fault, kind) => {
    test.for(lines)("is unknown, and what follows goes on from it, on %s", async (line) => {
      await using store = await faultyStore(connect, line);
      const { backend, direct, proxy } = store;
      const before = await putNow(direct, "a", "before", null);
      proxy.next(store.subject("a"), { kind });
      await expect(backend.commit([put("a", "mine", before)])).rejects.toThrow(OutcomeUnknownError);
      expect(await readText(direct, "a")).toBe("mine");
      const record = await waitUntil(() => read(backend, "a"), { ...soon, what: "the connection" });
      expect(await backend.commit([put("a", "again", before)])).toMatchObject({ committed: false });
      expect(await backend.commit([put("a", "next", record.version)])).toMatchObject({ committed: true });
      expect(proxy.pending).toBe(0);
    });

    test.for(lines)("is unknown as a creation over a delete marker and as a delete, on %s", async (line) => {
      await using store = await faultyStore(connect, line);
      const { backend, direct, proxy } = store;
      await putNow(direct, "a", "x", null);
      await direct.commit([{ kind: "delete", key: "a" }]);
      // Refused because of the marker, read, and sent again: the answer to that is the one that counts.
      proxy.next(store.subject("a"), { kind: "loseAnswer" });
      await expect(backend.commit([put("a", "lost", null)])).rejects.toThrow(OutcomeUnknownError);
      expect(await readText(direct, "a")).toBeNull();
      expect(await read(backend, "a")).toBeNull();
      proxy.next(store.subject("a"), { kind });
      await expect(backend.commit([put("a", "new", null)])).rejects.toThrow(OutcomeUnknownError);
      expect(await readText(direct, "a")).toBe("new");
      const record = await waitUntil(() => read(backend, "a"), { ...soon, what: "the connection" });
      proxy.next(store.subject("a"), { kind });
      const deletion = backend.commit([{ kind: "delete", key: "a", expect: record.version }]);
      await expect(deletion).rejects.toThrow(OutcomeUnknownError);
      expect(await readText(direct, "a")).toBeNull();
      expect(proxy.pending).toBe(0);
    });

    test("is unknown as a batch, which was applied as a whole", async () => {
      await using store = await faultyStore(connect, "nats");
      const { backend, direct, proxy } = store;
      proxy.next(store.subject("b"), { kind });
      await expect(backend.commit([put("a", "one", null), put("b", "two", null)])).rejects.toThrow(
        OutcomeUnknownError,
      );
      const records = await direct.get(["a", "b"]);
      expect(records.map((record) => Buffer.from(record?.value ?? []).toString())).toEqual(["one", "two"]);
    });

    test.for(lines)("counts once as an add, on %s", async (line) => {
      await using store = await faultyStore(connect, line);
      const { backend, direct, proxy } = store;
      await direct.add("n", 10, { writer: "other", sequence: 1 });
      proxy.next(store.subject("n"), { kind });
      const mine = { writer: "w", sequence: 1 };
      // A cut connection takes a moment to come back, and an add that cannot ask in that time says so.
      const sum = await waitUntil(() => backend.add("n", 5, mine), { ...soon, what: "the add" });
      expect(sum).toBe(15);
      expect(proxy.pending).toBe(0);
      expect(await backend.add("n", 5, mine)).toBe(15);
      expect(await direct.add("n", 0, { writer: "other", sequence: 2 })).toBe(15);
    });

    test("counts once as an add that races with others", async () => {
      await using store = await faultyStore(connect, "nats");
      const { backend, direct, proxy } = store;
      const adds = 8;
      for (let fault = 0; fault < 3; fault += 1) proxy.next(store.subject("n"), { kind });
      const count = async (to: typeof backend, writer: string): Promise<void> => {
        for (let sequence = 1; sequence <= adds; sequence += 1) {
          await waitUntil(() => to.add("n", 1, { writer, sequence }), { ...soon, what: "an add" });
        }
      };
      await Promise.all([count(backend, "a"), count(backend, "b"), count(direct, "c"), count(direct, "d")]);
      expect(await direct.add("n", 0, { writer: "reader", sequence: 1 })).toBe(4 * adds);
      expect(proxy.pending).toBe(0);
    });
  });

  test("a write that others overtook after it was applied is unknown, not a conflict", async () => {
    await using store = await faultyStore(connect, "nats");
    const { backend, direct, proxy } = store;
    const before = await putNow(direct, "a", "before", null);
    proxy.next(store.subject("a"), { kind: "loseAnswer", meanwhile: () => putNow(direct, "a", "over") });
    await expect(backend.commit([put("a", "mine", before)])).rejects.toThrow(OutcomeUnknownError);
    expect(await readText(backend, "a")).toBe("over");
  });

  test("a write that never reached the server is unknown too, and lands neither then nor later", async () => {
    await using store = await faultyStore(connect, "nats");
    const { backend, direct, proxy } = store;
    proxy.next(store.subject("a"), { kind: "cutBefore" });
    await expect(backend.commit([put("a", "mine", null)])).rejects.toThrow(OutcomeUnknownError);
    const version = await waitUntil(() => putNow(backend, "b", "x", null), {
      ...soon,
      what: "the connection",
    });
    expect(version).toBeTypeOf("string");
    expect(await readText(direct, "a")).toBeNull();
  });
});
