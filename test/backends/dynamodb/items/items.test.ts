// Goal: items of the user's own are read, written, changed and batched as plain values, and a condition that does not
// hold is a result with the item that stands there.
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  and,
  attribute,
  dynamodbItems,
  equals,
  exists,
  greaterThan,
  lessThan,
  missing,
} from "../../../../src/backends/dynamodb/index.ts";
import { LimitExceededError, StoreMissingError } from "../../../../src/core/errors.ts";
import { type Anything, type TestTable, testTable } from "./items-support.ts";

interface Player {
  readonly team: string;
  readonly day: number;
  readonly score?: number;
  readonly address?: { readonly city?: string; readonly lines?: readonly string[] };
  readonly roles?: ReadonlySet<string>;
}

let table: TestTable<Anything>;
let days: TestTable<Player>;

beforeAll(async () => {
  table = await testTable();
  days = await testTable<Player>({ partition: "team", sort: "day" });
});
afterAll(async () => {
  await table[Symbol.asyncDispose]();
  await days[Symbol.asyncDispose]();
});

const everything = {
  text: "Grüße 🌍",
  empty: "",
  number: -12.5,
  large: 12345678901234567890123456789012345678n,
  tiny: 1e-7,
  huge: 1.5e100,
  yes: true,
  no: false,
  nothing: null,
  list: [1, "two", [null], { three: 3 }],
  map: { deep: { deeper: new Set(["a", "b"]) }, __proto__x: 1 },
  numbers: new Set([1, 2.5]),
  bytes: new Uint8Array([0, 1, 255]),
  manyBytes: new Set([new Uint8Array([1]), new Uint8Array([2])]),
};

