// Goal: whatever happens to a request on its way, and however often the user's client would repeat it, no increment is
// counted twice, no conflict is reported for a write that was applied, and what is not known is said to be unknown.
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { describe, expect, test } from "vitest";
import {
  dynamodbItems,
  dynamodbTransaction,
  equals,
  type ItemUpdate,
  missing,
} from "../../../../src/backends/dynamodb/index.ts";
import { OutcomeUnknownError, UnavailableError } from "../../../../src/core/errors.ts";
import { dynamodbError, type Fault } from "../../../fault-proxy/http-fault-proxy.ts";
import { localDynamodbSettings } from "../../../servers/index.ts";
import { type Anything, faultyTable } from "./items-support.ts";

const lostAnswers: readonly [string, Fault][] = [
  ["the connection was cut", { kind: "dropAfter" }],
  ["the answer was a 500", { kind: "answerAfter", answer: dynamodbError("InternalServerError", 500) }],
];
const throttled: Fault = {
  kind: "answer",
  answer: dynamodbError("ProvisionedThroughputExceededException"),
};

describe.each(lostAnswers)("after a request was applied and %s,", (_, fault) => {
  test.each(["increment", "append", "prepend"] as const)(
    "an %s is sent once and said to be unknown",
    async (method) => {
      await using table = await faultyTable();
      table.proxy.next("UpdateItem", fault);
      const update = table.spoilt.update("a");
      const changed = method === "increment" ? update.increment("n") : update[method]("n", [1]);
      await expect(changed.run()).rejects.toThrow(OutcomeUnknownError);
      expect(table.proxy.seen).toEqual(["UpdateItem"]);
      expect(await table.items.get("a")).toEqual({ id: "a", n: method === "increment" ? 1 : [1] });
    },
  );

  test("an update, a put and a delete under a condition are not sent again, and never a conflict", async () => {
    await using table = await faultyTable();
    await table.items.put({ id: "b" });
    table.proxy.next("UpdateItem", fault);
    table.proxy.next("PutItem", fault);
    table.proxy.next("DeleteItem", fault);
    const writes = [
      table.spoilt.update("a").set("n", 1).when(missing("n")).run(),
      table.spoilt.put({ id: "c" }, { when: missing("id") }),
      table.spoilt.delete("b", { when: equals("id", "b") }),
    ];
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.code)).toEqual([
      "OUTCOME_UNKNOWN",
      "OUTCOME_UNKNOWN",
      "OUTCOME_UNKNOWN",
    ]);
    expect([...table.proxy.seen].sort()).toEqual(["DeleteItem", "PutItem", "UpdateItem"]);
  });

  test("what leaves the same when applied twice is sent again, and answered", async () => {
    await using table = await faultyTable();
    for (const operation of ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"]) {
      table.proxy.next(operation, fault);
    }
    const put = await table.spoilt.put({ id: "a", n: 1, roles: new Set(["x"]) });
    expect(put).toEqual({ committed: true, item: { id: "a", n: 1, roles: new Set(["x"]) } });
    const update = table.spoilt
      .update("a")
      .set("n", 2)
      .setIfAbsent("m", 3)
      .remove("gone")
      .add("roles", new Set(["y"]));
    const item = { id: "a", n: 2, m: 3, roles: new Set(["x", "y"]) };
    expect(await update.run()).toEqual({ committed: true, item });
    expect(await table.spoilt.delete("a")).toEqual({ committed: true, item: null });
    expect(await table.spoilt.putMany([{ id: "b" }])).toEqual({ written: 1, failed: [] });
    expect(table.proxy.seen.length).toBe(8);
  });

  test.each([
    ["an index", (update: Update) => update.set("list[9]", 1)],
    ["another attribute", (update: Update) => update.set("n", () => "#0").set("m", 1)],
    ["the item before it", (update: Update) => update.set("n", 1).returning("old")],
  ])("an update that names %s is not", async (__, change) => {
    await using table = await faultyTable();
    await table.items.put({ id: "a", list: [0], n: 0 });
    table.proxy.next("UpdateItem", fault);
    await expect(change(table.spoilt.update("a")).run()).rejects.toThrow(OutcomeUnknownError);
    expect(table.proxy.seen).toEqual(["UpdateItem"]);
  });

  test("a transaction is sent again under its token, and applied once", async () => {
    await using table = await faultyTable();
    table.proxy.next("TransactWriteItems", fault, fault);
    const transaction = dynamodbTransaction(table.spoiltClient).update(
      table.items.update("a").increment("n"),
    );
    expect(await transaction.run()).toEqual({ committed: true });
    expect(table.proxy.seen.length).toBe(3);
    expect(new Set(table.proxy.bodies).size).toBe(1);
    expect(await table.items.get("a")).toEqual({ id: "a", n: 1 });
  });

  test("reads are repeated", async () => {
    await using table = await faultyTable();
    await table.items.put({ id: "a" });
    for (const operation of ["GetItem", "BatchGetItem", "Query", "Scan"]) table.proxy.next(operation, fault);
    expect(await table.spoilt.get("a")).toEqual({ id: "a" });
    expect(await table.spoilt.getMany(["a"])).toEqual([{ id: "a" }]);
    expect(await table.spoilt.query({ key: equals("id", "a") }).all()).toEqual([{ id: "a" }]);
    expect(await table.spoilt.scan().all()).toEqual([{ id: "a" }]);
    expect(table.proxy.seen.length).toBe(8);
  });
});

