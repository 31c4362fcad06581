import assert from "node:assert/strict";
import { jsonCodec } from "../../codecs/json-codec.ts";
import { bytesCodec, textCodec } from "../../codecs/plain-codecs.ts";
import { leave } from "../../kv/entry.ts";
import type { KeyValue, KeyValueOptions } from "../../kv/key-value.ts";
import { assertCode, type LockCaseContext, type LockCaseDefinition } from "./lock-support.ts";

/** Key-value stores: what several clients write under conditions, list, let expire and erase. */
export const kvCases: readonly LockCaseDefinition[] = [
  {
    title: "kv: what one client writes another reads, with versions and times that rise, until it is deleted",
    async check(context) {
      const [first, second] = stores<string>(context, "plain");
      assert.equal(await first.get("a"), undefined);
      const written = await first.set("a", "one");
      assert.ok(written.committed);
      const entry = await second.get("a");
      assert.equal(entry?.value, "one");
      assert.equal(entry.version, written.version);
      assert.equal(entry.ttlMs, null);
      await second.set("a", "two");
      const next = await first.get("a");
      assert.equal(next?.value, "two");
      assert.notEqual(next.version, entry.version);
      assert.ok(next.updatedAt > entry.updatedAt);
      assert.deepEqual(next.createdAt, entry.createdAt);
      assert.deepEqual(await first.delete("a"), { committed: true, existed: true });
      assert.deepEqual(await second.delete("a"), { committed: true, existed: false });
      assert.equal(await second.has("a"), false);
    },
  },
  {
    title:
      "kv: conditions of version, absence, presence and predicate decide, and a refusal shows what stands there",
    async check(context) {
      const [first, second] = stores<number>(context, "conditions");
      assert.deepEqual(await first.setIfPresent("a", 1), { committed: false, current: undefined });
      const created = await first.setIfAbsent("a", 1);
      assert.ok(created.committed);
      const refused = await second.setIfAbsent("a", 2);
      assert.ok(!refused.committed && refused.current?.value === 1);
      assert.ok((await second.set("a", 3, { ifVersion: created.version })).committed);
      const late = await first.set("a", 4, { ifVersion: created.version });
      assert.ok(!late.committed && late.current?.value === 3);
      assert.ok(!(await first.set("a", 9, { if: (entry) => entry?.value === 1 })).committed);
      assert.ok((await first.set("a", 5, { if: (entry) => entry?.value === 3 })).committed);
      assert.ok(!(await second.delete("a", { ifVersion: created.version })).committed);
      assert.ok((await second.delete("a", { if: (entry) => entry?.value === 5 })).committed);
      assert.ok((await first.setIfAbsent("a", 6)).committed);
    },
  },
  {
    title: "kv: of those who create a key at the same time one does",
    async check(context) {
      const all = stores<number>(context, "race");
      const tries = all.flatMap((kv, index) => [kv.setIfAbsent("a", index), kv.setIfAbsent("a", index + 10)]);
      const ends = await Promise.all(tries);
      assert.equal(ends.filter(({ committed }) => committed).length, 1);
      const value = (await all[0].get("a"))?.value;
      for (const end of ends) if (!end.committed) assert.equal(end.current?.value, value);
    },
  },
  {
    title:
      "kv: updates and increments of three clients at once are all there, those of one client in few writes",
    async check(context) {
      const all = stores<number>(context, "updates");
      const work = all.flatMap((kv) => [
        ...Array.from({ length: 10 }, () => kv.update("a", (value = 0) => value + 1)),
        ...Array.from({ length: 3 }, () => kv.update("a", async (value = 0) => value + 1)),
        ...Array.from({ length: 10 }, () => kv.increment("a")),
      ]);
      const ends = await Promise.all(work);
      assert.equal((await all[0].get("a"))?.value, ends.length);
      const { backend } = context.clients[0];
      backend.resetCounts();
      await Promise.all(Array.from({ length: 50 }, () => all[0].increment("a", 2)));
      assert.equal((await all[1].get("a"))?.value, ends.length + 100);
      assert.ok(backend.counts.writes <= 2, `${backend.counts.writes} writes`);
      const left = await all[0].update("a", () => leave);
      assert.ok(!left.committed && left.current?.value === ends.length + 100);
    },
  },
  {
    title: "kv: a value is not seen once its time is over, whoever looks, and its key is free again",
    async check(context) {
      const [first, second] = stores<number>(context, "expiry", { ttl: "1h" });
      await first.set("short", 1, { ttl: 600 });
      await first.set("long", 2);
      await first.set("endless", 3, { ttl: null });
      const ttlMs = (await second.get("long"))?.ttlMs ?? 0;
      assert.ok(ttlMs > 3_500_000 && ttlMs <= 3_600_000, String(ttlMs));
      assert.equal((await second.get("endless"))?.ttlMs, null);
      await context.pass(650);
      assert.equal(await second.get("short"), undefined);
      assert.equal(await first.ttl("short"), undefined);
      assert.deepEqual((await keysOf(second)).sort(), ["endless", "long"]);
      assert.ok((await second.setIfAbsent("short", 4, { ttl: "1m" })).committed);
      assert.equal(await first.expire("short", null), true);
      assert.equal(await second.ttl("short"), null);
      assert.equal(await first.touch("long"), true);
      assert.equal(await first.touch("nothing"), false);
    },
  },
  {
    title:
      "kv: lists by prefix and form, in pages with a cursor, without what is deleted or in other namespaces",
    async check(context) {
      const [first, second] = stores<number>(context, "list");
      const names = Array.from({ length: 23 }, (_, index) => `user:${index}`);
      const others = [
        "other",
        "user",
        "użytkownik:ü 1",
        "user/1",
        "a".repeat(900),
        `user:${"b".repeat(700)}`,
      ];
      const results = await first.setMany([...names, ...others].map((key, value) => ({ key, value })));
      assert.ok(results.every((result) => "committed" in result && result.committed));
      await first.namespace("within").set("user:within", 1);
      await first.delete("user:3");
      const users = [...names, others[5]].filter((name) => name !== "user:3");
      assert.deepEqual((await keysOf(second, { prefix: "user:" })).sort(), [...users].sort());
      assert.deepEqual((await keysOf(second, { match: "user:1?" })).sort(), names.slice(10, 20));
      assert.equal((await keysOf(second)).length, users.length + 5);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await second
          .list({ prefix: "user:", pageSize: 5, ...(cursor !== undefined && { cursor }) })
          .page();
        assert.ok(page.items.length <= 5);
        seen.push(...page.items.map(({ key }) => key));
        cursor = page.cursor;
      } while (cursor !== undefined);
      assert.deepEqual(seen.sort(), [...users].sort());
      const [one] = await Promise.all([second.list({ pageSize: 1, prefix: "user:" }).page()]);
      await assertCode(
        (async () =>
          second.list({ prefix: "us", ...(one.cursor !== undefined && { cursor: one.cursor }) }))(),
        "INVALID_ARGUMENT",
      );
      assert.deepEqual(
        (await second.getMany(["other", "none", "user/1"])).map((entry) => entry?.value),
        [23, undefined, 26],
      );
    },
  },
  {
    title: "kv: batches tell of each key for itself, however many there are",
    async check(context) {
      const [first, second] = stores<number>(context, "batches");
      const keys = Array.from({ length: 130 }, (_, index) => `key ${index}`);
      const entries = keys.map((key, value) => ({ key, value }));
      const results = await first.setMany([
        ...entries,
        { key: "", value: 1 },
        { key: "bad", value: Number.NaN },
      ]);
      assert.equal(results.filter((result) => "error" in result).length, 2);
      const found = await second.getMany(keys);
      assert.deepEqual(
        found.map((entry) => entry?.value),
        entries.map(({ value }) => value),
      );
      const deleted = await second.deleteMany([...keys.slice(0, 60), "none"]);
      assert.equal(deleted.filter((result) => "existed" in result && result.existed).length, 60);
      assert.equal((await first.status()).entries, 70);
      assert.equal(await first.clear(), 70);
      assert.equal((await second.status()).entries, 0);
    },
  },
  {
    title: "kv: codecs, compression and history keep what was written; purge and destroy leave nothing",
    async check(context) {
      const [{ coordinator }, { coordinator: other }] = context.clients;
      const bytes = new Uint8Array([0, 10, 255, 13]);
      await coordinator.kv("bytes", { codec: bytesCodec }).set("a", bytes);
      assert.deepEqual((await other.kv("bytes", { codec: bytesCodec }).get("a"))?.value, bytes);
      await assertCode(other.kv("bytes").get("a"), "INVALID_VALUE");
      const text = "leasehold ".repeat(2_000);
      await coordinator.kv("text", { codec: textCodec, compression: true }).set("a", text);
      assert.equal((await other.kv("text", { codec: textCodec }).get("a"))?.value, text);
      assert.ok((await other.kv("text").status()).bytes < 1_000);
      const extended = jsonCodec<unknown>({ extended: true });
      const value = { when: new Date(0), of: new Map([[1n, new Set([bytes])]]) };
      await coordinator.kv("extended", { codec: extended }).set("a", value);
      assert.deepEqual((await other.kv("extended", { codec: extended }).get("a"))?.value, value);
      const [first, second] = stores<number>(context, "history", { history: 3 });
      for (const number of [1, 2, 3, 4]) await first.set("a", number);
      await second.delete("a");
      const past = (await second.history("a")).map((one) =>
        one.operation === "put" ? one.value : one.operation,
      );
      assert.deepEqual(past, [3, 4, "delete"]);
      assert.equal(await first.purge("a"), true);
      assert.deepEqual(await second.history("a"), []);
      await first.namespace("within").set("b", 1);
      await first.set("c", 1);
      assert.equal(await first.destroy(), 2);
      assert.equal((await second.namespace("within").status()).entries, 0);
    },
  },
  {
    title:
      "kv: a value that the backend cannot take is refused before it is sent, with its size and the limit",
    async check(context) {
      const kv = context.clients[0].coordinator.kv("large", { codec: bytesCodec });
      await kv.set("a", new Uint8Array(1));
      const { backend } = context.clients[0];
      backend.resetCounts();
      const size = backend.capabilities.valueBytesMax + 1;
      await assert.rejects(kv.set("a", new Uint8Array(size)), { code: "LIMIT_EXCEEDED", size });
      assert.equal(backend.counts.writes, 0);
      assert.ok((await kv.set("a", new Uint8Array(100_000))).committed);
      assert.equal((await kv.get("a"))?.value.length, 100_000);
    },
  },
];

function stores<T>({ clients }: LockCaseContext, name: string, options?: KeyValueOptions<T>) {
  const [first, second, third] = clients;
  const open = ({ coordinator }: (typeof clients)[number]): KeyValue<T> => coordinator.kv<T>(name, options);
  return [open(first), open(second), open(third)] as const;
}

async function keysOf(kv: KeyValue<number>, options?: { readonly prefix?: string; readonly match?: string }) {
  const keys: string[] = [];
  for await (const key of kv.keys(options)) keys.push(key);
  return keys;
}
