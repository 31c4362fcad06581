// Goal: what a user gets wrong is refused with what was expected and what came, before anything is sent; tables are
// found by the names in the environment.
import { describe, expect, test } from "vitest";
import {
  type DynamodbItemsOptions,
  dynamodbItems,
  dynamodbTransaction,
  equals,
  type ItemKey,
  tableFromEnvironment,
} from "../../../../src/backends/dynamodb/index.ts";
import type { Anything } from "./items-support.ts";

/** Fails the test that sends anything. */
const client = {
  async send(): Promise<never> {
    throw new Error("nothing should have been sent");
  },
};
const items = dynamodbItems<Anything>({ client, table: "users", key: "email" });
const pairs = dynamodbItems<Anything>({ client, table: "users", key: { partition: "user", sort: "day" } });

describe("a key", () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      "empty text",
      () => items.get(""),
      /^email is part of the key and must be .* not empty; got an empty S$/,
    ],
    ["empty bytes", () => items.get(new Uint8Array()), /got an empty B$/],
    ["null", () => items.get(null as never), /^email is part of the key and must be .*; got NULL$/],
    ["undefined", () => items.get(undefined as never), /^email must be .*; got undefined$/],
    ["NaN", () => items.get(Number.NaN), /^email must be .*; got NaN$/],
    ["a boolean", () => items.exists(true as never), /got BOOL$/],
    [
      "an array",
      () => items.delete(["a"] as never),
      /must be the value of email, or \{ email \}; got \{ 0 \}$/,
    ],
    ["one attribute too many", () => items.get({ email: "a", name: "b" }), /; got \{ email, name \}$/],
    ["another attribute", () => items.get({ mail: "a" }), /\{ email \}; got \{ mail \}$/],
    ["only the partition key", () => pairs.get("a"), /^the key of an item must be \{ user, day \}; got "a"$/],
    [
      "half of it",
      () => pairs.get({ user: "a" }),
      /^the key of an item must be \{ user, day \}; got \{ user \}$/,
    ],
    ["an inherited one", () => pairs.get(Object.create({ user: "a", day: 1 }) as ItemKey), /got \{ {2}\}$/],
    ["half a surrogate pair", () => items.get("\udc00"), /^email must be well-formed Unicode/],
    [
      "none in an item",
      () => items.put({ name: "a" }),
      /^email is part of the key and must be .*; got nothing$/,
    ],
    ["a list in an item", () => items.put({ email: ["a"] }), /got an empty L$|got L$/],
    ["one bad of many", () => items.getMany(["a", ""]), /^email is part of the key/],
    ["one bad of many items", () => items.putMany([{ email: "a" }, {}]), /^email is part of the key/],
    ["no array of keys", () => items.deleteMany("a" as never), /^keys must be an array; got "a"$/],
  ])("%s is refused", async (_, call, message) => {
    await expect(call()).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message),
    });
  });

  test("that is too long is refused with the limit and its size", async () => {
    await expect(items.get("ä".repeat(1_025))).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      limit: 2_048,
      size: 2_050,
    });
    const day = "x".repeat(1_025);
    await expect(pairs.get({ user: "a", day })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      limit: 1_024,
      size: 1_025,
    });
  });
});