type Update = ItemUpdate<Anything>;

describe("a transaction", () => {
  test("that finds a condition failed after an unanswered copy is unknown, and not a conflict", async () => {
    await using table = await faultyTable();
    const meanwhile = async () => table.items.put({ id: "a", n: 1 });
    table.proxy.next("TransactWriteItems", { kind: "dropBefore", meanwhile });
    const transaction = dynamodbTransaction(table.spoiltClient).put(
      table.items,
      { id: "a" },
      { when: missing("id") },
    );
    await expect(transaction.run()).rejects.toThrow(OutcomeUnknownError);
    expect(await table.items.get("a")).toEqual({ id: "a", n: 1 });
  });

  test("is repeated with its token while others are at work on its items", async () => {
    await using table = await faultyTable();
    const reasons = { CancellationReasons: [{ Code: "TransactionConflict" }, { Code: "None" }] };
    const collision: Fault = {
      kind: "answer",
      answer: dynamodbError("TransactionCanceledException", 400, reasons),
    };
    table.proxy.next("TransactWriteItems", collision, throttled, collision);
    const { items, spoiltClient } = table;
    const transaction = dynamodbTransaction(spoiltClient).put(items, { id: "a" }).put(items, { id: "b" });
    expect(await transaction.run()).toEqual({ committed: true });
    expect(table.proxy.seen.length).toBe(4);
    expect(new Set(table.proxy.bodies).size).toBe(1);
  });

  test("says what DynamoDB finds wrong with one of its writes", async () => {
    await using table = await faultyTable();
    await table.items.put({ id: "a", n: "text" });
    const transaction = dynamodbTransaction(table.client)
      .put(table.items, { id: "b" })
      .update(table.items.update("a").increment("n"));
    const code = "INVALID_ARGUMENT";
    await expect(transaction.run()).rejects.toMatchObject({ code, message: expect.stringContaining("type") });
    // DynamoDB itself cancels it, and says which write it was.
    const CancellationReasons = [{ Code: "None" }, { Code: "ValidationError", Message: "no such path" }];
    const answer = dynamodbError("TransactionCanceledException", 400, { CancellationReasons });
    table.proxy.next("TransactWriteItems", { kind: "answer", answer });
    const spoilt = dynamodbTransaction(table.spoiltClient)
      .put(table.items, { id: "b" })
      .put(table.items, { id: "c" });
    const message = expect.stringContaining("[1] ValidationError: no such path");
    await expect(spoilt.run()).rejects.toMatchObject({ code, message });
  });
});

describe("when the table is at its limit of throughput", () => {
  test("a write that was refused is sent again, an increment too, and counted once", async () => {
    await using table = await faultyTable();
    table.proxy.next("UpdateItem", throttled, throttled);
    expect(await table.spoilt.update("a").increment("n").run()).toEqual({
      committed: true,
      item: { id: "a", n: 1 },
    });
    expect(table.proxy.seen.length).toBe(3);
  });

  test("what a batch left unprocessed is asked for again, in ever smaller batches", async () => {
    await using table = await faultyTable();
    const ids = Array.from({ length: 30 }, (_, index) => `i${index}`);
    const half = (body: Record<string, unknown>, bodies: readonly string[]): object => {
      const { RequestItems } = JSON.parse(bodies.at(-1) ?? "") as { RequestItems: Record<string, unknown[]> };
      const writes = RequestItems[table.name] ?? [];
      return { ...body, UnprocessedItems: { [table.name]: writes.slice(0, writes.length / 2) } };
    };
    const change = (body: Record<string, unknown>) => half(body, table.proxy.bodies);
    table.proxy.next("BatchWriteItem", { kind: "rewrite", change }, { kind: "rewrite", change });
    expect(await table.spoilt.putMany(ids.map((id) => ({ id })))).toEqual({ written: 30, failed: [] });
    const sizes = table.proxy.bodies.map((body) => body.match(/PutRequest/g)?.length);
    expect(sizes).toEqual([25, 12, 6, 5]);

    table.proxy.forget();
    const Keys = [{ id: { S: "i3" } }, { id: { S: "i4" } }];
    const leave = (body: Record<string, unknown>): object => ({
      Responses: {
        [table.name]: (body.Responses as Record<string, { id: { S: string } }[]>)[table.name]?.filter(
          ({ id }) => !Keys.some((key) => key.id.S === id.S),
        ),
      },
      UnprocessedKeys: { [table.name]: { Keys } },
    });
    table.proxy.next("BatchGetItem", { kind: "rewrite", change: leave });
    expect(await table.spoilt.getMany(ids)).toEqual(ids.map((id) => ({ id })));
    expect(table.proxy.bodies.map((body) => body.match(/"id"/g)?.length)).toEqual([30, 2]);
  });

  test("a batch that gets nowhere says which items it left, and keeps those that it wrote", async () => {
    await using table = await faultyTable();
    const left = { PutRequest: { Item: { id: { S: "b" } } } };
    const change = (body: Record<string, unknown>) => ({
      ...body,
      UnprocessedItems: { [table.name]: [left] },
    });
    table.proxy.always("BatchWriteItem", { kind: "rewrite", change });
    const { written, failed } = await table.spoilt.putMany([{ id: "a" }, { id: "b" }, { id: "c" }]);
    expect([written, failed.map(({ index }) => index)]).toEqual([2, [1]]);
    expect(failed[0]?.error).toBeInstanceOf(UnavailableError);
  });
});