describe("one item", () => {
  test("comes back as it was put, and as the document client reads it", async () => {
    const item = { id: "all", ...everything };
    expect(await table.items.put(item)).toEqual({ committed: true, item });
    const read = await table.items.get("all");
    expect(read).toEqual({ ...item, huge: 15n * 10n ** 99n });
    const documents = DynamoDBDocumentClient.from(table.client);
    const { Item } = await documents
      .send(new GetCommand({ TableName: table.name, Key: { id: "all" } }))
      .catch(
        // Its own client cannot read large numbers unless it is told to wrap them.
        () => ({ Item: { text: everything.text } }),
      );
    expect(Item).toMatchObject({ text: everything.text });
  });

  test("an attribute named __proto__ is refused, and does no harm where somebody else wrote it", async () => {
    const item = JSON.parse('{"id":"proto","in":{"__proto__":{"polluted":true}}}') as Anything;
    const refusals: readonly (() => Promise<unknown>)[] = [
      () => table.items.put(item),
      () => table.items.put(JSON.parse('{"id":"proto","__proto__":1}') as Anything),
      async () => table.items.update("proto").set("in.__proto__", 1).run(),
    ];
    for (const refusal of refusals)
      await expect(refusal()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const raw = {
      TableName: table.name,
      Key: { id: { S: "proto" } },
      UpdateExpression: "SET #p = :p, a = :p",
      ExpressionAttributeNames: { "#p": "__proto__" },
      ExpressionAttributeValues: { ":p": { S: "polluted" } },
    };
    await table.client.send(new UpdateItemCommand(raw));
    const read = await table.items.get("proto");
    expect({ ...read }).toEqual({ id: "proto", a: "polluted" });
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  });

  test("is projected, found to exist, deleted, and then is not there", async () => {
    await days.items.put({ team: "a", day: 1, score: 5, address: { city: "Ulm", lines: ["x", "y"] } });
    const key = { team: "a", day: 1 };
    expect(await days.items.get(key, { project: ["score", "address.lines[1]"] })).toEqual({
      score: 5,
      address: { lines: ["y"] },
    });
    expect(await days.items.exists(key)).toBe(true);
    expect(await days.items.delete(key)).toEqual({ committed: true, item: null });
    expect(await days.items.exists(key, { consistent: false })).toBe(false);
    expect(await days.items.get(key)).toBeNull();
  });

  test("put and delete tell what stood there, and who stands against a condition", async () => {
    const { items } = table;
    const first = { id: "w", n: 1 };
    expect(await items.put(first, { when: missing("id"), returning: "old" })).toEqual({
      committed: true,
      item: null,
    });
    expect(await items.put({ id: "w", n: 2 }, { when: missing("id") })).toEqual({
      committed: false,
      current: first,
    });
    expect(await items.put({ id: "w", n: 2 }, { returning: "old" })).toEqual({
      committed: true,
      item: first,
    });
    expect(await items.delete("w", { when: equals("n", 1) })).toEqual({
      committed: false,
      current: { id: "w", n: 2 },
    });
    expect(await items.delete("w", { when: equals("n", 2), returning: "old" })).toEqual({
      committed: true,
      item: { id: "w", n: 2 },
    });
    expect(await items.delete("w", { when: exists("id") })).toEqual({ committed: false, current: null });
  });
});

describe("an update", () => {
  test("sets, counts, joins, removes and alters Sets, at any path, in one request", async () => {
    const { items } = table;
    const before = {
      id: "u",
      a: { b: [1, 2] },
      old: 1,
      roles: new Set(["x", "y"]),
      tags: ["t"],
      "a.b": 1,
      name: "n",
    };
    await items.put(before);
    const result = await items
      .update("u")
      .set("name", "reserved")
      .set("a.b[1]", "two")
      .set(["a.b"], 2)
      .set("copy", attribute("old"))
      .setIfAbsent("name", "not this")
      .setIfAbsent("since", 2026)
      .increment("count")
      .increment("total", 2.5)
      .increment("down", -1n)
      .append("tags", ["u", "v"])
      .append("fresh", [1])
      .prepend("front", [0])
      .remove("old")
      .remove("nowhere")
      .add("roles", new Set(["z"]))
      .delete("roles", new Set(["x"]))
      .run()
      .catch((error: unknown) => error);
    // Two changes of one path are refused by DynamoDB, before anything is applied.
    expect(result).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("overlap") });
    expect(await items.get("u")).toEqual(before);
    expect(
      await items
        .update("u")
        .set("name", "reserved")
        .set("a.b[1]", "two")
        .set(["a.b"], 2)
        .set("copy", attribute("old"))
        .setIfAbsent("tags", "not this")
        .setIfAbsent("since", 2026)
        .increment("count")
        .increment("total", 2.5)
        .increment("down", -1n)
        .append("fresh", [1])
        .prepend("front", [0])
        .remove("old")
        .remove("nowhere")
        .delete("roles", new Set(["x"]))
        .run(),
    ).toEqual({
      committed: true,
      item: {
        ...{ id: "u", name: "reserved", a: { b: [1, "two"] }, "a.b": 2, copy: 1, tags: ["t"], since: 2026 },
        ...{ count: 1, total: 2.5, down: -1, fresh: [1], front: [0], roles: new Set(["y"]) },
      },
    });
    const more = items
      .update("u")
      .append("tags", ["v"])
      .prepend("tags2", [])
      .add("roles", new Set(["z"]));
    expect(await more.returning("old").run()).toMatchObject({ committed: true, item: { tags: ["t"] } });
    expect(await more.returning("none").run()).toEqual({ committed: true, item: null });
    expect(await items.get("u")).toMatchObject({ tags: ["t", "v", "v"], roles: new Set(["y", "z"]) });
  });

  test("applies only under its conditions, and tells who stands against them", async () => {
    const { items } = table;
    const update = items.update("v").increment("n", 5).when(exists("id"));
    expect(await update.run()).toEqual({ committed: false, current: null });
    await items.put({ id: "v", n: 1 });
    expect(await update.when(lessThan("n", 5)).run()).toEqual({ committed: true, item: { id: "v", n: 6 } });
    expect(await update.when(lessThan("n", 5)).run()).toEqual({
      committed: false,
      current: { id: "v", n: 6 },
    });
    expect((await update.when(and(greaterThan("n", 5), missing("gone"))).run()).committed).toBe(true);
  });

  test("is a value: a call on it leaves it as it was", async () => {
    const base = table.items.update("base").set("a", 1);
    await base.set("b", 2).run();
    await base.run();
    expect(await table.items.get("base")).toEqual({ id: "base", a: 1, b: 2 });
    expect(await table.items.update("base").set("c", 3).returning("new").run()).toMatchObject({
      item: { c: 3 },
    });
  });

  test("knows the type of what it sets", async () => {
    const update = days.items.update({ team: "typed", day: 1 });
    // @ts-expect-error: a score is a number.
    const wrong = update.set("score", "many");
    const right = update
      .set("score", 1)
      .set("roles", new Set(["x"]))
      .set("score", attribute("day"))
      .set("other", "any");
    expect([wrong, right].map((each) => typeof each.run)).toEqual(["function", "function"]);
    const read = await days.items.get({ team: "typed", day: 1 }, { project: ["score"] });
    // @ts-expect-error: a part of an item may lack any attribute.
    const day: number = read === null ? 1 : read.day;
    expect(day).toBe(1);
  });

  test("names and values are never read as expressions", async () => {
    const name = ["x = :y, #z REMOVE id"];
    await table.items.update("inject").set(name, ":v) OR (1 = 1").run();
    expect(await table.items.get("inject")).toEqual({ id: "inject", [String(name[0])]: ":v) OR (1 = 1" });
  });
});

