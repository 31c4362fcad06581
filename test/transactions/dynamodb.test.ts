// Goal: on a DynamoDB server, writes of the user's own commit together with a transaction or not at all, and once, also
// when answers are lost; and a hundred operations fit into one transaction.
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import { type Coordinator, createCoordinator, OutcomeUnknownError } from "../../src/index.ts";
import { type ObservedBackend, observeBackend } from "../../src/testing/observed-backend.ts";
import { freshTable, tableUrl, userClient } from "../backends/dynamodb-support.ts";

const table = freshTable();
const client = userClient();
let backend: ObservedBackend;
let coordinator: Coordinator;

beforeAll(async () => {
  backend = observeBackend(await dynamodbBackendFromUrl(tableUrl(table)));
  await backend.setup();
  coordinator = createCoordinator(backend);
});
afterAll(async () => {
  await coordinator.close();
  await backend.close();
  client.destroy();
});

/** Adds one to a count in an item of the user's own, as long as it is below `below`. */
function count(item: string, below = 1_000) {
  return {
    Update: {
      TableName: table,
      Key: { pk: { S: item } },
      UpdateExpression: "ADD made :one",
      ConditionExpression: "attribute_not_exists(made) OR made < :below",
      ExpressionAttributeValues: { ":one": { N: "1" }, ":below": { N: String(below) } },
    },
  };
}

async function made(item: string): Promise<string | undefined> {
  const key = { TableName: table, Key: { pk: { S: item } }, ConsistentRead: true };
  const { Item: { made: total } = {} } = await client.send(new GetItemCommand(key));
  return total?.N;
}

test("a write alongside commits together with the entries, or neither does", async () => {
  const order = (below: number) =>
    coordinator.transaction(async (tx) => {
      tx.alongside(count("order 1", below));
      return tx.increment("orders");
    });
  expect(await order(2)).toBe(1);
  expect(await order(2)).toBe(2);
  await expect(order(2)).rejects.toMatchObject({
    code: "CONDITION_FAILED",
    index: 0,
    current: { made: { N: "2" } },
  });
  expect(await made("order 1")).toBe("2");
  expect((await coordinator.kv("default").get("orders"))?.value).toBe(2);
});

test("a lost answer of one with a write alongside is found out: both count once", async () => {
  let left = 2;
  backend.intercept(async (request, send) => {
    const answer = await send();
    if (request.kind !== "commit" || left === 0) return answer;
    left -= 1;
    throw new OutcomeUnknownError("a test lost the answer");
  });
  const sum = await coordinator.transaction(async (tx) => {
    tx.alongside(count("order 2", 1));
    return tx.increment("lost");
  });
  backend.intercept(undefined);
  expect([sum, left, await made("order 2")]).toEqual([1, 0, "1"]);
  expect((await coordinator.kv("default").get("lost"))?.value).toBe(1);
});

test("writes and checks of a hundred keys fit, also guarded by a grant; one more is refused", async () => {
  const keys = Array.from({ length: 100 }, (_, index) => `many ${index}`);
  await using grant = await coordinator.lock("many").acquire();
  const work = (written: number, read: number) =>
    coordinator.transaction(async (tx) => {
      tx.guard(grant);
      await tx.getMany(keys.slice(written, written + read));
      for (const key of keys.slice(0, written)) tx.set(key, "x");
    });
  await work(59, 40);
  await expect(work(59, 41)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", limit: 100, size: 101 });
});
