// Goal: a schema of any library decides what is written and what is read, with its types. What it refuses stays as it
// is, and the error keeps the value.
import { type } from "arktype";
import * as v from "valibot";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  bytesCodec,
  type Codec,
  InvalidArgumentError,
  InvalidValueError,
  jsonCodec,
  type StandardSchema,
  schemaCodec,
  textCodec,
} from "../../src/index.ts";

const extended = (): Codec<unknown> => jsonCodec({ extended: true });
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

async function refusalOf(work: () => unknown): Promise<InvalidValueError> {
  const error = await (async () => work())().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidValueError);
  return error as InvalidValueError;
}

interface User {
  name: string;
  age: number;
}

const libraries: readonly (readonly [string, Codec<User>])[] = [
  ["zod", schemaCodec(z.object({ name: z.string(), age: z.number().min(0) }))],
  ["valibot", schemaCodec(v.object({ name: v.string(), age: v.pipe(v.number(), v.minValue(0)) }))],
  ["arktype", schemaCodec(type({ name: "string", age: "number >= 0" }))],
];

test.each(libraries)("%s: what it accepts comes back", async (_, codec) => {
  expect(codec.type).toBe("json");
  expect(await codec.decode(await codec.encode({ name: "Ada", age: 36 }))).toEqual({ name: "Ada", age: 36 });
});

test.each(libraries)(
  "%s: what it refuses is not written, and the error says where and keeps it",
  async (_, codec) => {
    const value = { name: "Ada", age: -1 };
    const error = await refusalOf(() => codec.encode(value));
    expect(error.issues).toEqual([{ path: ["age"], message: expect.stringMatching(/./) }]);
    expect(error.value).toBe(value);
    expect(error.message).toMatch(/^a value cannot be written: age: .+ Nothing was written$/);
  },
);

test.each(libraries)("%s: what is stored and refused is kept", async (_, codec) => {
  const bytes = bytesOf({ name: 7, age: -1 });
  const before = Buffer.from(bytes);
  const error = await refusalOf(() => codec.decode(bytes));
  expect(error.issues.map(({ path }) => path).sort()).toEqual([["age"], ["name"]]);
  expect(error.value).toEqual({ name: 7, age: -1 });
  expect(error.message).toMatch(/^a value cannot be read: .+ What is stored stays as it is$/);
  expect(Buffer.compare(before, bytes)).toBe(0);
});

test("what is written is what was given, what is read is what the schema makes of it", async () => {
  const schema = z.object({
    at: z.iso.datetime().transform((text) => new Date(text)),
    tries: z.number().default(0),
  });
  const codec = schemaCodec(schema);
  expectTypeOf(codec).toEqualTypeOf<
    Codec<{ at: Date; tries: number }, { at: string; tries?: number | undefined }>
  >();
  const bytes = await codec.encode({ at: "2026-01-31T12:00:00Z" });
  expect(Buffer.from(bytes).toString()).toBe('{"at":"2026-01-31T12:00:00Z"}');
  expect(await codec.decode(bytes)).toEqual({ at: new Date("2026-01-31T12:00:00Z"), tries: 0 });
});

test("types are inferred from every library", () => {
  expectTypeOf(schemaCodec(v.pipe(v.string(), v.transform(Number)))).toEqualTypeOf<Codec<number, string>>();
  expectTypeOf(schemaCodec(type("string.numeric.parse"))).toEqualTypeOf<Codec<number, string>>();
  // @ts-expect-error: the bytes of a text are no user.
  schemaCodec(z.object({ name: z.string() }), textCodec);
});

test("asynchronous schemas work", async () => {
  const known = schemaCodec(
    z.string().refine(async (name) => (await Promise.resolve(name)) === "ada", "nobody's name"),
  );
  expect(await known.decode(await known.encode("ada"))).toBe("ada");
  expect((await refusalOf(() => known.encode("bob"))).issues).toEqual([
    { path: [], message: "nobody's name" },
  ]);
  const checked = schemaCodec(
    v.pipeAsync(
      v.string(),
      v.checkAsync(async (text) => text !== "x", "no x"),
    ),
  );
  expect((await refusalOf(() => checked.decode(bytesOf("x")))).message).toMatch(/no x/);
});