describe("options that cannot work are refused:", () => {
  const make = (options: object) => () => dynamodbItems(options as DynamodbItemsOptions);
  test.each<[string, () => unknown, RegExp]>([
    ["no client", make({ table: "users", key: "id" }), /^client must be a DynamoDBClient .*; got undefined$/],
    ["no table", make({ client, key: "id" }), /^table must be the name or ARN of a table; got undefined$/],
    [
      "a table with spaces",
      make({ client, table: "my users", key: "id" }),
      /^table must be 3 to 255 characters/,
    ],
    ["no key", make({ client, table: "users" }), /^key must be the name of the partition key/],
    [
      "one name for both keys",
      make({ client, table: "users", key: { partition: "a", sort: "a" } }),
      /^key must be/,
    ],
    ["an empty name", make({ client, table: "users", key: "" }), /^key must be/],
    [
      "an option that there is not",
      make({ client, table: "users", primaryKey: "id" }),
      /no option "primaryKey"/,
    ],
    [
      "too short a time limit",
      make({ client, table: "users", key: "id", requestTimeout: 1 }),
      /^requestTimeout must/,
    ],
    ["no client of a transaction", () => dynamodbTransaction(null as never), /^client must be/],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ["of get", () => items.get("a", { consistant: true } as never), /get has no option "consistant"/],
    ["of exists", () => items.exists("a", { project: [] } as never), /exists has no option "project"/],
    ["of getMany", () => items.getMany(["a"], { limit: 1 } as never), /getMany has no option "limit"/],
    ["of put", () => items.put({ email: "a" }, { if: 1 } as never), /put has no option "if"/],
    ["of returning", () => items.delete("a", { returning: "new" as never }), /^returning must be "old"/],
    [
      "of transactPut",
      async () => items.transactPut({ email: "a" }, { if: 1 } as never),
      /transactPut has no option "if"/,
    ],
    [
      "of transactDelete",
      async () => items.transactDelete("a", { returning: "old" } as never),
      /no option "returning"/,
    ],
    ["of run", () => dynamodbTransaction(client).run({ id: "a" } as never), /run has no option "id"/],
  ])("an option %s that there is not", async (_, call, message) => {
    await expect(call()).rejects.toThrow(message);
  });
});

describe("an update that cannot work is refused:", () => {
  const update = items.update("a");
  test.each<[string, () => unknown, RegExp]>([
    [
      "undefined",
      () => update.set("a", undefined),
      /^a must be a value; remove\(\) takes it away; got undefined$/,
    ],
    [
      "an increment by text",
      () => update.increment("a", "1" as never),
      /^an increment must be a number; got "1"$/,
    ],
    [
      "an append of no array",
      () => update.append("a", "b" as never),
      /^what joins a must be an array; got "b"$/,
    ],
    [
      "members that are no Set",
      () => update.add("a", ["b"] as never),
      /^the members for a must be a Set; got an array$/,
    ],
    ["a path that is none", () => update.remove("a..b"), /^a path must be like/],
    [
      "another answer",
      () => update.returning("all" as never),
      /^returning must be "new", "old" or "none"; got "all"$/,
    ],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ["no change", () => update.when(equals("a", 1)).run(), /^an update must change something/],
    ["NaN", () => update.increment("a", Number.NaN).run(), /must be a finite number .*; got NaN$/],
    ["an empty Set", () => update.add("a", new Set()).run(), /got an empty Set$/],
  ])("%s", async (_, call, message) => {
    await expect(call()).rejects.toThrow(message);
  });

  test("too many changes", async () => {
    let many = update;
    for (let index = 0; index < 301; index += 1) many = many.set(`a${index}`, 1);
    await expect(many.run()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", limit: 300, size: 301 });
  });
});

describe("a table of the environment", () => {
  const arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/users-1";
  test.each<[string, Record<string, string>, object]>([
    ["users", { KV_USERS: "users-1", KV_USERS_ARN: arn }, { name: "users-1", arn }],
    ["user-profiles", { KV_USER_PROFILES: "up" }, { name: "up", arn: undefined }],
    ["users", { KV_USERS: "", KV_USERS_ARN: arn }, { name: arn, arn }],
    ["app.config v2", { KV_APP_CONFIG_V2: "cfg" }, { name: "cfg", arn: undefined }],
  ])("%s is found", (name, environment, table) => {
    expect(tableFromEnvironment(name, environment)).toEqual(table);
  });

  test("that is not named says which variable it misses", () => {
    expect(() => tableFromEnvironment("no-such-table")).toThrow(
      /no KV_NO_SUCH_TABLE, .* nor KV_NO_SUCH_TABLE_ARN/,
    );
    expect(() => tableFromEnvironment("--")).toThrow(/^the name of a table must be/);
  });
});
