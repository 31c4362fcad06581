// Goal: Keyv works on a store of leasehold as on its own: its published test suite passes, and both generations of it
// share values, times to live and namespaces between processes.
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import Keyv from "keyv";
import Keyv6 from "keyv-6";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { keyvStore } from "../../src/adapters/keyv.ts";
import { connect } from "../../src/index.ts";

const coordinator = await connect("memory:");
afterAll(() => coordinator.close());

describe("the test suite of Keyv", () => {
  const vitest = { it: test, beforeEach, afterEach: () => undefined, expect } as never;
  keyvTestSuite(vitest, Keyv, () => keyvStore(coordinator, { name: "suite" }) as never);
  keyvIteratorTests(vitest, Keyv, () => keyvStore(coordinator, { name: "suite" }) as never);
});

describe.each([
  ["Keyv 5", Keyv],
  ["Keyv 6", Keyv6 as unknown as typeof Keyv],
])("%s", (_name, Each) => {
  const open = (namespace?: string) =>
    new Each({ store: keyvStore(coordinator, { name: `own ${_name}` }), ...(namespace && { namespace }) });

  test("values written by one are read by another, each in its namespace", async () => {
    await open("a").set("x", { of: "a" });
    await open("b").set("x", { of: "b" });
    expect(await open("a").get("x")).toEqual({ of: "a" });
    expect(await open("b").has("x")).toBe(true);
    expect(await open("a").get(["x", "y"])).toEqual([{ of: "a" }, undefined]);
    await open("a").clear();
    expect(await open("a").get("x")).toBeUndefined();
    expect(await open("b").get("x")).toEqual({ of: "b" });
    expect(await open("b").delete("x")).toBe(true);
    expect(await open("b").delete("x")).toBe(false);
  });

  test("a time to live reaches the store, which forgets the value by itself", async () => {
    await open().set("short", 1, 50_000);
    await open().set("endless", 1);
    const kv = coordinator.kv(`own ${_name}`, {
      codec: (await import("../../src/index.ts")).jsonCodec({ extended: true }),
    });
    const entries = await Promise.all(
      (await kv.list().page()).items.map(({ key, ttlMs }) => [key, ttlMs] as const),
    );
    const ttlOf = (name: string) => entries.find(([key]) => key.endsWith(name))?.[1];
    expect(ttlOf("short")).toBeGreaterThan(40_000);
    expect(ttlOf("endless")).toBeNull();
  });

  test("what is there can be iterated over", async () => {
    const keyv = open("iterated");
    await keyv.set("one", 1);
    await keyv.set("two", 2);
    await open("other").set("three", 3);
    const found: unknown[] = [];
    for await (const entry of keyv.iterator?.(undefined) ?? []) found.push(entry);
    expect(found.sort()).toEqual([
      ["one", 1],
      ["two", 2],
    ]);
  });
});

test("what leasehold refuses Keyv tells as an error", async () => {
  const keyv = new Keyv({ store: keyvStore(coordinator), throwOnErrors: true });
  await expect(keyv.set("x".repeat(2_000), 1)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(() => keyvStore(coordinator, { nmae: "x" } as never)).toThrow(/nmae/);
});