test("an inner codec holds what JSON cannot", async () => {
  const codec = schemaCodec(z.object({ at: z.date(), seen: z.map(z.string(), z.bigint()) }), extended());
  const value = { at: new Date(0), seen: new Map([["a", 1n]]) };
  expect(codec.type).toBe("extended-json");
  expect(await codec.decode(await codec.encode(value))).toEqual(value);
  const mail = schemaCodec(z.email(), textCodec);
  expect(Buffer.from(await mail.encode("ada@example.com")).toString()).toBe("ada@example.com");
  const picture = schemaCodec(z.instanceof(Uint8Array), bytesCodec);
  expect(await picture.decode(await picture.encode(new Uint8Array([1])))).toEqual(new Uint8Array([1]));
});

test("what the inner codec refuses is refused", async () => {
  const dates = schemaCodec(z.object({ at: z.date() }));
  const error = await refusalOf(() => dates.encode({ at: new Date(0) }));
  expect(error.message).toMatch(/at: a Date would not come back from JSON/);
  const bytes = Buffer.from("{");
  expect((await refusalOf(() => dates.decode(bytes))).value).toBe(bytes);
});

test("what could be written and not read again is refused in time", async () => {
  // A Buffer comes back as a Uint8Array, which this schema does not take.
  const codec = schemaCodec(z.custom<Buffer>(Buffer.isBuffer, "no Buffer"), extended());
  const error = await refusalOf(() => codec.encode(Buffer.from("x")));
  expect(error.message).toMatch(/cannot be written: no Buffer/);
});

test("what is written is the value at the time of the call, whatever becomes of it meanwhile", async () => {
  const codec = schemaCodec(z.array(z.number()).refine(async () => true));
  const value = [1];
  const bytes = codec.encode(value);
  value.push("two" as never);
  expect(await codec.decode(await bytes)).toEqual([1]);
});

function schemaOf<T>(validate: StandardSchema<T>["~standard"]["validate"]): StandardSchema<T> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

test("a schema that changes its argument changes neither what is written nor what an error keeps", async () => {
  const codec = schemaCodec(
    schemaOf<{ n: number }>((value) => {
      const given = value as { n: number };
      given.n += 1;
      return given.n > 10 ? { issues: [{ message: "large", path: [{ key: "n" }] }] } : { value: given };
    }),
  );
  const value = { n: 1 };
  const bytes = await codec.encode(value);
  expect([value, await codec.decode(bytes)]).toEqual([{ n: 1 }, { n: 2 }]);
  const error = await refusalOf(() => codec.decode(bytesOf({ n: 10 })));
  expect(error).toMatchObject({ value: { n: 10 }, issues: [{ path: ["n"], message: "large" }] });
});

test("a schema that throws refuses", async () => {
  const failure = new Error("no connection to the list of names");
  const codec = schemaCodec(
    schemaOf<string>(() => {
      throw failure;
    }),
  );
  for (const work of [() => codec.encode("a"), () => codec.decode(bytesOf("a"))]) {
    const error = await refusalOf(work);
    expect(error).toMatchObject({ cause: failure, value: "a" });
    expect(error.message).toMatch(/the schema threw Error: no connection/);
  }
});

test("a message shows three issues, and where each is", async () => {
  const codec = schemaCodec(z.record(z.string(), z.array(z.number())));
  const value = { a: ["x", 1, "y"], "two words": ["z", "w"] } as never;
  const error = await refusalOf(() => codec.encode(value));
  expect(error.issues).toHaveLength(4);
  expect(error.message).toMatch(
    /written: a\[0\]: .*; a\[2\]: .*; \["two words"\]\[0\]: .*; and 1 more\. Nothing/,
  );
});

test("what is no Standard Schema is refused", () => {
  for (const schema of [undefined, null, {}, { parse: () => 1 }, "string"])
    expect(() => schemaCodec(schema as never)).toThrow(InvalidArgumentError);
});