test("a batch of which one request is refused for good says so of each item", async () => {
  await using table = await faultyTable();
  const ids = Array.from({ length: 60 }, (_, index) => `i${index}`);
  const denied: Fault = { kind: "answer", answer: dynamodbError("AccessDeniedException") };
  const passed: Fault = { kind: "rewrite", change: (body) => body };
  table.proxy.next("BatchWriteItem", passed, denied);
  const { written, failed } = await table.spoilt.putMany(ids.map((id) => ({ id })));
  expect([written, failed.length, table.proxy.seen.length]).toEqual([25, 35, 2]);
  const codes = failed.map(({ error }) => (error as { code?: string }).code);
  expect(codes).toEqual([...new Array(25).fill("PERMISSION_DENIED"), ...new Array(10).fill("UNAVAILABLE")]);
  expect((await table.items.getMany(ids)).filter((item) => item !== null).length).toBe(25);
});

/** Repeats whatever failed, and fast. */
const tireless = {
  acquireInitialRetryToken: async () => retryToken(0),
  refreshRetryTokenForRetry: async (token: { getRetryCount(): number }) => {
    if (token.getRetryCount() >= 5) throw new Error("enough");
    return retryToken(token.getRetryCount() + 1);
  },
  recordSuccess: () => undefined,
};
function retryToken(count: number) {
  return { getRetryCount: () => count, getRetryDelay: () => 0 };
}

test.each<[string, DynamoDBClientConfig]>([
  ["in adaptive mode", { retryMode: "adaptive", maxAttempts: 10 }],
  ["that never repeats", { maxAttempts: 1 }],
  ["that repeats everything", { retryStrategy: tireless as never }],
])("a client %s does not send an increment again, nor does a document client of it", async (_, config) => {
  await using table = await faultyTable();
  const client = new DynamoDBClient({ ...localDynamodbSettings, endpoint: table.proxy.url, ...config });
  for (const each of [client, DynamoDBDocumentClient.from(client)]) {
    const items = dynamodbItems({ client: each, table: table.name, key: "id" });
    table.proxy.forget();
    table.proxy.next("UpdateItem", { kind: "dropAfter" });
    await expect(items.update("a").increment("n").run()).rejects.toThrow(OutcomeUnknownError);
    expect(table.proxy.seen).toEqual(["UpdateItem"]);
    await expect(items.update("a").increment("id").run()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  expect(await table.items.get("a")).toEqual({ id: "a", n: 2 });
  client.destroy();
});

test("an increment that hangs is unknown after the time limit, and lands at most once", async () => {
  await using table = await faultyTable();
  table.proxy.next("UpdateItem", { kind: "hangAfter" });
  await expect(table.spoilt.update("a").increment("n").run()).rejects.toThrow(OutcomeUnknownError);
  expect(table.proxy.seen).toEqual(["UpdateItem"]);
  expect(await table.items.get("a")).toEqual({ id: "a", n: 1 });
});

test("200 increments of 8 writers over a bad network: each is counted once, or unknown", async () => {
  await using table = await faultyTable();
  const outcomes = { known: 0, unknown: 0, refused: 0, appliedUnseen: 0 };
  const meanwhile = async () => {
    outcomes.appliedUnseen += 1;
  };
  const faults: readonly Fault[] = [{ kind: "dropAfter", meanwhile }, { kind: "dropBefore" }, throttled];
  for (let index = 0; index < 200; index += 1) {
    const fault = index % 6 < 3 ? faults[index % 3] : undefined;
    table.proxy.next("UpdateItem", fault ?? { kind: "rewrite", change: (body) => body });
  }
  const writer = async (): Promise<void> => {
    for (let round = 0; round < 25; round += 1) {
      try {
        await table.spoilt.update("sum").increment("n").run();
        outcomes.known += 1;
      } catch (error) {
        // Who meets one throttle after the other is refused: nothing was applied.
        expect([OutcomeUnknownError.code, UnavailableError.code]).toContain((error as UnavailableError).code);
        outcomes[error instanceof OutcomeUnknownError ? "unknown" : "refused"] += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
  const sum = Number((await table.items.get("sum"))?.n);
  expect(outcomes.known + outcomes.unknown + outcomes.refused).toBe(200);
  expect(outcomes.unknown).toBeGreaterThan(20);
  expect(sum).toBe(outcomes.known + outcomes.appliedUnseen);
}, 30_000);
