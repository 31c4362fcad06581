// Goal: a condition put together from functions means what it says, whatever its shape: DynamoDB decides as the same
// condition does in JavaScript, and nothing of a name or a value is ever read as part of an expression.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  and,
  atLeast,
  atMost,
  attribute,
  beginsWith,
  between,
  contains,
  equals,
  exists,
  greaterThan,
  hasType,
  type ItemCondition,
  isOneOf,
  lessThan,
  missing,
  not,
  notEquals,
  or,
  size,
} from "../../../../src/backends/dynamodb/index.ts";
import { conditionText } from "../../../../src/backends/dynamodb/items/conditions.ts";
import { Expression, type ItemPath, segmentsOf } from "../../../../src/backends/dynamodb/items/expression.ts";
import { type Anything, type TestTable, testTable } from "./items-support.ts";

let table: TestTable<Anything>;

beforeAll(async () => {
  table = await testTable();
});
afterAll(() => table[Symbol.asyncDispose]());

/** A condition, and what it means for an item. */
interface Meaning {
  readonly condition: ItemCondition;
  readonly holds: (item: Anything) => boolean;
}

const names = ["n", "m", "size", "t"] as const;
const path = fc.constantFrom(...names);
const number = fc.integer({ min: 0, max: 3 });
const word = fc.constantFrom("a", "ab", "b", "", "OR", ":0");
const scalar = fc.oneof(number, word);

function ordered(compare: (left: number | string, right: number | string) => boolean) {
  return (left: unknown, right: unknown): boolean =>
    typeof left === typeof right && (typeof left === "number" || typeof left === "string")
      ? compare(left, right as number | string)
      : false;
}
const comparisons = [
  [equals, (left: unknown, right: unknown) => left === right],
  [lessThan, ordered((left, right) => left < right)],
  [atMost, ordered((left, right) => left <= right)],
  [greaterThan, ordered((left, right) => left > right)],
  [atLeast, ordered((left, right) => left >= right)],
] as const;

const simple: fc.Arbitrary<Meaning> = fc.oneof(
  fc.tuple(fc.constantFrom(...comparisons), path, scalar).map(([[make, holds], at, value]) => ({
    condition: make(at, value),
    holds: (item: Anything) => holds(item[at], value),
  })),
  // DynamoDB compares no attribute with itself.
  fc.uniqueArray(path, { minLength: 2, maxLength: 2 }).map(([at = "", other = ""]) => ({
    condition: and(exists(at), equals(at, attribute(other))),
    holds: (item: Anything) => item[at] !== undefined && item[at] === item[other],
  })),
  fc.tuple(path, scalar).map(([at, value]) => ({
    condition: notEquals(at, value),
    holds: (item: Anything) => item[at] !== value,
  })),
  path.map((at) => ({ condition: exists(at), holds: (item: Anything) => item[at] !== undefined })),
  path.map((at) => ({ condition: missing([at]), holds: (item: Anything) => item[at] === undefined })),
  fc.tuple(path, number, number).map(([at, low, span]) => ({
    condition: between(at, low, low + span),
    holds: (item: Anything) =>
      Number(item[at] ?? Number.NaN) >= low && Number(item[at]) <= low + span && typeof item[at] === "number",
  })),
  fc.tuple(path, fc.array(scalar, { minLength: 1, maxLength: 4 })).map(([at, values]) => ({
    condition: isOneOf(at, values),
    holds: (item: Anything) => values.includes(item[at] as never),
  })),
  fc.tuple(path, fc.constantFrom("a", "ab", "O")).map(([at, prefix]) => ({
    condition: beginsWith(at, prefix),
    holds: (item: Anything) => typeof item[at] === "string" && item[at].startsWith(prefix),
  })),
  fc.tuple(path, fc.constantFrom("a", "b", "R")).map(([at, part]) => ({
    condition: contains(at, part),
    holds: (item: Anything) => typeof item[at] === "string" && item[at].includes(part),
  })),
  fc.tuple(path, fc.constantFrom("string" as const, "number" as const)).map(([at, type]) => ({
    condition: hasType(at, type),
    holds: (item: Anything) => typeof item[at] === type,
  })),
  fc.tuple(path, number).map(([at, length]) => ({
    condition: and(hasType(at, "string"), lessThan(size(at), length)),
    holds: (item: Anything) => typeof item[at] === "string" && item[at].length < length,
  })),
);

const { meaning } = fc.letrec<{ meaning: Meaning }>((tie) => {
  const several = fc.array(tie("meaning"), { minLength: 1, maxLength: 3 });
  return {
    meaning: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      simple,
      several.map((all) => ({
        condition: and(...all.map(({ condition }) => condition)),
        holds: (item: Anything) => all.every(({ holds }) => holds(item)),
      })),
      several.map((all) => ({
        condition: or(...all.map(({ condition }) => condition)),
        holds: (item: Anything) => all.some(({ holds }) => holds(item)),
      })),
      tie("meaning").map(({ condition, holds }) => ({
        condition: not(condition),
        holds: (item: Anything) => !holds(item),
      })),
    ),
  };
});

