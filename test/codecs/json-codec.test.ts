// Goal: JSON loses and changes nothing in silence. What it cannot hold is refused, with the place; what pollutes
// prototypes or overflows stacks is refused on both sides.
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Codec, InvalidArgumentError, InvalidValueError, jsonCodec } from "../../src/index.ts";

const plain = jsonCodec();
const extended = jsonCodec({ extended: true });

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function written(codec: Codec<unknown>, value: unknown): Promise<string> {
  return new TextDecoder().decode(await codec.encode(value));
}

async function roundTrip(codec: Codec<unknown>, value: unknown): Promise<unknown> {
  return await codec.decode(await codec.encode(value));
}

async function refusalOf(work: () => unknown): Promise<InvalidValueError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidValueError);
    return error as InvalidValueError;
  }
  throw new Error("expected an InvalidValueError");
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 ? [value] : { value };
  return value;
}

const tagNames = ["$date", "$map", "$set", "$bigint", "$bytes", "$number", "$undefined", "$", "$$", "$$map"];
const keys = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(...tagNames, "__proto__", "constructor", "toJSON"),
);

test("the name of the form stands next to the value", () => {
  expect([plain.type, extended.type, jsonCodec({ extended: false }).type]).toEqual([
    "json",
    "extended-json",
    "json",
  ]);
  expect(() => jsonCodec({ extend: true } as never)).toThrow(InvalidArgumentError);
  expect(() => jsonCodec({ extended: "yes" } as never)).toThrow(InvalidArgumentError);
});

