import { CreateTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type DynamodbItems, dynamodbItems, type KeyNames } from "../../../../src/backends/dynamodb/index.ts";
import { type HttpFaultProxy, httpFaultProxy } from "../../../fault-proxy/http-fault-proxy.ts";
import { sharedServers } from "../../../servers/shared.ts";
import { freshTable, userClient } from "../../dynamodb-support.ts";

/** What an item of a test may hold. */
export type Anything = Record<string, unknown>;

/** A new table with the text key `id`, or with others, and a client of it with the SDK's own retries. */
export interface TestTable<T extends object> extends AsyncDisposable {
  readonly client: DynamoDBClient;
  readonly items: DynamodbItems<T>;
  readonly name: string;
}

/** A table whose `spoilt` items travel through a proxy. */
export interface FaultyTable<T extends object> extends TestTable<T> {
  readonly proxy: HttpFaultProxy;
  readonly spoilt: DynamodbItems<T>;
  readonly spoiltClient: DynamoDBClient;
}

/** Attributes of the global index `by-team` of every table with a sort key: `team` and `score`. */
const indexed = { team: "S", score: "N" } as const;

/** Makes a table. Its partition key is a text, or bytes, its sort key a number. */
export async function testTable<T extends object = Anything>(
  key: KeyNames = { partition: "id" },
  partitionType: "S" | "B" = "S",
): Promise<TestTable<T>> {
  const client = userClient();
  const name = freshTable();
  const { partition, sort } = key;
  const schema = (hash: string, range?: string) => [
    { AttributeName: hash, KeyType: "HASH" as const },
    ...(range === undefined ? [] : [{ AttributeName: range, KeyType: "RANGE" as const }]),
  ];
  const types = {
    [partition]: partitionType,
    ...(sort !== undefined && { [sort]: "N", ...indexed }),
  } as const;
  const index = {
    IndexName: "by-team",
    KeySchema: schema("team", "score"),
    Projection: { ProjectionType: "ALL" },
  } as const;
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: schema(partition, sort),
      AttributeDefinitions: Object.entries(types).map(([AttributeName, type]) => ({
        AttributeName,
        AttributeType: type,
      })),
      ...(sort !== undefined && { GlobalSecondaryIndexes: [index] }),
    }),
  );
  return {
    ...{ client, name },
    items: dynamodbItems<T>({ client, table: name, key }),
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

/** A table with the text key `id`, and a second way to it that can be spoilt. */
export async function faultyTable<T extends object = Anything>(): Promise<FaultyTable<T>> {
  const table = await testTable<T>();
  const proxy = await httpFaultProxy(sharedServers().dynamodb.url);
  const spoiltClient = userClient(proxy.url);
  return {
    ...table,
    ...{ proxy, spoiltClient },
    spoilt: dynamodbItems<T>({ client: spoiltClient, table: table.name, key: "id", requestTimeout: "3s" }),
    async [Symbol.asyncDispose]() {
      spoiltClient.destroy();
      await table[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}
