// Goal: locks keep their promises over the DynamoDB backend, which neither wakes nor watches, in real time.
import { beforeAll, describe, test } from "vitest";
import { dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import { lockConformance } from "../../src/testing/index.ts";
import { freshTable, tableUrl } from "../backends/dynamodb-support.ts";

const table = freshTable();

beforeAll(async () => {
  const backend = await dynamodbBackendFromUrl(tableUrl(table));
  await backend.setup();
  await backend.close();
});

describe.concurrent("over the DynamoDB backend:", () => {
  const cases = lockConformance({
    async create() {
      const open = () => dynamodbBackendFromUrl(tableUrl(table));
      const backends = [await open(), await open(), await open()] as const;
      return {
        backends,
        async destroy() {
          await Promise.all(backends.map((backend) => backend.close()));
        },
      };
    },
  });
  for (const { title, run } of cases) test(title, run);
});
