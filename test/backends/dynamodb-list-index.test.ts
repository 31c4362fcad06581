// Goal: listings by an index read what they are about and nothing else, in order; and no record is ever missing from
// one, whoever wrote it, and when.
import {
  DeleteItemCommand,
  DescribeTableCommand,
  GetItemCommand,
  UpdateItemCommand,
  UpdateTableCommand,
  type UpdateTableCommandInput,
} from "@aws-sdk/client-dynamodb";
import { afterAll, describe, expect, test, vi } from "vitest";
import { dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { InvalidArgumentError, LimitExceededError, StoreMisconfiguredError } from "../../src/core/errors.ts";
import { backendConformance } from "../../src/testing/index.ts";
import { dynamodbError, type Fault } from "../fault-proxy/http-fault-proxy.ts";
import {
  type FaultyStore,
  faultyStore,
  freshTable,
  put,
  putNow,
  tableUrl,
  userClient,
} from "./dynamodb-support.ts";

const client = userClient();
afterAll(() => client.destroy());
const withIndex = "&listIndex=by-group";

/** A new table with the index, and a backend that lists by it through a proxy. */
async function indexedStore(): Promise<FaultyStore & { readonly listing: Backend }> {
  const table = freshTable();
  const owner = await dynamodbBackendFromUrl(tableUrl(table, undefined, withIndex));
  await owner.setup();
  await owner.close();
  const store = await faultyStore("own client", "", table);
  const listing = await dynamodbBackendFromUrl(tableUrl(table, store.proxy.url, withIndex));
  return {
    ...store,
    listing,
    async [Symbol.asyncDispose]() {
      await listing.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** As if nobody had set the table up since it has the index. */
async function forgetMark({ table }: FaultyStore): Promise<void> {
  await client.send(new DeleteItemCommand({ TableName: table, Key: { pk: { S: "leasehold.listed" } } }));
}

/** Adds the index by the command that the refusal of a table without one tells. */
async function addIndex(table: string): Promise<void> {
  const backend = await dynamodbBackendFromUrl(tableUrl(table, undefined, withIndex));
  const refusal: unknown = await backend.setup().catch((error: unknown) => error);
  await backend.close();
  expect(refusal).toBeInstanceOf(StoreMisconfiguredError);
  const [, name, definitions = "", updates = ""] =
    /aws dynamodb update-table --table-name (\S+) --attribute-definitions (.*) --global-secondary-index-updates '(.*)'$/.exec(
      (refusal as Error).message,
    ) ?? [];
  const AttributeDefinitions = definitions
    .split(" ")
    .map((text) => Object.fromEntries(text.split(",").map((pair) => pair.split("="))));
  const GlobalSecondaryIndexUpdates = JSON.parse(updates) as [];
  const input = { TableName: name, AttributeDefinitions, GlobalSecondaryIndexUpdates };
  await client.send(new UpdateTableCommand(input as UpdateTableCommandInput));
  const isActive = async () => {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    return Table?.GlobalSecondaryIndexes?.[0]?.IndexStatus === "ACTIVE";
  };
  // Other tests keep the server busy, which builds an index when it has nothing else to do.
  await vi.waitUntil(isActive, { timeout: 170_000, interval: 250 });
}

async function listed(backend: Backend, prefix: string, limit?: number): Promise<readonly string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await backend.scan(prefix, {
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    keys.push(...page.records.map(({ key }) => key));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return keys;
}

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, "0")}`);

async function putAll(backend: Backend, keys: readonly string[]): Promise<void> {
  for (let start = 0; start < keys.length; start += 100) {
    await backend.commit(keys.slice(start, start + 100).map((key) => put(key, key)));
  }
}

describe("with an index for listings, the dynamodb backend keeps the contract:", async () => {
  const table = freshTable();
  const open = async () => {
    const backend = await dynamodbBackendFromUrl(tableUrl(table, undefined, withIndex));
    await backend.setup();
    return backend;
  };
  const cases = backendConformance({
    async create() {
      const [backend, other] = [await open(), await open()];
      const destroy = async () => void (await Promise.all([backend.close(), other.close()]));
      return { backend, other, destroy };
    },
    createMissing: { skip: "as without an index" },
    declared: { commitOperationsMax: 100, wake: false, watch: "none", orderedScan: false },
  });
  for (const { title, skip, run } of cases) {
    test.skipIf(skip !== undefined)(skip === undefined ? title : `${title} (skipped: ${skip.reason})`, run);
  }
});

describe("a listing", () => {
  test("by the index asks for the keys, and reads a hundred values at a time, in the order of keys", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    const keys = numbered("app.kv.", 250);
    await putAll(store.listing, [...keys.toReversed(), ...numbered("app.other.", 50), "app.kv", "app.kvx.a"]);
    store.proxy.forget();
    const page = await store.listing.scan("app.kv.");
    expect(page.records.map(({ key }) => key)).toEqual(keys);
    expect(page.cursor).toBeUndefined();
    expect(store.proxy.seen).toEqual(["Query", "BatchGetItem", "BatchGetItem", "BatchGetItem"]);
    store.proxy.forget();
    expect(await listed(store.listing, "app.kv.00", 4)).toEqual(keys.slice(0, 10));
    expect(store.proxy.seen).toEqual([
      "Query",
      "BatchGetItem",
      "Query",
      "BatchGetItem",
      "Query",
      "BatchGetItem",
    ]);
    store.proxy.forget();
    expect(await listed(store.listing, "app.nothing.")).toEqual([]);
    expect(store.proxy.seen).toEqual(["Query"]);
  });

  test("by a prefix without two whole segments, or without the option, scans the table", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    await putAll(store.listing, ["app.kv.a", "app.kv.b", "app.kvx.c"]);
    store.proxy.forget();
    expect((await listed(store.listing, "app.kv")).toSorted()).toEqual(["app.kv.a", "app.kv.b", "app.kvx.c"]);
    expect((await listed(store.listing, "")).toSorted()).toEqual(["app.kv.a", "app.kv.b", "app.kvx.c"]);
    expect((await listed(store.backend, "app.kv.")).toSorted()).toEqual(["app.kv.a", "app.kv.b"]);
    expect(store.proxy.seen).toEqual(["Scan", "Scan", "Scan"]);
  });

  test("goes on in another process, as it began, and nowhere else", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    const keys = numbered("app.kv.", 6);
    await putAll(store.listing, keys);
    const { cursor = "" } = await store.listing.scan("app.kv.", { limit: 2 });
    const other = await dynamodbBackendFromUrl(tableUrl(store.table, undefined, withIndex));
    await store.direct.commit([{ kind: "delete", key: keys[1] as string }]);
    const rest = await other.scan("app.kv.", { cursor });
    expect(rest.records.map(({ key }) => key)).toEqual(keys.slice(2));
    await expect(other.scan("app.kv.0", { cursor })).rejects.toThrow(InvalidArgumentError);
    await expect(store.direct.scan("app.kv.", { cursor })).rejects.toThrow(
      /in a dynamodb store without listIndex/,
    );
    const scanned = await store.direct.scan("app.kv.", { limit: 2 });
    store.proxy.forget();
    await store.listing.scan("app.kv.", { cursor: scanned.cursor as string });
    expect(store.proxy.seen).toEqual(["Scan"]);
    await other.close();
  });

  test("leaves out what was deleted after its key was read", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    await putAll(store.listing, ["app.kv.a", "app.kv.b"]);
    const meanwhile = () => store.direct.commit([{ kind: "delete", key: "app.kv.a" }]);
    store.proxy.next("BatchGetItem", { kind: "dropBefore", meanwhile });
    expect(await listed(store.listing, "app.kv.")).toEqual(["app.kv.b"]);
  });

  test("has counters, also one that commit wrote as a value", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    await putNow(store.listing, "app.counter.b", JSON.stringify({ counter: 40, receipts: [] }));
    for (const key of ["app.counter.a", "app.counter.b"]) {
      await store.listing.add(key, 2, { writer: "w", sequence: 1 });
    }
    expect(await listed(store.listing, "app.counter.")).toEqual(["app.counter.a", "app.counter.b"]);
  });
});

describe("records from before the index", () => {
  test("are found by scanning until set-up has entered them, and by the index from then on, unchanged", async () => {
    await using store = await faultyStore();
    const keys = numbered("app.kv.", 40);
    await putAll(store.backend, keys);
    await store.backend.add("app.kv.040", 1, { writer: "w", sequence: 1 });
    const before = await store.direct.get([...keys, "app.kv.040"]);
    await addIndex(store.table);
    const listing = await dynamodbBackendFromUrl(tableUrl(store.table, store.proxy.url, withIndex));
    await listing.setup({ create: false });
    store.proxy.forget();
    expect(await listed(listing, "app.kv.")).toHaveLength(41);
    expect(store.proxy.seen).toEqual(["GetItem", "Scan"]);
    store.proxy.forget();
    await listing.setup();
    const counts = (name: string) => store.proxy.seen.filter((operation) => operation === name).length;
    expect([counts("Scan"), counts("UpdateItem")]).toEqual([1, 42]);
    store.proxy.forget();
    expect(await listed(listing, "app.kv.")).toEqual([...keys, "app.kv.040"]);
    expect(store.proxy.seen).toEqual(["Query", "BatchGetItem"]);
    expect(await store.direct.get([...keys, "app.kv.040"])).toEqual(before);
    store.proxy.forget();
    await listing.setup();
    expect(store.proxy.seen).toEqual(["DescribeTable", "DescribeTimeToLive"]);
    await listing.close();
    const later = await dynamodbBackendFromUrl(tableUrl(store.table, store.proxy.url, withIndex));
    store.proxy.forget();
    expect(await listed(later, "app.kv.")).toHaveLength(41);
    expect(store.proxy.seen).toEqual([
      "DescribeTable",
      "DescribeTimeToLive",
      "GetItem",
      "Query",
      "BatchGetItem",
    ]);
    await later.close();
  }, 200_000);

  test("are entered once, whatever happens to requests and to the records meanwhile", async () => {
    await using store = await indexedStore();
    await forgetMark(store);
    const old = await plainWrites(store.table, numbered("app.kv.", 30));
    const lost: Fault[] = [{ kind: "dropAfter" }, { kind: "dropBefore" }];
    const refused = dynamodbError("ProvisionedThroughputExceededException");
    const deletes = () => store.direct.commit([{ kind: "delete", key: "app.kv.003" }]);
    const writes = () => putNow(store.direct, "app.kv.004", "new");
    store.proxy.next(
      "UpdateItem",
      ...lost,
      { kind: "answer", answer: refused },
      { kind: "dropBefore", meanwhile: deletes },
    );
    store.proxy.next("UpdateItem", { kind: "dropBefore", meanwhile: writes });
    await store.listing.setup();
    expect(await listed(store.listing, "app.kv.")).toEqual(old.filter((key) => key !== "app.kv.003"));
    const [deleted, written] = await store.direct.get(["app.kv.003", "app.kv.004"]);
    expect([deleted, Buffer.from(written?.value ?? []).toString()]).toEqual([null, "new"]);
  });

  test("stay found by scanning when entering them fails, and a later set-up goes on", async () => {
    await using store = await indexedStore();
    await forgetMark(store);
    await plainWrites(store.table, ["app.kv.a"]);
    store.proxy.always("UpdateItem", { kind: "dropBefore" });
    await expect(store.listing.setup()).rejects.toThrow();
    store.proxy.always("UpdateItem", { kind: "answer", answer: dynamodbError("AccessDeniedException") });
    await store.listing.setup();
    expect(await listed(store.listing, "app.kv.")).toEqual(["app.kv.a"]);
    store.proxy.always("UpdateItem", null);
    await store.listing.setup();
    store.proxy.forget();
    expect(await listed(store.listing, "app.kv.")).toEqual(["app.kv.a"]);
    expect(store.proxy.seen).toEqual(["Query", "GetItem"]);
  });

  /** Writes as a process does that started before the index was there. */
  async function plainWrites(table: string, keys: readonly string[]): Promise<readonly string[]> {
    for (const key of keys) {
      const ExpressionAttributeValues = { ":v": { S: `version-of-${key}` }, ":d": { B: Buffer.from(key) } };
      const UpdateExpression = "SET v = :v, d = :d";
      const Key = { pk: { S: key } };
      await client.send(
        new UpdateItemCommand({ TableName: table, Key, UpdateExpression, ExpressionAttributeValues }),
      );
    }
    return keys;
  }
});

describe("writers", () => {
  test("without the option enter what they write where the table has the index", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    const writer = await dynamodbBackendFromUrl(tableUrl(store.table));
    await putNow(writer, "app.kv.a", "one", null);
    await writer.commit([put("app.kv.b", "two", null), put("app.kv.c", "three", null)]);
    await writer.add("app.kv.d", 1, { writer: "w", sequence: 1 });
    await writer.close();
    expect(await listed(store.listing, "app.kv.")).toEqual(["app.kv.a", "app.kv.b", "app.kv.c", "app.kv.d"]);
  });

  test("change the group never, so that the index is written when records come and go only", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    const item = async () => {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: store.table, Key: { pk: { S: "app.kv.a" } } }),
      );
      return Item?.g;
    };
    const version = await putNow(store.listing, "app.kv.a", "one", null);
    expect(await item()).toEqual({ S: "app.kv" });
    await putNow(store.listing, "app.kv.a", "two", version);
    expect(await item()).toEqual({ S: "app.kv" });
  });

  test("keep to the index's limit for keys, before anything is sent", async () => {
    await using store = await indexedStore();
    await store.listing.setup();
    store.proxy.forget();
    const key = `app.kv.${"k".repeat(1_024)}`;
    expect(store.listing.capabilities.keyBytesMax).toBe(1_024);
    await expect(store.listing.commit([put(key, "one")])).rejects.toThrow(LimitExceededError);
    const writer = await dynamodbBackendFromUrl(tableUrl(store.table));
    await expect(writer.commit([put(key, "one")])).rejects.toThrow(LimitExceededError);
    await expect(writer.add(key, 1, { writer: "w", sequence: 1 })).rejects.toThrow(LimitExceededError);
    await writer.close();
    expect(store.proxy.seen).toEqual([]);
  });
});

describe("a table with the index", () => {
  test("is created with it, other attribute names and provisioned units included", async () => {
    const table = freshTable();
    const more = `${withIndex}&group=family&key=id&billing=provisioned&readUnits=2&writeUnits=3`;
    const backend = await dynamodbBackendFromUrl(tableUrl(table, undefined, more));
    await backend.setup();
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    expect(Table?.GlobalSecondaryIndexes).toMatchObject([
      {
        IndexName: "by-group",
        KeySchema: [
          { AttributeName: "family", KeyType: "HASH" },
          { AttributeName: "id", KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: "KEYS_ONLY" },
        ProvisionedThroughput: { ReadCapacityUnits: 2, WriteCapacityUnits: 3 },
      },
    ]);
    await putAll(backend, ["app.kv.b", "app.kv.a"]);
    expect(await listed(backend, "app.kv.")).toEqual(["app.kv.a", "app.kv.b"]);
    await backend.close();
  });

  test("that is still being built is scanned", async () => {
    await using store = await indexedStore();
    const building: Fault = {
      kind: "rewrite",
      change: (body) =>
        JSON.parse(JSON.stringify(body).replace('"IndexStatus":"ACTIVE"', '"IndexStatus":"CREATING"')),
    };
    await forgetMark(store);
    store.proxy.always("DescribeTable", building);
    await store.listing.setup();
    await putNow(store.listing, "app.kv.a", "one");
    store.proxy.forget();
    expect(await listed(store.listing, "app.kv.")).toEqual(["app.kv.a"]);
    expect(store.proxy.seen).toEqual(["GetItem", "Scan"]);
  });

  test("whose mark these credentials may not read is scanned", async () => {
    await using store = await indexedStore();
    await putNow(store.direct, "app.kv.a", "one");
    store.proxy.always("GetItem", { kind: "answer", answer: dynamodbError("AccessDeniedException") });
    expect(await listed(store.listing, "app.kv.")).toEqual(["app.kv.a"]);
    expect(store.proxy.seen.slice(-2)).toEqual(["GetItem", "Scan"]);
  });

  test("whose name cannot be is refused", async () => {
    await expect(dynamodbBackendFromUrl(tableUrl("table", undefined, "&listIndex=a"))).rejects.toThrow(
      /listIndex must be 3 to 255/,
    );
  });
});
