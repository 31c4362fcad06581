// Goal: writes of the user's own commit together with the coordinator's records or not at all, once however often they
// are sent; whose condition failed is told apart; and other backends refuse them before anything is sent.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import {
  ConditionFailedError,
  InvalidArgumentError,
  LimitExceededError,
  OutcomeUnknownError,
  StoreMissingError,
  UnavailableError,
  UnsupportedError,
} from "../../src/core/errors.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { openBackend } from "../../src/open-backend.ts";
import { dynamodbError, type Fault } from "../fault-proxy/http-fault-proxy.ts";
import { sharedServers } from "../servers/shared.ts";
import {
  type FaultyStore,
  faultyStore,
  freshTable,
  put,
  putNow,
  read,
  readText,
  type Sender,
  tableUrl,
  userClient,
} from "./dynamodb-support.ts";

const orders = freshTable();
const client = userClient();

beforeAll(async () => {
  // A table of the user's own, which happens to have leasehold's key.
  const backend = await dynamodbBackendFromUrl(tableUrl(orders));
  await backend.setup();
  await backend.close();
});
afterAll(() => client.destroy());

/** Adds one to an order's count, provided that it is below `below`. */
function increment(order: string, below = "1000000") {
  return {
    Update: {
      TableName: orders,
      Key: { pk: { S: order } },
      UpdateExpression: "ADD made :one",
      ConditionExpression: "attribute_not_exists(made) OR made < :below",
      ExpressionAttributeValues: { ":one": { N: "1" }, ":below": { N: below } },
    },
  };
}

async function madeOf(store: FaultyStore, order: string): Promise<string | undefined> {
  store.proxy.forget();
  const { Item } = await client.send(new GetItemCommand({ TableName: orders, Key: { pk: { S: order } } }));
  return Item?.made?.N;
}

const order = () => freshTable();

