// Goal: what a Go key-value driver for DynamoDB offers is had here, on DynamoDB Local, as docs/coverage.md says: attribute
// names, times to live, batches, transactions with condition checks, indexes, filters, the native client.
import { CreateTableCommand, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import {
  and,
  dynamodbBackend,
  dynamodbClientOf,
  dynamodbItems,
  dynamodbSnapshot,
  dynamodbTransaction,
  equals,
  exists,
  greaterThan,
} from "../../src/backends/dynamodb/index.ts";
import { connect, createCoordinator, textCodec } from "../../src/index.ts";
import { testTable } from "../backends/dynamodb/items/items-support.ts";
import { freshTable, tableUrl, userClient } from "../backends/dynamodb-support.ts";

const hourMs = 3_600_000;

/** Of a new table. What is shown here is not how soon a busy machine answers. */
const patientUrl = () => tableUrl(freshTable(), undefined, "&requestTimeout=20s");

test("the table has the attribute names that were asked for, with their types, and the client behind it is reached", async () => {
  const client = userClient();
  const name = freshTable();
  const attributes = { key: "key", value: "val", expiry: "ttl" } as const;
  const backend = dynamodbBackend({ client, table: name, attributes, requestTimeout: "20s" });
  await using coordinator = createCoordinator(backend, { namespace: "app" });
  await coordinator.setup();
  await coordinator.kv("data", { codec: textCodec }).set("greeting", "hello", { ttl: "1h" });
  const native = dynamodbClientOf(coordinator);
  expect(native).toEqual({ client, table: name });
  const { records } = await backend.scan("app.kv.");
  const Key = { key: { S: String(records[0]?.key) } };
  const { Item } = await native.client.send(new GetItemCommand({ TableName: native.table, Key }));
  expect(Buffer.from(Item?.val?.B ?? []).toString()).toContain("hello");
  // Epoch seconds, an hour after the value is over: it keeps late writes out until then.
  expect(Number(Item?.ttl?.N) * 1_000 - Date.now()).toBeGreaterThan(hourMs);
  await backend.close();
  client.destroy();
});

test("many entries are written and read at once, with one time to live, or one of their own", async () => {
  await using coordinator = await connect(patientUrl());
  const kv = coordinator.kv<number>("numbers");
  const entries = Array.from({ length: 120 }, (_, value) => ({ key: `key-${value}`, value }));
  const written = await kv.setMany([...entries, { key: "long", value: 0, ttl: "2h" }], { ttl: "1h" });
  expect(written.filter((one) => !("committed" in one && one.committed))).toEqual([]);
  const found = await kv.getMany([...entries.map(({ key }) => key), "long", "none"]);
  expect(found.slice(0, 120).map((entry) => entry?.value)).toEqual(entries.map(({ value }) => value));
  for (const entry of found.slice(0, 120)) expect(Number(entry?.ttlMs) / hourMs).toBeCloseTo(1, 1);
  expect(Number(found[120]?.ttlMs) / hourMs).toBeCloseTo(2, 1);
  expect(found[121]).toBeUndefined();
  expect(await kv.expire("key-1", "3h")).toBe(true);
  expect(Number(await kv.ttl("key-1")) / hourMs).toBeCloseTo(3, 1);
});

test("a transaction puts, deletes, updates and checks, in entries and in items", async () => {
  interface Row {
    readonly pk: string;
    readonly quantity?: number;
    readonly val?: Uint8Array;
  }
  await using table = await testTable<Row>({ partition: "pk" });
  const { items, client } = table;
  await items.putMany([
    { pk: "cart:user1" },
    { pk: "inventory:sku-99", quantity: 1 },
    { pk: "sold", quantity: 0 },
  ]);
  const order = dynamodbTransaction(client)
    .put(items, { pk: "order:123", val: new Uint8Array([1]) })
    .delete(items, "cart:user1")
    .update(items.update("sold").increment("quantity"))
    .check(items, "inventory:sku-99", greaterThan("quantity", 0));
  expect(await order.run()).toEqual({ committed: true });
  const snapshot = dynamodbSnapshot(client);
  const [bought, cart, sold] = await snapshot
    .get(items, "order:123")
    .get(items, "cart:user1")
    .get(items, "sold")
    .run();
  expect([bought?.val, cart, sold?.quantity]).toEqual([new Uint8Array([1]), null, 1]);
  await items.update("inventory:sku-99").set("quantity", 0).run();
  const refused = await order.run();
  expect(refused.committed ? [] : refused.conflicts).toEqual([
    { index: 3, table: table.name, current: { pk: "inventory:sku-99", quantity: 0 } },
  ]);
  expect((await items.get("sold"))?.quantity).toBe(1);

  await using coordinator = await connect(patientUrl());
  const shop = coordinator.kv<number>("shop");
  await shop.setMany([
    { key: "cart:user1", value: 1 },
    { key: "inventory:sku-99", value: 1 },
  ]);
  const buy = () =>
    coordinator.transaction(async (transaction) => {
      const tx = transaction.kv(shop);
      if (((await tx.get("inventory:sku-99")) ?? 0) === 0) return false;
      tx.set("order:123", 1);
      tx.delete("cart:user1");
      await tx.increment("inventory:sku-99", -1);
      return true;
    });
  expect([await buy(), await buy()]).toEqual([true, false]);
  const values = await coordinator.transaction((tx) => tx.kv(shop).getMany(["order:123", "cart:user1"]));
  expect(values).toEqual([1, undefined]);
});

test("queries go over global and local indexes, scans take filters, and names may be reserved words", async () => {
  const client = userClient();
  const name = freshTable();
  const keys = (partition: string, sort: string) => [
    { AttributeName: partition, KeyType: "HASH" as const },
    { AttributeName: sort, KeyType: "RANGE" as const },
  ];
  const Projection = { ProjectionType: "ALL" } as const;
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        ...["user", "id", "status"].map((AttributeName) => ({ AttributeName, AttributeType: "S" as const })),
        { AttributeName: "created_at", AttributeType: "N" },
      ],
      KeySchema: keys("user", "id"),
      GlobalSecondaryIndexes: [
        { IndexName: "gsi-status-created", KeySchema: keys("status", "created_at"), Projection },
      ],
      LocalSecondaryIndexes: [
        { IndexName: "lsi-created", KeySchema: keys("user", "created_at"), Projection },
      ],
    }),
  );
  const items = dynamodbItems<{ user: string; id: string; status: string; created_at: number; type: string }>(
    {
      ...{ client, table: name, key: { partition: "user", sort: "id" } },
    },
  );
  await items.putMany(
    Array.from({ length: 20 }, (_, nth) => ({
      ...{ user: `u${nth % 2}`, id: `${nth}`, status: nth < 15 ? "active" : "gone", created_at: 100 - nth },
      type: nth % 5 === 0 ? "user" : "order",
    })),
  );
  const since = and(equals("status", "active"), greaterThan("created_at", 90));
  const active = await items.query({ index: "gsi-status-created", key: since, limit: 50 }).all();
  expect(active.map(({ created_at }) => created_at)).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
  // A local index can be read strongly consistently.
  const own = { index: "lsi-created", key: equals("user", "u1"), consistent: true, limit: 3 } as const;
  expect((await items.query(own).all()).map(({ created_at }) => created_at)).toEqual([81, 83, 85]);
  expect(await items.scan({ filter: equals("type", "user") }).count()).toBe(4);
  const key = { user: "u0", id: "0" };
  const update = items.update(key).set("status", "new").set("created_at", 1_700_000_000).remove("type");
  expect(await update.when(exists("id")).run()).toMatchObject({
    ...{ committed: true, item: { ...key, status: "new", created_at: 1_700_000_000 } },
  });
  client.destroy();
});
