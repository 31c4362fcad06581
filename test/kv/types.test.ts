// Goal: the types of key-value stores are those of their schemas and codecs, also in namespaces within them. What is
// claimed of types is checked by the compiler, in `npm run typecheck`; what is claimed of values, here.
import { afterAll, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  bytesCodec,
  type Codec,
  connect,
  jsonCodec,
  type KeyValue,
  type KeyValueOptions,
  type StandardSchema,
  schemaCodec,
  textCodec,
} from "../../src/index.ts";

const coordinator = await connect("memory:");
afterAll(() => coordinator.close());

const extended = jsonCodec({ extended: true });
const person = z.object({ name: z.string(), visits: z.number().default(0) });
const dated = z.object({ at: z.date().default(() => new Date(0)) });
type Person = z.output<typeof person>;
type PersonIn = z.input<typeof person>;
type Dated = z.output<typeof dated>;
type DatedIn = z.input<typeof dated>;

test("a schema says the types, whatever the codec beneath it", async () => {
  const store = coordinator.kv("dated", { schema: dated, codec: jsonCodec({ extended: true }) });
  expectTypeOf(store).toEqualTypeOf<KeyValue<Dated, DatedIn>>();
  await store.set("default", {});
  await store.set("given", { at: new Date(7) });
  expect(await store.getMany(["default", "given"])).toMatchObject([
    { value: { at: new Date(0) } },
    { value: { at: new Date(7) } },
  ]);
  // @ts-expect-error the schema wants a date
  await expect(store.set("wrong", { at: "today" })).rejects.toThrow(/at: /);

  expectTypeOf(coordinator.kv("a", { schema: person })).toEqualTypeOf<KeyValue<Person, PersonIn>>();
  expectTypeOf(coordinator.kv("a", { schema: person, codec: extended, ttl: "1m", history: 2 })).toEqualTypeOf<
    KeyValue<Person, PersonIn>
  >();
  expectTypeOf(
    coordinator.kv<Person, PersonIn>("a", { schema: person, codec: jsonCodec({ extended: true }) }),
  ).toEqualTypeOf<KeyValue<Person, PersonIn>>();
  expectTypeOf(
    coordinator.kv("a", { schema: person, codec: jsonCodec<PersonIn>({ extended: true }) }),
  ).toEqualTypeOf<KeyValue<Person, PersonIn>>();
});

test("a schema over a codec of fewer values takes what that holds", async () => {
  const length = z.string().transform((text) => text.length);
  const store = coordinator.kv("lengths", { schema: length, codec: textCodec });
  expectTypeOf(store).toEqualTypeOf<KeyValue<number, string>>();
  await store.set("a", "four");
  expect((await store.get("a"))?.value).toBe(4);
  // @ts-expect-error text is no object
  const impossible = coordinator.kv("impossible", { schema: person, codec: textCodec });
  await expect(impossible.set("a", { name: "Ada" } as never)).rejects.toThrow(/cannot be written/);
});

test("without a schema the types are the codec's, or what the caller says", () => {
  expectTypeOf(coordinator.kv("a")).toEqualTypeOf<KeyValue<unknown>>();
  expectTypeOf(coordinator.kv("a", { ttl: "1m" })).toEqualTypeOf<KeyValue<unknown>>();
  expectTypeOf(coordinator.kv<Person>("a", { ttl: "1m" })).toEqualTypeOf<KeyValue<Person>>();
  expectTypeOf(coordinator.kv("a", { codec: textCodec })).toEqualTypeOf<KeyValue<string>>();
  expectTypeOf(coordinator.kv("a", { codec: schemaCodec(person, extended) })).toEqualTypeOf<
    KeyValue<Person, PersonIn>
  >();
  // @ts-expect-error bytes are no text
  coordinator.kv<string>("a", { codec: bytesCodec });
  const options: KeyValueOptions<Person, PersonIn> = { schema: person };
  expectTypeOf(coordinator.kv("a", options)).toEqualTypeOf<KeyValue<Person, PersonIn>>();
  const open = <T>(schema: StandardSchema<T>, codec: Codec<T>) => coordinator.kv("a", { schema, codec });
  expectTypeOf(open(z.string(), textCodec)).toEqualTypeOf<KeyValue<string>>();
});

test("a namespace within has the types of the outer one, unless it has a schema or codec of its own", async () => {
  const outer = coordinator.kv("outer", { schema: dated, codec: extended });
  const inner = outer.namespace("inner", { ttl: "1m" });
  expectTypeOf(inner).toEqualTypeOf<KeyValue<Dated, DatedIn>>();
  await inner.set("a", {});
  expect((await inner.get("a"))?.value.at).toEqual(new Date(0));

  expectTypeOf(outer.namespace("b")).toEqualTypeOf<KeyValue<Dated, DatedIn>>();
  expectTypeOf(outer.namespace("b", {})).toEqualTypeOf<KeyValue<Dated, DatedIn>>();
  expectTypeOf(outer.namespace("b", { schema: person })).toEqualTypeOf<KeyValue<Person, PersonIn>>();
  expectTypeOf(outer.namespace("b", { schema: person, codec: extended })).toEqualTypeOf<
    KeyValue<Person, PersonIn>
  >();
  expectTypeOf(outer.namespace("b", { codec: textCodec })).toEqualTypeOf<KeyValue<string>>();
  expectTypeOf(outer.namespace<Person>("b", { ttl: "1m" })).toEqualTypeOf<KeyValue<Person>>();
  const options: KeyValueOptions<Person, PersonIn> = { schema: person };
  expectTypeOf(outer.namespace("b", options)).toEqualTypeOf<KeyValue<Person, PersonIn>>();
});

test("what the caller expects reaches the codec", () => {
  // @ts-expect-error explicit types are those of the schema
  coordinator.kv<Person>("a", { schema: person, codec: extended });
  expectTypeOf(coordinator.kv<Date>("a", { codec: jsonCodec({ extended: true }) })).toEqualTypeOf<
    KeyValue<Date>
  >();
  const outer = coordinator.kv<Person>("a");
  const dates: readonly KeyValue<Date>[] = [
    coordinator.kv("a", { codec: jsonCodec({ extended: true }) }),
    coordinator.kv("a", { ttl: "1m" }),
    outer.namespace("b", { codec: jsonCodec({ extended: true }) }),
    coordinator.kv<Date>("a", { schema: z.date(), codec: jsonCodec({ extended: true }) }),
    outer.namespace<Date>("b", { ttl: "1m" }),
  ];
  expect(dates).toHaveLength(5);
});