describe("writes of the user's own", () => {
  test("are applied in one transaction with one record, or with none", async () => {
    await using store = await faultyStore();
    const id = order();
    const result = await store.backend.commit([put("a", "one", null)], { alongside: [increment(id)] });
    expect(result).toEqual({ committed: true, versions: [(await read(store.direct, "a"))?.version] });
    expect(await store.backend.commit([], { alongside: [increment(id)] })).toEqual({
      ...{ committed: true, versions: [] },
    });
    expect(store.proxy.seen).toEqual(["TransactWriteItems", "TransactWriteItems"]);
    expect(await madeOf(store, id)).toBe("2");
  });

  test("whose condition fails are named with the item that stands there, and nothing is applied", async () => {
    await using store = await faultyStore();
    const [full, free] = [order(), order()];
    await client.send(new PutItemCommand({ TableName: orders, Item: { pk: { S: full }, made: { N: "5" } } }));
    const alongside = [increment(free), increment(full, "5")];
    const error = await store.backend.commit([put("a", "one", null)], { alongside }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ConditionFailedError);
    expect(error).toMatchObject({
      index: 1,
      current: { pk: { S: full }, made: { N: "5" } },
      retryable: false,
    });
    expect((error as Error).message).toContain(`alongside[1], on table ${orders},`);
    expect([await madeOf(store, free), await read(store.direct, "a")]).toEqual([undefined, null]);
    const check = {
      TableName: orders,
      Key: { pk: { S: free } },
      ConditionExpression: "attribute_exists(pk)",
    };
    const missing = store.backend.commit([put("a", "one", null)], { alongside: [{ ConditionCheck: check }] });
    await expect(missing).rejects.toMatchObject({ code: "CONDITION_FAILED", index: 0, current: null });
  });

  test("give way to a conflict of a record, which stays a normal outcome", async () => {
    await using store = await faultyStore();
    await putNow(store.direct, "a", "there");
    const id = order();
    for (const below of ["1000000", "0"]) {
      await client.send(new PutItemCommand({ TableName: orders, Item: { pk: { S: id }, made: { N: "1" } } }));
      const result = await store.backend.commit([put("a", "one", null)], {
        alongside: [increment(id, below)],
      });
      expect(result).toEqual({
        committed: false,
        conflicts: [{ key: "a", current: await read(store.direct, "a") }],
      });
    }
    expect(await madeOf(store, id)).toBe("1");
  });

  test("that are malformed are refused before anything is sent, and so are too many", async () => {
    await using store = await faultyStore();
    const malformed = [
      {},
      { Get: { TableName: orders } },
      { Put: {} },
      null,
      "x",
      { ...increment("a"), Put: {} },
    ];
    for (const entry of malformed) {
      const commit = store.backend.commit([put("a", "one")], { alongside: [entry as object] });
      await expect(commit, JSON.stringify(entry)).rejects.toThrow(InvalidArgumentError);
    }
    const many = Array.from({ length: 100 }, (_, index) => increment(`many-${index}`));
    const commit = store.backend.commit([put("a", "one")], { alongside: many });
    await expect(commit).rejects.toThrow(LimitExceededError);
    const Item = { pk: { S: "big" }, data: { B: new Uint8Array(350_000) } };
    const large = Array.from({ length: 13 }, () => ({ Put: { TableName: orders, Item } }));
    await expect(store.backend.commit([put("a", "one")], { alongside: large })).rejects.toThrow(
      /at most \d+ bytes .* got 4550/,
    );
    expect(store.proxy.seen).toEqual([]);
  });

  test("that DynamoDB refuses are the caller's to mend, and a missing table of theirs is named", async () => {
    await using store = await faultyStore();
    const broken = { Update: { ...increment("a").Update, UpdateExpression: "ADD ADD" } };
    const invalid = store.backend.commit([put("a", "one")], { alongside: [broken] });
    await expect(invalid).rejects.toThrow(InvalidArgumentError);
    const elsewhere = { Update: { ...increment("a").Update, TableName: "nowhere-at-all" } };
    const missing = store.backend.commit([put("a", "one")], { alongside: [elsewhere] });
    await expect(missing).rejects.toThrow(StoreMissingError);
    await expect(missing).rejects.toThrow(/ or nowhere-at-all does not exist/);
    const reasons = [{ Code: "None" }, { Code: "ValidationError", Message: "not a number" }];
    const answer = dynamodbError("TransactionCanceledException", 400, { CancellationReasons: reasons });
    store.proxy.next("TransactWriteItems", { kind: "answer", answer });
    const refused = store.backend.commit([put("a", "one")], { alongside: [increment("a")] });
    await expect(refused).rejects.toThrow(/alongside\[0\].*not a number/);
    expect(await read(store.direct, "a")).toBeNull();
  });

  test("wait out other transactions on their items with the same token", async () => {
    await using store = await faultyStore();
    const reasons = [{ Code: "None" }, { Code: "TransactionConflict" }];
    const answer = dynamodbError("TransactionCanceledException", 400, { CancellationReasons: reasons });
    store.proxy.next("TransactWriteItems", { kind: "answer", answer }, { kind: "answer", answer });
    const commit = await store.backend.commit([put("a", "one")], { alongside: [increment(order())] });
    expect(commit.committed).toBe(true);
    expect(new Set(store.proxy.bodies).size).toBe(1);
    store.proxy.always("TransactWriteItems", { kind: "answer", answer });
    const blocked = store.backend.commit([put("a", "two")], { alongside: [increment(order())] });
    await expect(blocked).rejects.toThrow(UnavailableError);
  });
});

