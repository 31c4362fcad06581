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
