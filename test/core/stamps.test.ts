// Goal: the marks in a record never tell something false of a write, and tell it as far as they reach.
import fc from "fast-check";
import { expect, test } from "vitest";
import { addStamp, fateOf, hasStamp, isStamps, type Stamp, type Stamps } from "../../src/core/stamps.ts";

const max = 4;

/** The list after these writers wrote in turn, each under its next number. */
function after(stamps: Stamps, writers: readonly number[], sequences: Map<number, number>): Stamps {
  return writers.reduce((list, writer) => {
    const sequence = (sequences.get(writer) ?? 0) + 1;
    sequences.set(writer, sequence);
    return addStamp(list, [`w${writer}`, sequence], max);
  }, stamps);
}

const writers = fc.array(fc.nat(7), { maxLength: 12 });

test("what it says is so, and it says so where fewer others came than marks are kept", () => {
  const seen = { applied: 0, "shut out": 0, forgotten: 0 };
  fc.assert(
    fc.property(writers, writers, fc.boolean(), (earlier, later, isApplied) => {
      const sequences = new Map<number, number>();
      const before = after([], earlier, sequences);
      const mine: Stamp = ["w7", (sequences.get(7) ?? 0) + 1];
      // Nobody else writes under this name meanwhile.
      const others = later.filter((writer) => writer !== 7);
      const fate = fateOf(
        after(isApplied ? addStamp(before, mine, max) : before, others, sequences),
        mine,
        before,
        max,
      );
      seen[fate] += 1;
      if (fate !== "forgotten") expect(fate).toBe(isApplied ? "applied" : "shut out");
      if (new Set(others).size < max) expect(fate).not.toBe("forgotten");
    }),
    { numRuns: 2_000 },
  );
  expect(Object.values(seen).every((count) => count > 100)).toBe(true);
});

test("a writer has one place in the list, the last one, and the oldest leaves first", () => {
  const stamps = addStamp(addStamp(addStamp([], ["a", 1], 2), ["b", 1], 2), ["a", 2], 2);
  expect(stamps).toEqual([
    ["b", 1],
    ["a", 2],
  ]);
  expect(addStamp(stamps, ["c", 1], 2)).toEqual([
    ["a", 2],
    ["c", 1],
  ]);
  expect([hasStamp(stamps, ["a", 2]), hasStamp(stamps, ["a", 1])]).toEqual([true, false]);
});

test.each([
  ["a list of names and numbers", [["a", 1]], true],
  ["no list", {}, false],
  ["a name without a number", [["a"]], false],
  ["a number that is none", [["a", 1.5]], false],
])("%s", (_what, value, expected) => {
  expect(isStamps(value)).toBe(expected);
});