const lost: readonly [string, Fault][] = [
  ["the connection was cut", { kind: "dropAfter" }],
  ["the answer was a 500", { kind: "answerAfter", answer: dynamodbError("InternalServerError", 500) }],
];
describe.each(lost)("after a commit with writes alongside was applied and %s,", (_, fault) => {
  test.for<Sender>(["own client", "user's client"])("it is committed, once, by the %s", async (sender) => {
    await using store = await faultyStore(sender);
    const id = order();
    // A copy of its own would fail this condition.
    store.proxy.next("TransactWriteItems", fault);
    const result = await store.backend.commit([put("a", "one", null)], { alongside: [increment(id, "1")] });
    expect(result).toEqual({ committed: true, versions: [(await read(store.direct, "a"))?.version] });
    expect(store.proxy.seen).toEqual(["TransactWriteItems", "TransactWriteItems"]);
    expect(await madeOf(store, id)).toBe("1");
  });
});

describe("when a copy got no answer and the next one is refused,", () => {
  test.for<Sender>(["own client", "user's client"])(
    "nothing is claimed to be certain, by the %s",
    async (sender) => {
      await using store = await faultyStore(sender);
      const id = order();
      const meanwhile = () =>
        client.send(new PutItemCommand({ TableName: orders, Item: { pk: { S: id }, made: { N: "9" } } }));
      store.proxy.next("TransactWriteItems", { kind: "dropBefore", meanwhile });
      const commit = store.backend.commit([put("a", "one", null)], { alongside: [increment(id, "9")] });
      // The first copy could still arrive, after the order's count was lowered.
      await expect(commit).rejects.toThrow(OutcomeUnknownError);
    },
  );

  test("a create in a transaction is unknown as well, by the user's client", async () => {
    await using store = await faultyStore("user's client");
    store.proxy.next("TransactWriteItems", {
      kind: "dropBefore",
      meanwhile: () => putNow(store.direct, "a", "x"),
    });
    const commit = store.backend.commit([put("a", "one", null), put("b", "one", null)]);
    await expect(commit).rejects.toThrow(OutcomeUnknownError);
  });

  test("an expected version that is gone still settles it", async () => {
    await using store = await faultyStore();
    const version = await putNow(store.direct, "a", "one");
    const meanwhile = () => putNow(store.direct, "a", "other");
    store.proxy.next("TransactWriteItems", { kind: "dropBefore", meanwhile });
    const commit = await store.backend.commit([put("a", "two", version)], {
      alongside: [increment(order())],
    });
    expect(commit.committed).toBe(false);
    expect(await readText(store.direct, "a")).toBe("other");
  });
});

describe("stores that take no writes of the user's own", () => {
  test.for(["memory:", "sqlite:", "nats:"])("%s refuses them", async (scheme) => {
    const directory = await mkdtemp(join(tmpdir(), "leasehold-alongside-"));
    const { host } = new URL(sharedServers().nats.url);
    const urls = [scheme, `sqlite:${directory}/file.db`, `nats://${host}/alongside-${systemRuntime.id()}`];
    const backend = await openBackend(urls.find((url) => url.length > 7 && url.startsWith(scheme)) ?? scheme);
    await backend.setup();
    expect(backend.capabilities.alongside ?? false).toBe(false);
    const commit = backend.commit([put("a", "one")], { alongside: [increment("a")] });
    await expect(commit).rejects.toThrow(UnsupportedError);
    expect((await backend.commit([put("a", "one")], { alongside: [] })).committed).toBe(true);
    await backend.close();
    await rm(directory, { recursive: true });
  });

  test("a table with strong consistency over Regions refuses them", async () => {
    await using store = await faultyStore();
    const facts = { Replicas: [{ RegionName: "eu-west-1" }], MultiRegionConsistency: "STRONG" };
    const change = (body: Record<string, unknown>) => ({ Table: { ...(body.Table as object), ...facts } });
    store.proxy.always("DescribeTable", { kind: "rewrite", change });
    await store.backend.setup();
    const commit = store.backend.commit([put("a", "one")], { alongside: [increment("a")] });
    await expect(commit).rejects.toThrow(UnsupportedError);
  });
});
