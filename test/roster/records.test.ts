// Goal: what stands in the store is read back as it was written, and anything else is a CorruptRecordError.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorruptRecordError } from "../../src/core/errors.ts";
import type { Roster } from "../../src/roster/roster.ts";
import { decodeRoster, encodeRoster } from "../../src/roster/roster-record.ts";
import { decodeSession, encodeSession, type SessionRecord } from "../../src/sessions/session-record.ts";
import { isOver } from "../../src/sessions/ticket-book.ts";

const count = fc.maxSafeNat();
const text = fc.string({ unit: "grapheme" });
const metadata = fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined });
const ttl = fc.integer({ min: 100, max: 86_400_000 });
const entrant = fc
  .record({ session: text, ticket: count, ttlMs: ttl, weight: count, metadata })
  .map(({ metadata: given, ...rest }) => (given === undefined ? rest : { ...rest, metadata: given }));
const holder = fc
  .tuple(entrant, fc.record({ fence: count, grantedAtMs: fc.integer() }))
  .map(([base, grant]) => ({ ...base, ...grant }));
const roster = fc.record({
  ...{ fence: count, capacity: count },
  ...{ holders: fc.array(holder, { maxLength: 4 }), waiters: fc.array(entrant, { maxLength: 4 }) },
});
const sessionRecord: fc.Arbitrary<SessionRecord> = fc.oneof(
  fc.record({
    state: fc.constant("live" as const),
    ...{ ttlMs: ttl, beat: count, beatAtMs: fc.integer() },
    client: fc.record({ host: text, pid: count }),
    tickets: fc.record({ next: count, open: fc.array(count, { maxLength: 4 }) }),
  }),
  fc.record({ state: fc.constant("dead" as const), by: text, atMs: fc.integer() }),
);

/** JSON that resembles a record, with one thing wrong or missing. */
function damaged(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const fields = JSON.parse(Buffer.from(valid).toString()) as Record<string, unknown>;
  return fc
    .tuple(
      fc.constantFrom(...Object.keys(fields)),
      fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }),
    )
    .map(([key, value]) => Buffer.from(JSON.stringify({ ...fields, [key]: value })));
}

const garbage = fc.oneof(
  fc.uint8Array(),
  fc.json().map((json) => Buffer.from(json)),
  fc
    .constantFrom("null", "[]", "0", '""', "{}", '{"format":"roster/1"}', '{"format":"session/1"}')
    .map(Buffer.from),
);

function throwsOnlyCorrupt(decode: (key: string, value: Uint8Array) => unknown, value: Uint8Array): unknown {
  try {
    return decode("key", value);
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptRecordError);
    return undefined;
  }
}

describe("a roster's record", () => {
  test("is read back as it was written", () => {
    fc.assert(
      fc.property(text, roster, (name, written) => {
        const read = decodeRoster("key", encodeRoster(name, written as Roster));
        expect(read).toEqual({ name, roster: JSON.parse(JSON.stringify(written)) });
      }),
    );
  });

  test("of any other bytes is a CorruptRecordError and nothing else, and says what stands there", () => {
    fc.assert(
      fc.property(garbage, (value) => {
        expect(throwsOnlyCorrupt(decodeRoster, value)).toBeUndefined();
      }),
    );
    expect(() => decodeRoster("some.key", Buffer.from("{]"))).toThrow(/some\.key.*\{\]/);
  });

  test("that was damaged is refused, or a roster all the same", () => {
    const valid = encodeRoster("name", {
      ...{ fence: 3, capacity: 1 },
      holders: [{ session: "s", ticket: 1, ttlMs: 100, weight: 1, fence: 3, grantedAtMs: 0 }],
      waiters: [{ session: "t", ticket: 1, ttlMs: 100, weight: 1 }],
    });
    fc.assert(
      fc.property(damaged(valid), (value) => {
        const read = throwsOnlyCorrupt(decodeRoster, value);
        if (read === undefined) return;
        const { roster: kept } = decodeRoster("key", value);
        expect([...kept.holders, ...kept.waiters].every(({ ttlMs }) => ttlMs > 0)).toBe(true);
      }),
    );
  });

  test.each([0, -1, null, "100"])("with a TTL of %j, which nobody can have, is refused", (ttlMs) => {
    const waiters = [{ session: "s", ticket: 1, ttlMs, weight: 1 }];
    const value = Buffer.from(
      JSON.stringify({ format: "roster/1", name: "n", fence: 0, capacity: 1, holders: [], waiters }),
    );
    expect(() => decodeRoster("key", value)).toThrow(CorruptRecordError);
  });
});

describe("a session's record", () => {
  test("is read back as it was written", () => {
    fc.assert(
      fc.property(sessionRecord, (written) => {
        expect(decodeSession("key", encodeSession(written))).toEqual(written);
      }),
    );
  });

  test("of any other bytes is a CorruptRecordError and nothing else", () => {
    fc.assert(
      fc.property(garbage, (value) => {
        expect(throwsOnlyCorrupt(decodeSession, value)).toBeUndefined();
      }),
    );
  });

  test("that was damaged is refused, or has everything that people and observers need", () => {
    const client = { host: "h", pid: 1 };
    const tickets = { next: 3, open: [2] };
    const live = encodeSession({ state: "live", ttlMs: 100, beat: 1, beatAtMs: 5, client, tickets });
    fc.assert(
      fc.property(damaged(live), (value) => {
        const read = throwsOnlyCorrupt(decodeSession, value) as SessionRecord | undefined;
        if (read?.state !== "live") return;
        expect(read.ttlMs).toBeGreaterThan(0);
        expect(Number.isFinite(read.beatAtMs)).toBe(true);
        expect(typeof read.client.host).toBe("string");
        expect(isOver(read.tickets, 1)).toBeTypeOf("boolean");
      }),
    );
  });
});
