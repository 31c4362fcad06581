// Goal: through a key-value store, what is read is what was written, however it is compressed and whoever reads it; and
// what a schema refuses stays where it is.
import { type } from "arktype";
import fc from "fast-check";
import * as v from "valibot";
import { afterAll, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import {
  type CompressionAlgorithm,
  createCoordinator,
  InvalidValueError,
  jsonCodec,
  type KeyValue,
  leave,
  textCodec,
} from "../../src/index.ts";

const backend = memoryBackend();
const here = createCoordinator(backend);
const there = createCoordinator(backend);
afterAll(() => Promise.all([here.close(), there.close()]));

test("types come from the schema, of every library", () => {
  const schema = z.object({ name: z.string(), visits: z.number().default(0) });
  expectTypeOf(here.kv("users", { schema })).toEqualTypeOf<
    KeyValue<{ name: string; visits: number }, { name: string; visits?: number | undefined }>
  >();
  expectTypeOf(here.kv("a", { schema: v.object({ n: v.number() }) })).toEqualTypeOf<
    KeyValue<{ n: number }>
  >();
  expectTypeOf(here.kv("b", { schema: type({ n: "number" }) })).toEqualTypeOf<KeyValue<{ n: number }>>();
  expectTypeOf(here.kv("c", { codec: textCodec })).toEqualTypeOf<KeyValue<string>>();
});

test("anything comes back, whichever compression wrote it and whichever reads it", async () => {
  const codec = jsonCodec({ extended: true });
  const anything = fc.anything({
    key: fc.string().filter((key) => key !== "__proto__" && key !== "constructor"),
    withDate: true,
    withMap: true,
    withSet: true,
    withBigInt: true,
  });
  const algorithms: readonly (CompressionAlgorithm | undefined)[] = [
    undefined,
    "gzip",
    "deflate",
    "brotli",
    "zstd",
  ];
  const store = (of: typeof here, algorithm: CompressionAlgorithm | undefined): KeyValue<unknown> =>
    of.kv("anything", { codec, ...(algorithm && { compression: { algorithm, thresholdBytes: 0 } }) });
  await fc.assert(
    fc.asyncProperty(
      anything,
      fc.nat({ max: 100 }),
      fc.nat(4),
      fc.nat(4),
      async (value, times, writer, reader) => {
        const values = Array.from({ length: times }, () => value);
        await store(here, algorithms[writer]).set("key", values);
        expect((await store(there, algorithms[reader]).get("key"))?.value).toEqual(values);
      },
    ),
  );
});

test("what a schema refuses stays as it is, whatever is asked of it", async () => {
  const users = here.kv("strict", { schema: z.object({ name: z.string() }) });
  const anyone = there.kv<unknown>("strict");
  await anyone.set("bob", { name: 7 });
  const before = await anyone.get("bob");
  const calls = [
    () => users.get("bob"),
    () => users.update("bob", () => ({ name: "Bob" })),
    // @ts-expect-error its values are no numbers
    () => users.increment("bob"),
    () => users.set("bob", { name: 8 as never }),
    () => users.set("bob", { name: "Bob" }, { if: () => true }),
  ];
  for (const call of calls) {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(InvalidValueError);
    expect(error).toMatchObject({ key: "bob", issues: [{ path: ["name"] }] });
    expect((error as Error).message).toMatch(/^the value of "bob" cannot be (read|written): name: /);
  }
  expect(await anyone.get("bob")).toEqual(before);
  // To replace it is to decide what becomes of it.
  expect((await users.set("bob", { name: "Bob" })).committed).toBe(true);
});

test("a codec that shares its bytes changes nothing that is stored", async () => {
  const raw = { type: "raw", encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes };
  const store = here.kv("raw", { codec: raw, history: 3 });
  const given = new Uint8Array([1]);
  const written = store.set("key", given);
  given.fill(2);
  await written;
  given.fill(3);
  await store.update("key", (current) => {
    current?.fill(4);
    return new Uint8Array([5]);
  });
  const history = await there.kv("raw", { codec: raw }).history("key");
  expect(history.map((entry) => "value" in entry && [...entry.value])).toEqual([[1], [5]]);
});

test("the schema of a nested namespace takes the place of the outer one", async () => {
  const outer = here.kv("outer", {
    codec: jsonCodec({ extended: true }),
    schema: z.object({ name: z.string() }),
  });
  const inner = outer.namespace("inner", { schema: z.object({ at: z.date() }) });
  await inner.set("key", { at: new Date(0) });
  expect((await inner.get("key"))?.value).toEqual({ at: new Date(0) });
  const same = outer.namespace("same");
  await expect(same.set("key", { name: 1 as never })).rejects.toThrow(InvalidValueError);
});

test("what is decided with a promise is decided in view of what stands there, and not of what was remembered", async () => {
  const schema = z.number();
  const [mine, theirs] = [here.kv("remembered", { schema }), there.kv<number>("remembered")];
  const changes: readonly (() => Promise<{ readonly committed: boolean }>)[] = [
    () => mine.set("key", 3, { if: (entry) => entry?.value === 2 }),
    () => mine.update("key", async (value) => (value === 2 ? 3 : leave)),
    () => mine.update("key", async (value) => (value === 1 ? Promise.reject(new Error("old")) : 3)),
  ];
  for (const change of changes) {
    await mine.set("key", 1);
    await theirs.set("key", 2);
    expect(await change()).toMatchObject({ committed: true });
    expect((await theirs.get("key"))?.value).toBe(3);
  }
});

test("a value of another codec is refused, and stays as it is", async () => {
  await here.kv("codecs").set("key", { a: 1 });
  const error = await there
    .kv("codecs", { codec: textCodec })
    .get("key")
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "INVALID_VALUE",
    key: "key",
    value: new TextEncoder().encode('{"a":1}'),
  });
  expect((await there.kv("codecs").get("key"))?.value).toEqual({ a: 1 });
});