test("DynamoDB decides any condition as JavaScript does", async () => {
  const items = fc.sample(
    fc.record({ n: scalar, m: scalar, size: scalar, t: scalar }, { requiredKeys: [] }),
    {
      seed: 1,
      numRuns: 24,
    },
  );
  const all = items.map((item, index): Anything => ({ ...item, id: `c${index}` }));
  await table.items.putMany(all);
  await fc.assert(
    fc.asyncProperty(meaning, async ({ condition, holds }) => {
      const found = (await table.items.scan({ filter: condition }).all()).map(({ id }) => id).sort();
      expect(found).toEqual(
        all
          .filter(holds)
          .map(({ id }) => id)
          .sort(),
      );
    }),
    { numRuns: 150 },
  );
}, 60_000);

describe("the text of a condition", () => {
  const textOf = (condition: ItemCondition) => {
    const expression = new Expression();
    return { text: conditionText(expression, "condition", condition), ...expression.members };
  };

  test("holds placeholders only, one for each name", () => {
    const condition = or(
      equals("status", "new"),
      and(lessThan(size("a.b[2].status"), 3), not(exists(["x.y", 0]))),
    );
    expect(textOf(condition)).toEqual({
      text: "(#0 = :0 OR (size(#1.#2[2].#0) < :1 AND (NOT attribute_exists(#3[0]))))",
      ExpressionAttributeNames: { "#0": "status", "#1": "a", "#2": "b", "#3": "x.y" },
      ExpressionAttributeValues: { ":0": { S: "new" }, ":1": { N: "3" } },
    });
  });

  test("of any names and values keeps its form", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), (name, value) => {
        fc.pre(name !== "__proto__" && name.isWellFormed() && value.isWellFormed());
        expect(textOf(equals([name], value)).text).toBe("#0 = :0");
      }),
    );
  });

  test("may come from a function of one's own", () => {
    const condition: ItemCondition = (parts) => `${parts.path("a")} <> ${parts.value(1)}`;
    expect(textOf(not(condition)).text).toBe("(NOT #0 <> :0)");
  });
});

describe("a path", () => {
  test.each<[ItemPath, readonly (string | number)[]]>([
    ["email", ["email"]],
    ["address.city", ["address", "city"]],
    ["a[0][12].b-c d", ["a", 0, 12, "b-c d"]],
    [
      ["a.b", "c[0]", 3],
      ["a.b", "c[0]", 3],
    ],
  ])("%j is read as its parts", (path, parts) => {
    expect(segmentsOf(path)).toEqual(parts);
  });

  test.each<[unknown]>([
    [""],
    ["a."],
    [".a"],
    ["a..b"],
    ["[0]"],
    ["a[x]"],
    ["a[-1]"],
    ["a[0]b"],
    ["a]"],
    [[]],
    [[0]],
    [["a", -1]],
    [["a", ""]],
    [["a", 1.5]],
    [null],
    [7],
    [{}],
    ["__proto__"],
  ])("%j is refused", (path) => {
    expect(() => segmentsOf(path as ItemPath)).toThrow(/^a path must be like "email"/);
  });
});

describe("what DynamoDB would refuse is refused before it is sent:", () => {
  const sent = (condition: ItemCondition) => table.items.put({ id: "x" }, { when: condition });
  test.each<[string, () => Promise<unknown>, object]>([
    ["no condition in and()", async () => sent(and()), { code: "INVALID_ARGUMENT" }],
    ["no value in isOneOf()", async () => sent(isOneOf("a", [])), { code: "INVALID_ARGUMENT" }],
    [
      "a type that there is not",
      async () => sent(hasType("a", "set" as never)),
      { code: "INVALID_ARGUMENT" },
    ],
    ["text for a condition", async () => sent("a = b" as never), { code: "INVALID_ARGUMENT" }],
    ["a condition of text", async () => sent(and("a = b" as never)), { code: "INVALID_ARGUMENT" }],
    ["a value that is none", async () => sent(equals("a", Number.NaN)), { code: "INVALID_ARGUMENT" }],
    [
      "101 values",
      async () => sent(isOneOf("a", new Array(101).fill(1))),
      { code: "LIMIT_EXCEEDED", limit: 100, size: 101 },
    ],
    [
      "too long an expression",
      async () => sent(or(...new Array(290).fill(exists("a")))),
      { code: "LIMIT_EXCEEDED", limit: 4_096 },
    ],
    [
      "too many operators",
      async () => sent(or(...new Array(151).fill(equals("a", 1)))),
      { code: "LIMIT_EXCEEDED", limit: 300, size: 301 },
    ],
    [
      "too many bytes of values",
      async () => sent(or(...new Array(6).fill(equals("a", "x".repeat(400_000))))),
      { code: "LIMIT_EXCEEDED", limit: 2_097_152 },
    ],
  ])("%s", async (_, call, error) => {
    await expect(call()).rejects.toMatchObject(error);
  });

  test("and what is just within the limits is not", async () => {
    expect((await sent(or(...new Array(149).fill(equals("a", 1)), missing("a")))).committed).toBe(true);
    expect((await sent(or(missing("a"), isOneOf("a", new Array(100).fill(1))))).committed).toBe(true);
  });
});
