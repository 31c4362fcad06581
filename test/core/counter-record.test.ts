// Goal: an add is applied once however often it is repeated, and a counter record stays small and readable.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  applyAdd,
  type CounterRecord,
  decodeCounter,
  emptyCounter,
  encodeCounter,
  receiptsMax,
} from "../../src/core/counter-record.ts";

const delta = fc.integer({ min: -1_000_000, max: 1_000_000 });

test("whatever is repeated in whatever order, every operation counts once and keeps its answer", () => {
  // Up to as many writers as there are receipts; each repeats its last add as it likes.
  const step = fc.record({
    writer: fc.nat(receiptsMax - 1),
    delta,
    repeats: fc.nat(3),
    reread: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let counter: CounterRecord = emptyCounter;
      let expected = 0;
      const last = new Map<number, { sequence: number; delta: number; sum: number }>();
      for (const { writer, delta, repeats, reread } of steps) {
        const sequence = (last.get(writer)?.sequence ?? 0) + 1;
        expected += delta;
        const added = applyAdd(counter, delta, { writer: `w${writer}`, sequence });
        expect(added).toMatchObject({ sum: expected, applied: true });
        counter = reread ? decodeCounter("c", encodeCounter(added.counter)) : added.counter;
        last.set(writer, { sequence, delta, sum: expected });
        for (const [other, operation] of [...last].slice(0, repeats)) {
          const again = applyAdd(counter, operation.delta, {
            writer: `w${other}`,
            sequence: operation.sequence,
          });
          expect(again).toEqual({ counter, sum: operation.sum, applied: false });
        }
      }
      expect(counter.sum).toBe(expected);
    }),
  );
});

test("an add that comes again is never applied twice, however many others came in between", () => {
  const seen = { found: 0, applied: 0, forgotten: 0 };
  const others = fc.array(fc.nat(receiptsMax + 8), { maxLength: 4 * receiptsMax, size: "max" });
  fc.assert(
    fc.property(others, others, fc.boolean(), fc.boolean(), (earlier, later, isApplied, isKnown) => {
      const sequences = new Map<string, number>();
      const addAll = (counter: CounterRecord, writers: readonly number[]): CounterRecord =>
        writers.reduce((sum, index) => {
          const writer = `w${index}`;
          sequences.set(writer, (sequences.get(writer) ?? 0) + 1);
          return applyAdd(sum, 1, { writer, sequence: sequences.get(writer) as number }).counter;
        }, counter);
      const operation = { writer: "mine", sequence: 1 };
      const since = addAll(emptyCounter, earlier);
      const now = addAll(isApplied ? applyAdd(since, 1_000, operation).counter : since, later);
      const again = (): number =>
        applyAdd(now, 1_000, { ...operation, again: true }, isKnown ? since : undefined).counter.sum;
      const reach = isKnown ? new Set(later).size : new Set([...earlier, ...later]).size + 1;
      try {
        expect(again()).toBe(earlier.length + 1_000 + later.length);
        seen[isApplied ? "found" : "applied"] += 1;
      } catch (error) {
        expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", retryable: false });
        expect(reach).toBeGreaterThanOrEqual(receiptsMax);
        seen.forgotten += 1;
      }
    }),
    { numRuns: 300 },
  );
  expect(Object.values(seen).every((count) => count > 10)).toBe(true);
});

test("applying an add leaves the record it was applied to as it was", () => {
  const { counter } = applyAdd(emptyCounter, 1, { writer: "a", sequence: 1 });
  const before = encodeCounter(counter);
  applyAdd(counter, 2, { writer: "a", sequence: 2 });
  applyAdd(counter, 2, { writer: "b", sequence: 1 });
  expect(encodeCounter(counter)).toEqual(before);
  expect(emptyCounter).toEqual({ sum: 0, receipts: new Map() });
});

test("receipts are bounded, and the writer that has been silent longest loses its own first", () => {
  let counter: CounterRecord = emptyCounter;
  const writers = Array.from({ length: receiptsMax + 1 }, (_, index) => `w${index}`);
  for (const writer of writers.slice(0, -1)) counter = applyAdd(counter, 1, { writer, sequence: 1 }).counter;
  counter = applyAdd(counter, 1, { writer: "w0", sequence: 2 }).counter;
  counter = applyAdd(counter, 1, { writer: `w${receiptsMax}`, sequence: 1 }).counter;
  expect(counter.receipts.size).toBe(receiptsMax);
  expect(counter.receipts.has("w0")).toBe(true);
  expect(counter.receipts.has("w1")).toBe(false);
  const longest = new Map(
    Array.from({ length: receiptsMax }, (_, index) => [
      `${index}`.padStart(40, "w"),
      { sequence: Number.MAX_SAFE_INTEGER, sum: Number.MIN_SAFE_INTEGER },
    ]),
  );
  expect(encodeCounter({ sum: Number.MIN_SAFE_INTEGER, receipts: longest }).length).toBeLessThan(8_192);
});

test("a sum beyond the safe integers is refused, at both ends, and the last safe one is reached", () => {
  for (const sign of [1, -1]) {
    const end = sign * Number.MAX_SAFE_INTEGER;
    const { counter } = applyAdd(emptyCounter, end, { writer: "a", sequence: 1 });
    expect(counter.sum).toBe(end);
    expect(() => applyAdd(counter, sign, { writer: "b", sequence: 1 })).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
    expect(applyAdd(counter, -end, { writer: "b", sequence: 1 }).sum).toBe(0);
  }
});

test("a delta that is no safe integer, and adds out of order, are bugs of the caller", () => {
  for (const bad of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    expect(() => applyAdd(emptyCounter, bad, { writer: "a", sequence: 1 })).toThrow(/invariant/);
  }
  const { counter } = applyAdd(emptyCounter, 1, { writer: "a", sequence: 2 });
  expect(() => applyAdd(counter, 1, { writer: "a", sequence: 1 })).toThrow(/in order/);
});

test("a counter survives its encoding", () => {
  const receipt = fc.record({ sequence: fc.integer({ min: 1, max: 2 ** 40 }), sum: fc.maxSafeInteger() });
  const receipts = fc.array(fc.tuple(fc.string(), receipt)).map((entries) => new Map(entries));
  fc.assert(
    fc.property(fc.maxSafeInteger(), receipts, (sum, receipts) => {
      const decoded = decodeCounter("c", encodeCounter({ sum, receipts }));
      expect(decoded.sum === sum && Object.is(decoded.sum, sum + 0)).toBe(true);
      expect([...decoded.receipts]).toEqual([...receipts]);
    }),
  );
});

test("bytes that are no counter are called corrupt, never something else", () => {
  const texts = [
    "",
    "null",
    "[]",
    '"counter"',
    '{"counter":"1","receipts":[]}',
    '{"counter":1.5,"receipts":[]}',
    '{"counter":1,"receipts":{}}',
    '{"counter":1,"receipts":[null]}',
    '{"counter":1,"receipts":[["a",1]]}',
    '{"counter":1,"receipts":[["a",1,2,3]]}',
    '{"counter":1,"receipts":[[1,1,2]]}',
    '{"counter":1,"receipts":[["a",1,"2"]]}',
    '{"counter":9007199254740992,"receipts":[]}',
  ];
  for (const text of texts) {
    expect(() => decodeCounter("c", Buffer.from(text)), text).toThrow(
      expect.objectContaining({ code: "CORRUPT_RECORD" }),
    );
  }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (bytes) => {
        expect(() => decodeCounter("c", bytes)).toThrow(expect.objectContaining({ code: "CORRUPT_RECORD" }));
      },
    ),
  );
});
