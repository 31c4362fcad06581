// Goal: several items of the user's own change together or not at all, once however often they are sent, and a refusal
// says which condition failed and what stands there; the same entries fit other transactions and fences.
import { TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  atLeast,
  dynamodbBackend,
  dynamodbFence,
  dynamodbSnapshot,
  dynamodbTransaction,
  exists,
  missing,
} from "../../../../src/backends/dynamodb/index.ts";
import { freshTable, put, readText } from "../../dynamodb-support.ts";
import { type Anything, type TestTable, testTable } from "./items-support.ts";

interface Account {
  readonly id: string;
  readonly balance: number;
}

let accounts: TestTable<Account>;
let log: TestTable<Anything>;

beforeAll(async () => {
  accounts = await testTable<Account>();
  log = await testTable({ partition: "account", sort: "at" });
});
afterAll(async () => {
  await accounts[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
});

function transfer(from: string, to: string, amount: number, at: number) {
  const { client, items } = accounts;
  return dynamodbTransaction(client)
    .update(items.update(from).increment("balance", -amount).when(atLeast("balance", amount)))
    .update(items.update(to).increment("balance", amount).when(exists("id")))
    .put(log.items, { account: from, at, amount, tags: new Set(["transfer"]) }, { when: missing("at") });
}

describe("a transaction", () => {
  test("applies all of its writes, or none and says why", async () => {
    const { client, items } = accounts;
    await items.putMany([
      { id: "a", balance: 10 },
      { id: "b", balance: 0 },
      { id: "gone", balance: 1 },
    ]);
    expect(await transfer("a", "b", 7, 1).run()).toEqual({ committed: true });
    expect(await transfer("a", "nobody", 7, 1).run()).toEqual({
      committed: false,
      conflicts: [
        { index: 0, table: accounts.name, current: { id: "a", balance: 3 } },
        { index: 1, table: accounts.name, current: null },
        {
          index: 2,
          table: log.name,
          current: { account: "a", at: 1, amount: 7, tags: new Set(["transfer"]) },
        },
      ],
    });
    const closing = dynamodbTransaction(client)
      .delete(items, "gone", { when: exists("balance") })
      .check(items, "a", atLeast("balance", 3));
    expect(await closing.run()).toEqual({ committed: true });
    expect(await items.getMany(["a", "b", "gone"])).toEqual([
      { id: "a", balance: 3 },
      { id: "b", balance: 7 },
      null,
    ]);
  });

  test("with a token of one's own is one, whoever sends it", async () => {
    const { client, items } = accounts;
    await items.put({ id: "t", balance: 0 });
    const add = (by: number) =>
      dynamodbTransaction(client).update(items.update("t").increment("balance", by));
    const token = `order-${accounts.name.slice(-20)}`;
    expect(await add(5).run({ token })).toEqual({ committed: true });
    expect(await add(5).run({ token })).toEqual({ committed: true });
    expect(await items.get("t")).toEqual({ id: "t", balance: 5 });
    await expect(add(6).run({ token })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("takes entries of one's own, with a fence in them", async () => {
    const { client, items } = accounts;
    const fence = dynamodbFence({ fence: 7 } as never);
    const fenced = { Update: fence.update(items.update("f").set("balance", 1).entry().Update) };
    expect(
      await dynamodbTransaction(client)
        .with(fenced, items.transactPut({ id: "g", balance: 2 }))
        .run(),
    ).toEqual({
      committed: true,
    });
    expect(await items.getMany(["f", "g"])).toEqual([
      { id: "f", balance: 1, fence: 7 },
      { id: "g", balance: 2 },
    ]);
  });

  test("gives entries that the SDK takes as they are", async () => {
    const { client, items } = accounts;
    await items.put({ id: "h", balance: 1 });
    const TransactItems = [
      items.transactPut({ id: "i", balance: 2 }, { when: missing("id") }),
      items.transactDelete("h", { when: exists("id") }),
      items.transactCheck("j", missing("id")),
      items.update("k").set("balance", 4).entry(),
    ];
    await client.send(new TransactWriteItemsCommand({ TransactItems: TransactItems as never }));
    expect(await items.getMany(["h", "i", "k"])).toEqual([
      null,
      { id: "i", balance: 2 },
      { id: "k", balance: 4 },
    ]);
  });

  test("gives entries that ride in one commit with the coordinator's records", async () => {
    const { client, items } = accounts;
    const backend = dynamodbBackend({ client, table: freshTable() });
    await backend.setup();
    const commit = (key: string) =>
      backend.commit([put(key, "text")], {
        alongside: [
          items.transactPut({ id: "along", balance: 1 }, { when: missing("id") }),
          items.update("along-2").increment("balance").entry(),
        ],
      });
    expect((await commit("one")).committed).toBe(true);
    const current = expect.objectContaining({ balance: { N: "1" } });
    await expect(commit("two")).rejects.toMatchObject({ code: "CONDITION_FAILED", index: 0, current });
    expect(await readText(backend, "one")).toBe("text");
    expect(await readText(backend, "two")).toBeNull();
    expect(await items.get("along-2")).toEqual({ id: "along-2", balance: 1 });
    await backend.close();
  });

  test("that cannot work is refused before anything is sent", async () => {
    const { client, items } = accounts;
    const many = (count: number) =>
      dynamodbTransaction(client).with(
        ...Array.from({ length: count }, (_, index) =>
          items.transactPut({ id: `m${index}`, balance: index }),
        ),
      );
    await expect(many(0).run()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(many(101).run()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", limit: 100, size: 101 });
    expect(await many(100).run()).toEqual({ committed: true });
    const text = "x".repeat(400_000);
    const large = dynamodbTransaction(client).with(
      ...Array.from({ length: 11 }, (_, index) =>
        log.items.transactPut({ account: "large", at: index, text }),
      ),
    );
    await expect(large.run()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", limit: 4_194_304 });
    await expect(many(1).run({ token: "x".repeat(37) })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(many(1).with({}).run()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const twice = many(1).update(items.update("m0").increment("balance"));
    await expect(twice.run()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a snapshot", () => {
  test("reads items of several tables as they are at one moment", async () => {
    const { client, items } = accounts;
    await items.put({ id: "s", balance: 1 });
    await log.items.put({ account: "s", at: 1, amount: 2, note: "n" });
    const [account, entry, nobody] = await dynamodbSnapshot(client)
      .get(items, "s")
      .get(log.items, { account: "s", at: 1 }, { project: ["note"] })
      .get(items, "nobody")
      .run();
    // Typed by its table.
    const balance: number | undefined = account?.balance;
    expect([balance, entry, nobody]).toEqual([1, { note: "n" }, null]);
    await expect(dynamodbSnapshot(client).run()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("never sees half of a transfer", async () => {
    const { client, items } = accounts;
    await items.putMany([
      { id: "x", balance: 50 },
      { id: "y", balance: 50 },
    ]);
    const writer = async (): Promise<void> => {
      for (let round = 0; round < 15; round += 1) await transfer("x", "y", 1, 1_000 + round).run();
    };
    const reader = async (): Promise<void> => {
      for (let round = 0; round < 15; round += 1) {
        const [x, y] = await dynamodbSnapshot(client).get(items, "x").get(items, "y").run();
        expect((x?.balance ?? 0) + (y?.balance ?? 0)).toBe(100);
      }
    };
    await Promise.all([writer(), reader()]);
    expect(await items.get("y")).toEqual({ id: "y", balance: 65 });
  });
});
