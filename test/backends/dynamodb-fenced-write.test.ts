// Goal: the document client guards a user's own item with the fence of a lock, as the documentation shows, and a late
// write of an earlier holder changes nothing.
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { CreateTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dynamodbBackend } from "../../src/backends/dynamodb/index.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { freshTable, userClient } from "./dynamodb-support.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/dynamodb.md"), "utf8");
const [invoices, table] = [freshTable(), freshTable()];
let client: DynamoDBClient;
let documents: DynamoDBDocumentClient;

beforeAll(async () => {
  client = userClient();
  documents = DynamoDBDocumentClient.from(client);
  const KeySchema = [{ AttributeName: "id", KeyType: "HASH" } as const];
  const AttributeDefinitions = [{ AttributeName: "id", AttributeType: "S" } as const];
  const BillingMode = "PAY_PER_REQUEST";
  await client.send(
    new CreateTableCommand({ TableName: invoices, KeySchema, AttributeDefinitions, BillingMode }),
  );
  await dynamodbBackend({ client, table }).setup();
});
afterAll(() => client.destroy());

async function invoice(id: string): Promise<Record<string, unknown> | undefined> {
  return (await documents.send(new GetCommand({ TableName: invoices, Key: { id } }))).Item;
}

function fencedWrite(id: string, amount: number, fence: number): UpdateCommand {
  return new UpdateCommand({
    TableName: invoices,
    Key: { id },
    UpdateExpression: "SET amount = :amount, fence = :fence",
    ConditionExpression: "attribute_not_exists(fence) OR fence <= :fence",
    ExpressionAttributeValues: { ":amount": amount, ":fence": fence },
  });
}

function coordinate(): Coordinator {
  return createCoordinator(dynamodbBackend({ client: documents, table }));
}

describe("a user's own item next to a lock", () => {
  test("takes the writes of the holder, and refuses a late one of the holder before", async () => {
    await using first = coordinate();
    await using second = coordinate();
    const grant = await first.lock("invoice-7").acquire();
    await documents.send(fencedWrite("7", 1, grant.fence));
    await documents.send(fencedWrite("7", 2, grant.fence));
    await grant.release();
    const next = await second.lock("invoice-7").acquire();
    await documents.send(fencedWrite("7", 3, next.fence));
    await expect(documents.send(fencedWrite("7", 99, grant.fence))).rejects.toMatchObject({
      name: "ConditionalCheckFailedException",
    });
    await next.release();
    expect(next.fence).toBeGreaterThan(grant.fence);
    expect(await invoice("7")).toEqual({ id: "7", amount: 3, fence: next.fence });
  });

  test("is written by the example of the documentation", async () => {
    const [, block] = /```ts\n(\/\/ Executed by a test\.\n[\s\S]*?)```/.exec(page) ?? [];
    // `await using` at the top of a module ends with it; here, with the function that stands for it.
    const body = (block ?? "")
      .replace(/^import .*$/gm, "")
      .replace("new DynamoDBClient({ maxAttempts: 1 })", "client")
      .replace('"invoices"', JSON.stringify(invoices))
      .replace('"leasehold"', JSON.stringify(table));
    const names = [
      "client",
      "DynamoDBDocumentClient",
      "UpdateCommand",
      "createCoordinator",
      "dynamodbBackend",
    ];
    const source = stripTypeScriptTypes(`async function example(${names.join(", ")}) {\n${body}\n}`);
    const example = new Function(`return ${source}`)() as (...values: unknown[]) => Promise<void>;
    await example(client, DynamoDBDocumentClient, UpdateCommand, createCoordinator, dynamodbBackend);
    expect(await invoice("42")).toMatchObject({ amount: 100, fence: expect.any(Number) });
  });
});