describe("plain JSON", () => {
  test("what is accepted comes back, and is what JSON.stringify makes of it", async () => {
    const values = [
      fc.double().map((value) => (Object.is(value, -0) ? 0 : value)),
      fc.string({ unit: "binary" }),
      fc.constantFrom(null, undefined, true),
    ];
    const anything = fc.anything({
      key: keys,
      values,
      withDate: true,
      withMap: true,
      withSet: true,
      withBigInt: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
      withBoxedValues: true,
    });
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(anything, fc.anything({ key: keys, values })), async (value) => {
        const bytes = await (async () => plain.encode(value))().catch((error: unknown) => {
          expect(error).toBeInstanceOf(InvalidValueError);
          expect((error as InvalidValueError).value).toBe(value);
        });
        if (bytes === undefined) return;
        accepted += 1;
        const back = await plain.decode(bytes);
        expect(back).toEqual(JSON.parse(JSON.stringify(value)));
        expect(back).toEqual(value);
      }),
      { numRuns: 1_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  const loop: unknown[] = [];
  loop.push({ loop });
  class Money {
    amount = 1;
  }
  const refused: readonly (readonly [string, unknown, readonly PropertyKey[], RegExp])[] = [
    [
      "undefined",
      undefined,
      [],
      /^a value cannot be written: undefined cannot be stored: delete the key, or store null\. Nothing was written$/,
    ],
    [
      "undefined in an array",
      { list: [1, undefined] },
      ["list", 1],
      /list\[1\]: undefined would not come back .* extended: true/,
    ],
    ["a function", { on: { click() {} } }, ["on", "click"], /on\.click: a function cannot be stored/],
    ["a symbol", [Symbol("x")], [0], /\[0\]: a symbol cannot be stored/],
    [
      "NaN",
      { a: { "two words": Number.NaN } },
      ["a", "two words"],
      /a\["two words"\]: NaN would not come back/,
    ],
    ["an infinity", -Infinity, [], /-Infinity would not come back/],
    ["a bigint", { id: 1n }, ["id"], /id: a bigint would not come back/],
    [
      "a Date",
      { at: new Date(0) },
      ["at"],
      /at: a Date would not come back .*convert it, or pass jsonCodec\(\{ extended: true \}\)/,
    ],
    ["a Map", new Map(), [], /a Map would not come back/],
    ["a Set", [new Set([1])], [0], /a Set would not come back/],
    ["bytes", new Uint8Array(2), [], /Uint8Array would not come back/],
    ["a Buffer", Buffer.from("x"), [], /Buffer would not come back/],
    ["a cycle", loop, [0, "loop"], /\[0\]\.loop: a cycle/],
    [
      "a class instance",
      { price: new Money() },
      ["price"],
      /an instance of Money would come back as something else/,
    ],
    ["a promise that nobody awaited", Promise.resolve(1), [], /a promise cannot be stored/],
    ["what has toJSON", new URL("https://example.com"), [], /an instance of URL/],
    ["an own toJSON", { toJSON: () => 1 }, ["toJSON"], /a function/],
    ["a boxed number", Object(1), [], /an instance of Number/],
    ["a hole", { list: new Array(2) }, ["list"], /an array with holes/],
    ["a hole that a property hides", Object.assign(new Array(1), { x: 1 }), [], /an array with holes/],
    ["a property of an array", "ab".match(/b/), [], /properties of its own/],
    ["a property named by a symbol", { [Symbol("x")]: 1 }, [], /named by a symbol/],
    ["what inherits", Object.create({ a: 1 }), [], /an instance of Object/],
    [
      "__proto__",
      JSON.parse('{"a":{"__proto__":{"isAdmin":true}}}'),
      ["a", "__proto__"],
      /changes prototypes/,
    ],
    ["constructor.prototype", { constructor: { prototype: {} } }, ["constructor"], /changes prototypes/],
    ["501 levels", nested(501), expect.anything() as never, /more than 500 levels/],
  ];

  test.each(refused)("%s is refused, with its place", async (_, value, path, message) => {
    const error = await refusalOf(() => plain.encode(value));
    expect(error.issues).toEqual([{ path, message: expect.any(String) }]);
    expect(error.message).toMatch(message);
    expect(error.value).toBe(value);
    expect(error).toMatchObject({ code: "INVALID_VALUE", retryable: false, key: undefined });
  });

  test("what cannot be looked through is refused too", async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const throwing = {
      get a(): never {
        throw new Error("not now");
      },
    };
    for (const [value, message] of [
      [{ proxy }, /revoked/],
      [throwing, /not now/],
    ] as const) {
      const error = await refusalOf(() => plain.encode(value));
      expect(error.message).toMatch(message);
      expect(error.cause).toBeInstanceOf(Error);
    }
  });

  test("where the stack is nearly full, the error is a typed one", () => {
    const value = nested(400);
    const outcomes = new Set<string>();
    const descend = (): void => {
      try {
        descend();
      } catch {
        // Full: a frame further up there is a little more room, until there is enough.
        if (outcomes.has("written")) return;
        try {
          plain.encode(value);
          outcomes.add("written");
        } catch (error) {
          outcomes.add(error instanceof InvalidValueError ? "refused" : "full");
          throw error;
        }
      }
    };
    descend();
    expect([...outcomes]).toEqual(expect.arrayContaining(["refused", "written"]));
  });

  test("as in JSON, undefined properties are left out, and -0 is 0", async () => {
    expect(await written(plain, { a: undefined, b: -0 })).toBe('{"b":0}');
  });

  test("what is no danger is accepted", async () => {
    const values = [
      { constructor: "Brabham", prototype: 1 },
      { constructor: { name: "x" } },
      JSON.parse('{"toString":1,"hasOwnProperty":2}'),
      "\uFEFFwith a mark, half a pair \uD800, and \u2028",
      Object.assign(Object.create(null), { a: 1 }),
      runInNewContext("({ list: [1, { a: null }] })"),
      nested(500),
      { shared: [values0, values0] },
    ];
    for (const value of values) expect(await roundTrip(plain, value)).toEqual(value);
  });
});

const values0 = { a: 1 };

describe("extended JSON", () => {
  test("anything comes back", async () => {
    const anything = fc.anything({
      key: keys.filter((key) => key !== "__proto__" && key !== "constructor"),
      withDate: true,
      withMap: true,
      withSet: true,
      withBigInt: true,
      withNullPrototype: true,
      values: [
        fc.boolean(),
        fc.double(),
        fc.string({ unit: "binary" }),
        fc.constantFrom(null, undefined, -0, Number.NaN, Infinity, -Infinity),
        fc.uint8Array(),
        fc.constantFrom(...tagNames),
      ],
    });
    await fc.assert(
      fc.asyncProperty(anything, async (value) => {
        fc.pre(value !== undefined);
        expect(await roundTrip(extended, value)).toEqual(value);
      }),
      { numRuns: 2_000 },
    );
  });

  const forms: readonly (readonly [unknown, string])[] = [
    [new Date("2026-01-31T12:00:00Z"), '{"$date":"2026-01-31T12:00:00.000Z"}'],
    [new Date(Number.NaN), '{"$date":null}'],
    [new Date(-8.64e15), '{"$date":"-271821-04-20T00:00:00.000Z"}'],
    [new Map([["a", new Set([1n])]]), '{"$map":[["a",{"$set":[{"$bigint":"1"}]}]]}'],
    [new Uint8Array([0, 255]), '{"$bytes":"AP8="}'],
    [[-0, Number.NaN, -Infinity], '[{"$number":"-0"},{"$number":"NaN"},{"$number":"-Infinity"}]'],
    [[undefined], '[{"$undefined":true}]'],
    [{ $date: 1 }, '{"$$date":1}'],
    [{ $$date: { $: [] } }, '{"$$$date":{"$$":[]}}'],
    [{ $date: 1, $map: undefined }, '{"$$date":1}'],
    [{ $date: 1, $map: 2 }, '{"$date":1,"$map":2}'],
  ];

  test.each(forms)("%o is written as %s", async (value, text) => {
    expect(await written(extended, value)).toBe(text);
    expect(await extended.decode(bytesOf(text))).toEqual(value);
  });

  test("bytes are copied, a Buffer comes back as a Uint8Array, and a view is only what it shows", async () => {
    const back = await roundTrip(extended, [Buffer.from("hi"), new Uint8Array([1, 2, 3, 4]).subarray(1, 3)]);
    expect(back).toStrictEqual([new Uint8Array([104, 105]), new Uint8Array([2, 3])]);
  });

  test("what is made in another realm survives", async () => {
    const value = runInNewContext("({ at: new Date(0), seen: new Map([[1, new Set([2n])]]) })");
    expect(await roundTrip(extended, value)).toEqual({
      at: new Date(0),
      seen: new Map([[1, new Set([2n])]]),
    });
  });

  test("a class of one's own, or a property of one's own, is refused: it would not come back", async () => {
    class Moment extends Date {}
    const values = [
      new Moment(),
      Object.assign(new Map(), { a: 1 }),
      /x/,
      new Error("x"),
      new Float64Array(1),
    ];
    for (const value of [...values, new (class extends Array {})(), new WeakMap()])
      expect((await refusalOf(() => extended.encode(value))).message).toMatch(
        /an instance of|properties of its own/,
      );
  });

  test("what can be written at the bound of levels can be read", async () => {
    let value: unknown = 1n;
    for (let level = 0; level < 250; level += 1) value = new Map([[1, value]]);
    expect(await roundTrip(extended, value)).toEqual(value);
    const pair = [value];
    expect((await refusalOf(() => extended.encode(pair))).message).toMatch(/500 levels/);
  });

  test.each([
    '{"$regex":"x"}',
    '{"$date":"yesterday"}',
    '{"$date":1}',
    '{"$bigint":"1.5"}',
    '{"$bigint":7}',
    '{"$number":"7"}',
    '{"$map":[[1]]}',
    '{"$map":{}}',
    '{"$set":1}',
    '{"$undefined":false}',
    '{"$__proto__":1}',
  ])("%s is refused on reading", async (text) => {
    const error = await refusalOf(() => extended.decode(bytesOf(`{"a":[${text}]}`)));
    expect(error.issues[0]?.path).toEqual(["a", 0]);
    expect(error.message).toMatch(
      /stands for nothing that this version knows.* What is stored stays as it is$/,
    );
    expect(error.value).toEqual(bytesOf(`{"a":[${text}]}`));
  });
});

describe.each([
  ["plain", plain],
  ["extended", extended],
])("reading %s JSON", (_, codec) => {
  test.each([
    ["nothing", "", /not JSON/],
    ["half a text", '{"a":', /not JSON/],
    ["__proto__", '{"a":[{"__proto__":{"polluted":true}}]}', /a\[0\]\.__proto__: .*changes prototypes/],
    ["__proto__ in disguise", '{"\\u005f_proto__":{"polluted":true}}', /changes prototypes/],
    ["constructor.prototype", '{"constructor":{"prototype":{"polluted":true}}}', /changes prototypes/],
    ["a million levels", "[".repeat(1_000_000) + "]".repeat(1_000_000), /more than 500 levels/],
  ])("%s is a typed error that keeps the bytes", async (__, text, message) => {
    const bytes = bytesOf(text);
    const error = await refusalOf(() => codec.decode(bytes));
    expect(error.message).toMatch(message);
    expect(error.value).toBe(bytes);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("bytes that are not UTF-8 are a typed error", async () => {
    expect((await refusalOf(() => codec.decode(new Uint8Array([34, 0xff, 34])))).message).toMatch(
      /not UTF-8/,
    );
  });

  test("whatever stands there, it is a value or a typed error", async () => {
    const foreign = fc.anything({ key: keys, values: [fc.constantFrom(1, "1", null, "AA==")] });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          foreign.map((value) => JSON.stringify(value) ?? ""),
          fc.json(),
          fc.string(),
        ),
        async (text) => {
          try {
            await codec.decode(bytesOf(text));
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidValueError);
          }
        },
      ),
      { numRuns: 1_000 },
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
