// Goal: the DynamoDB backend keeps the storage contract, with clients of its own, a user's default client, and a
// document client.
import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { beforeAll, describe, expect, test } from "vitest";
import {
  dynamodbBackend,
  dynamodbBackendFromUrl,
  dynamodbClientOf,
} from "../../src/backends/dynamodb/index.ts";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { InvalidArgumentError } from "../../src/core/errors.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { backendConformance, type ConformanceStore } from "../../src/testing/index.ts";
import { localDynamodbSettings } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";

const table = `conformance-${systemRuntime.id()}`;
const declared = { commitOperationsMax: 100, wake: false, watch: "none", orderedScan: false } as const;

function urlOf(name: string): string {
  return `dynamodb://us-east-1/${name}?endpoint=${sharedServers().dynamodb.url}`;
}

beforeAll(async () => {
  const backend = await dynamodbBackendFromUrl(urlOf(table));
  await backend.setup();
  await backend.close();
});

function storeOf(open: () => Backend | Promise<Backend>, after: () => void = () => {}) {
  return async (): Promise<ConformanceStore> => {
    const [backend, other] = [await open(), await open()];
    return {
      backend,
      other,
      async destroy() {
        await Promise.all([backend.close(), other.close()]);
        after();
      },
    };
  };
}

function runCases(create: () => Promise<ConformanceStore>): void {
  const cases = backendConformance({
    create,
    async createMissing() {
      const backend = await dynamodbBackendFromUrl(urlOf(`missing-${systemRuntime.id()}`));
      return { backend, destroy: () => backend.close() };
    },
    declared,
  });
  for (const { title, skip, run } of cases) {
    const reason = skip === undefined ? "" : ` (skipped, ${skip.capability}: ${skip.reason})`;
    test.skipIf(skip !== undefined)(`${title}${reason}`, run);
  }
}

describe("from a URL, the dynamodb backend keeps the contract:", () => {
  runCases(storeOf(() => dynamodbBackendFromUrl(urlOf(table))));
});

describe("with a user's client as the SDK makes it, the dynamodb backend keeps the contract:", () => {
  runCases(async () => {
    const client = new DynamoDBClient({ ...localDynamodbSettings, endpoint: sharedServers().dynamodb.url });
    const create = storeOf(
      () => dynamodbBackend({ client, table }),
      () => client.destroy(),
    );
    return create();
  });
});

describe("a client that is handed in", () => {
  test("may be a document client, and stays open when the backend is closed", async () => {
    const settings = { ...localDynamodbSettings, endpoint: sharedServers().dynamodb.url };
    const client = DynamoDBDocumentClient.from(new DynamoDBClient(settings));
    const [one, two] = [dynamodbBackend({ client, table }), dynamodbBackend({ client, table })];
    const key = `document.${systemRuntime.id()}`;
    const result = await one.commit([{ kind: "put", key, value: Buffer.from("x"), expect: null }]);
    await one.close();
    expect((await two.get([key]))[0]?.version).toBe(result.committed && result.versions[0]);
    await two.close();
    client.destroy();
  });

  test("is given back as it is, with the table, of a backend and of what stands over one", async () => {
    const client = DynamoDBDocumentClient.from(new DynamoDBClient(localDynamodbSettings));
    const backend = dynamodbBackend({ client, table });
    const found = dynamodbClientOf<DynamoDBDocumentClient>({ backend });
    expect(found.client).toBe(client);
    expect(dynamodbClientOf(backend).table).toBe(table);
    client.destroy();
  });

  test("is made for a URL, can be used, and is of no other store", async () => {
    const backend = await dynamodbBackendFromUrl(urlOf(table));
    const { client } = dynamodbClientOf(backend);
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    expect(Table?.TableName).toBe(table);
    await backend.close();
    for (const other of [memoryBackend(), null, {}, { backend: memoryBackend() }]) {
      expect(() => dynamodbClientOf(other as Backend)).toThrow(InvalidArgumentError);
    }
  });
});
