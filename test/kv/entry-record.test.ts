// Goal: a record of an entry comes back as it was written, whatever its key, values and history are, and nothing else is
// taken for one.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEntry, type EntryRecord, encodeEntry, type Revision } from "../../src/kv/entry-record.ts";

const time = fc.integer({ min: 0, max: 4e12 });
const text = fc.string({ unit: "binary", maxLength: 20 });
const value = fc.record(
  { type: text, bytes: fc.uint8Array({ maxLength: 40 }), compression: fc.constantFrom("gzip", "zstd") },
  { requiredKeys: ["type", "bytes"] },
);
const revision: fc.Arbitrary<Revision> = fc.record(
  {
    ...{ createdAtMs: time, updatedAtMs: time, mark: text, value },
    life: fc.record({ endsAtMs: time, ttlMs: fc.integer({ min: 1 }) }),
  },
  { requiredKeys: ["createdAtMs", "updatedAtMs", "mark"] },
);
const record: fc.Arbitrary<EntryRecord> = fc.record({
  key: text,
  newest: revision,
  past: fc.array(revision, { maxLength: 4 }),
  stamps: fc.array(fc.tuple(text, fc.nat()), { maxLength: 3 }),
});

test("what was written comes back", () => {
  fc.assert(
    fc.property(record, (written) => {
      const read = decodeEntry("key", Buffer.from(encodeEntry(written)));
      expect(JSON.stringify(plain(read))).toBe(JSON.stringify(plain(written)));
    }),
  );
});

test("a record that was cut short, got longer, or was never one is refused and names its key", () => {
  fc.assert(
    fc.property(record, fc.nat(), (written, cut) => {
      const bytes = encodeEntry(written);
      const shorter = bytes.subarray(0, cut % bytes.length);
      expect(() => decodeEntry("ns.kv.a..b", shorter)).toThrow(/ns\.kv\.a\.\.b/);
      expect(() => decodeEntry("ns.kv.a..b", Buffer.concat([bytes, Buffer.from("x")]))).toThrow(/damaged/);
    }),
  );
  const others = ["", "{}\n", "null\n", '{"f":2,"k":"a","c":1,"u":1,"i":"x","s":[]}\n', "text"];
  const line = { f: 1, k: "a", c: 1, u: 1, i: "x", s: [] };
  for (const damage of [{ h: {} }, { h: [null] }, { h: [{}] }, { e: "soon", d: 1 }, { n: -1 }, { s: 1 }])
    others.push(`${JSON.stringify({ ...line, ...damage })}\n`);
  for (const other of others) {
    expect(() => decodeEntry("k", Buffer.from(other))).toThrow(
      expect.objectContaining({ code: "CORRUPT_RECORD" }),
    );
  }
});

function plain({ key, newest, past, stamps }: EntryRecord) {
  const of = ({ value: stored, createdAtMs, updatedAtMs, mark, life }: Revision) => [
    ...[createdAtMs, updatedAtMs, mark, life?.endsAtMs, life?.ttlMs],
    ...[stored?.type, stored?.compression, stored && Buffer.from(stored.bytes).toString("hex")],
  ];
  return [key, of(newest), past.map(of), stamps];
}