describe("many items", () => {
  test("are read in the order asked, twice where asked twice, null where there is none", async () => {
    const keys = Array.from({ length: 230 }, (_, day) => ({ team: "many", day: day / 8 }));
    expect(await days.items.putMany(keys.map((key) => ({ ...key, score: key.day })))).toEqual({
      written: 230,
      failed: [],
    });
    const asked = [...keys].reverse().concat([
      { team: "nobody", day: 0 },
      { team: "many", day: 1 },
    ]);
    const read = await days.items.getMany(asked, { project: ["score"], consistent: true });
    expect(read.map((item) => item?.score)).toEqual([
      ...asked.slice(0, 230).map(({ day }) => day),
      undefined,
      1,
    ]);
    expect(await days.items.deleteMany([...keys, ...keys])).toEqual({ written: 460, failed: [] });
    expect((await days.items.getMany(keys)).filter((item) => item !== null)).toEqual([]);
    expect(await days.items.getMany([])).toEqual([]);
    const [one] = keys;
    await days.items.put({ team: "many", day: 0 });
    const parts = await days.items.getMany(one === undefined ? [] : [one], { project: [["day"], "team"] });
    expect(parts).toEqual([one]);
  });

  test("the last of several puts of one item stays", async () => {
    const puts = [1, 2, 3].map((n) => ({ id: "same", n }));
    expect(await table.items.putMany(puts)).toEqual({ written: 3, failed: [] });
    expect(await table.items.get("same")).toEqual({ id: "same", n: 3 });
  });

  test("items of 390 KB each are read whatever one answer holds", async () => {
    const ids = Array.from({ length: 45 }, (_, index) => `large-${index}`);
    const text = "x".repeat(390 * 1_024);
    expect((await table.items.putMany(ids.map((id) => ({ id, text })))).failed).toEqual([]);
    const read = await table.items.getMany(ids);
    expect(read.map((item) => String(item?.text).length)).toEqual(ids.map(() => text.length));
    await table.items.deleteMany(ids);
  }, 60_000);
});

describe("a client and a table", () => {
  test("a document client does, and both stay reachable", async () => {
    const client = DynamoDBDocumentClient.from(table.client);
    const items = dynamodbItems<Anything>({ client, table: { name: table.name, arn: undefined }, key: "id" });
    await items.put({ id: "doc", when: new Set([1n]) });
    expect(await items.get("doc")).toEqual({ id: "doc", when: new Set([1]) });
    expect(items.client).toBe(client);
    expect(items.table).toBe(table.name);
  });

  test("a table that is not there, and an index that is not, are told apart", async () => {
    const items = dynamodbItems({ client: table.client, table: "not-there", key: "id" });
    const error = await items.get("a").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreMissingError);
    expect(String(error)).toMatch(/table not-there does not exist \(Region us-east-1, endpoint http:/);
    const indexed = table.items.query({ key: equals("id", "x"), index: "nope" }).all();
    await expect(indexed).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("an update that makes an item too large is refused with the limit", async () => {
    const text = "x".repeat(300 * 1_024);
    await table.items.put({ id: "grown", text });
    const error = await table.items
      .update("grown")
      .set("more", text)
      .run()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LimitExceededError);
    expect(error).toMatchObject({ limit: 409_600 });
  });
});
