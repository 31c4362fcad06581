// Goal: JavaScript values survive DynamoDB as they are, the size that is checked is the size that DynamoDB counts, and
// what it could not keep is refused with a message that says where it stands.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  attributesBytes,
  fromAttribute,
  identityOf,
  toAttribute,
  toAttributes,
} from "../../../../src/backends/dynamodb/items/attribute-values.ts";
import { type Anything, type TestTable, testTable } from "./items-support.ts";

let table: TestTable<Anything>;

beforeAll(async () => {
  table = await testTable();
});
afterAll(() => table[Symbol.asyncDispose]());

const name = fc
  .string({ unit: "binary", minLength: 1, maxLength: 8 })
  .filter((text) => text !== "__proto__" && text !== "id");
const text = fc.string({ unit: "binary", maxLength: 12 });
/** What a double of this range looks like when it comes back. */
const fraction = fc
  .double({ min: -1e15, max: 1e15, noNaN: true, noDefaultInfinity: true })
  .filter((value) => !Object.is(value, -0) && (value === 0 || Math.abs(value) > 1e-100));
const whole = fc
  .bigInt({ min: -(10n ** 37n), max: 10n ** 37n })
  .map((value) =>
    value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value,
  );
const bytes = fc.uint8Array({ minLength: 1, maxLength: 8 });
const scalar = fc.oneof(text, fraction, whole, fc.boolean(), fc.constant(null), bytes);
const sets = fc.oneof(
  fc
    .uniqueArray(
      text.filter((each) => each !== ""),
      { minLength: 1, maxLength: 4 },
    )
    .map((all) => new Set<unknown>(all)),
  fc.uniqueArray(whole, { minLength: 1, maxLength: 4 }).map((all) => new Set<unknown>(all)),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    sets,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 3 }).map((object) => ({ ...object })),
  ),
}));

describe("values", () => {
  test("become attributes and values again", () => {
    fc.assert(
      fc.property(value, (each) => {
        expect(fromAttribute(toAttribute("it", each))).toEqual(each);
      }),
      { numRuns: 500 },
    );
  });

  test("survive the store", async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 4 }), async (object) => {
        const item = { ...object, id: "any" };
        await table.items.put(item);
        expect(await table.items.get("any")).toEqual(item);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  test("numbers are one when DynamoDB takes them for one", () => {
    for (const [one, other] of [
      [1, 1n],
      [1e21, 10n ** 21n],
      [1e100, 10n ** 100n],
      [0, -0],
    ]) {
      expect(identityOf(toAttribute("a", one))).toBe(identityOf(toAttribute("b", other)));
    }
    expect(toAttribute("a", new Set([1, 1n, 2])).NS).toEqual(["1", "2"]);
  });

  test("members that are undefined are left out", () => {
    expect(toAttributes("item", { a: undefined, b: { c: undefined, d: 1 } })).toEqual({
      b: { M: { d: { N: "1" } } },
    });
  });
});

const loop: Anything = {};
loop.again = loop;
class Money {
  readonly amount = 5;
}

describe("what DynamoDB cannot keep is refused, with its place:", () => {
  test.each<[string, unknown, RegExp]>([
    ["NaN", { n: Number.NaN }, /^n must be a finite number.*; got NaN$/],
    ["Infinity", { a: { b: [1, Number.POSITIVE_INFINITY] } }, /^a\.b\[1\] must be .*; got Infinity$/],
    ["too large a number", { n: 1e126 }, /9\.99e125.*; got 1e\+126$/],
    ["too small a number", { n: 1e-131 }, /1e-130.*; got 1e-131$/],
    ["too many digits", { n: 10n ** 39n + 1n }, /at most 38 digits; got 1000/],
    ["an empty Set", { s: new Set() }, /^s must be a Set of .* not empty; got an empty Set$/],
    ["a mixed Set", { s: new Set([1, "a"]) }, /got a Set of N and S$/],
    ["a Set of booleans", { s: new Set([true]) }, /got a Set of BOOL$/],
    ["a Date", { d: new Date(0) }, /^d must be .*toISOString\(\); got a Date$/],
    ["a Map", { m: new Map() }, /got a Map$/],
    ["an object of a class", { m: new Money() }, /got a Money$/],
    ["a function", { f: () => 1 }, /got a function$/],
    ["a symbol", { s: Symbol("s") }, /got Symbol\(s\)$/],
    ["undefined in an array", { list: [1, undefined] }, /^list\[1\] must be .*; got undefined$/],
    // biome-ignore lint/suspicious/noSparseArray: that is the case.
    ["a hole in an array", { list: [1, , 2] }, /^list\[1\] must be .*; got undefined$/],
    ["half a surrogate pair", { t: "\ud800" }, /^t must be well-formed Unicode/],
    ["such a name", { "\ud800": 1 }, /^the name of an attribute must be well-formed Unicode/],
    ["an array for an item", [], /^the item must be a plain object; got an array$/],
    ["null for an item", null, /^the item must be a plain object; got null$/],
  ])("%s", (_, item, message) => {
    const thrown = (() => {
      try {
        return toAttributes("the item", item);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  });

  test("what contains itself, and what is too deep", () => {
    expect(() => toAttributes("the item", loop)).toThrow(
      /none of them within itself, of at most 32 levels; got 33$/,
    );
  });
});

test("an item of exactly 400 KB is taken, and one of a byte more is refused before it is sent", async () => {
  const item = (length: number) => ({
    id: "x",
    text: "a".repeat(length),
    list: [{ a: 1n, b: null }, true],
    n: -12.5,
  });
  const rest = attributesBytes(toAttributes("the item", item(0)));
  expect((await table.items.put(item(409_600 - rest))).committed).toBe(true);
  await expect(table.items.put(item(409_601 - rest))).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
    limit: 409_600,
    size: 409_601,
  });
});
