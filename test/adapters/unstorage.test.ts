// Goal: unstorage works on a driver of leasehold: items, raw items, meta data, times to live, keys below a base, watches, and
// several storages over one store.

import { createStorage, prefixStorage } from "unstorage";
import { afterAll, expect, test, vi } from "vitest";
import { unstorageDriver } from "../../src/adapters/unstorage.ts";
import { connect } from "../../src/index.ts";

const coordinator = await connect("memory:");
afterAll(() => coordinator.close());

function open(name: string) {
  return createStorage({ driver: unstorageDriver(coordinator, { name }) });
}

test("items of any JSON come back in another storage, alone and together", async () => {
  const [first, second] = [open("items"), open("items")];
  const values = { text: "hello", number: 7, object: { a: [1, null] }, yes: true, "nested:key": "deep" };
  for (const [key, value] of Object.entries(values)) await first.setItem(key, value);
  for (const [key, value] of Object.entries(values)) expect(await second.getItem(key)).toEqual(value);
  expect(await second.getItem("none")).toBeNull();
  expect(await second.hasItem("text")).toBe(true);
  expect(await second.getItems(["text", "none"])).toEqual([
    { key: "text", value: "hello" },
    { key: "none", value: null },
  ]);
  expect((await second.getKeys()).sort()).toEqual(Object.keys(values).sort());
  expect(await second.getKeys("nested")).toEqual(["nested:key"]);
  await first.removeItem("text");
  expect(await second.hasItem("text")).toBe(false);
});

test("raw items are bytes", async () => {
  const storage = open("raw");
  const bytes = new Uint8Array([0, 255, 10]);
  await storage.setItemRaw("bytes", bytes);
  expect(await storage.getItemRaw("bytes")).toEqual(bytes);
  await storage.setItemRaw("text", "plain");
  expect(await storage.getItem("text")).toBe("plain");
  await expect(storage.setItemRaw("none", 7)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a time to live is in seconds, shows in the meta data, and ends the item", async () => {
  const storage = open("ttl");
  await storage.setItem("short", 1, { ttl: 0.05 });
  await storage.setItem("long", 1, { ttl: 60 });
  const meta = await storage.getMeta("long");
  expect(meta).toMatchObject({ ttl: 60, size: 1 });
  expect(meta.mtime).toBeInstanceOf(Date);
  await vi.waitFor(async () => expect(await storage.hasItem("short")).toBe(false));
  expect(await storage.getKeys()).toEqual(["long"]);
  await expect(storage.setItem("bad", 1, { ttl: -1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("what is cleared below a base leaves the rest", async () => {
  const storage = createStorage().mount("a", unstorageDriver(coordinator, { name: "cleared" }));
  const other = prefixStorage(open("other"), "a");
  await storage.setItem("a:1", 1);
  await storage.setItem("a:2", 2);
  await storage.setItem("b:1", 3);
  await other.setItem("1", 4);
  await storage.clear("a");
  expect(await storage.getKeys()).toEqual(["b:1"]);
  expect(await other.getKeys()).toEqual(["1"]);
  const driver = unstorageDriver(coordinator, { name: "other" });
  await driver.clear("b:");
  expect(await driver.getKeys("")).toEqual(["a:1"]);
  await driver.clear("a:");
  expect(await driver.getKeys("")).toEqual([]);
});

test("watches tell updates and removals of others, until they are ended", async () => {
  const [first, second] = [open("watch"), open("watch")];
  const seen: string[] = [];
  const unwatch = await second.watch((event, key) => void seen.push(`${event} ${key}`));
  await first.setItem("x", 1);
  await vi.waitFor(() => expect(seen).toContain("update x"));
  await first.removeItem("x");
  await vi.waitFor(() => expect(seen).toContain("remove x"));
  await unwatch();
  await second.dispose();
});
