// Goal: a table is created as asked, one that would break a guarantee is refused with words that help, and one that
// vanishes is never made again behind the user's back.
import {
  type AttributeDefinition,
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  type KeySchemaElement,
  PutItemCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, describe, expect, test, vi } from "vitest";
import { dynamodbBackend, dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import {
  CorruptRecordError,
  InvalidArgumentError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnavailableError,
  UnsupportedError,
} from "../../src/core/errors.ts";
import { dynamodbError, type Fault } from "../fault-proxy/http-fault-proxy.ts";
import { claimPort, dynamodbServer } from "../servers/index.ts";
import {
  faultyStore,
  freshTable,
  put,
  putNow,
  read,
  readText,
  tableUrl,
  userClient,
} from "./dynamodb-support.ts";

const client = userClient();
afterAll(() => client.destroy());

async function withUrl<T>(url: string, work: (backend: Backend) => Promise<T>): Promise<T> {
  const backend = await dynamodbBackendFromUrl(url);
  try {
    return await work(backend);
  } finally {
    await backend.close();
  }
}

/** Creates a table as somebody else would. */
async function foreignTable(keys: readonly { name: string; type: "S" | "N" }[]): Promise<string> {
  const table = freshTable();
  const KeySchema: KeySchemaElement[] = keys.map(({ name }, index) => ({
    AttributeName: name,
    KeyType: index === 0 ? "HASH" : "RANGE",
  }));
  const AttributeDefinitions: AttributeDefinition[] = keys.map(({ name, type }) => ({
    AttributeName: name,
    AttributeType: type,
  }));
  await client.send(
    new CreateTableCommand({
      TableName: table,
      KeySchema,
      AttributeDefinitions,
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
  return table;
}

describe("set-up", () => {
  test("creates the table on demand, with its TTL attribute, and eight clients at once may do it", async () => {
    const table = freshTable();
    const setUp = () => withUrl(tableUrl(table), (backend) => backend.setup());
    await Promise.all(Array.from({ length: 8 }, setUp));
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    expect(Table?.BillingModeSummary?.BillingMode).toBe("PAY_PER_REQUEST");
    expect(Table?.KeySchema).toEqual([{ AttributeName: "pk", KeyType: "HASH" }]);
    const ttl = await client.send(new DescribeTimeToLiveCommand({ TableName: table }));
    expect(ttl.TimeToLiveDescription).toEqual({ AttributeName: "x", TimeToLiveStatus: "ENABLED" });
  });

  test("creates the table as the options say", async () => {
    const table = freshTable();
    const options =
      "&billing=provisioned&readUnits=7&writeUnits=3&deletionProtection=true&timeToLive=false&key=id&streams=old-image";
    await withUrl(tableUrl(table, undefined, options), async (backend) => {
      await backend.setup();
      expect(await readText(backend, "a")).toBeNull();
    });
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    expect(Table?.ProvisionedThroughput).toMatchObject({ ReadCapacityUnits: 7, WriteCapacityUnits: 3 });
    expect(Table?.DeletionProtectionEnabled).toBe(true);
    expect(Table?.StreamSpecification).toEqual({ StreamEnabled: true, StreamViewType: "OLD_IMAGE" });
    expect(Table?.KeySchema).toEqual([{ AttributeName: "id", KeyType: "HASH" }]);
    const ttl = await client.send(new DescribeTimeToLiveCommand({ TableName: table }));
    expect(ttl.TimeToLiveDescription?.TimeToLiveStatus).toBe("DISABLED");
  });

  test("sends encryption, table class, bounds and tags", async () => {
    await using store = await faultyStore();
    const user = userClient(store.proxy.url);
    const create = {
      billing: { writeUnitsMax: 100 },
      encryption: "aws-managed",
      tableClass: "STANDARD_INFREQUENT_ACCESS",
      tags: { team: "billing" },
    } as const;
    const backend = dynamodbBackend({ client: user, table: freshTable(), create });
    await backend.setup();
    await backend.close();
    user.destroy();
    const index = store.proxy.seen.indexOf("CreateTable");
    expect(JSON.parse(store.proxy.bodies[index] as string)).toMatchObject({
      SSESpecification: { Enabled: true, SSEType: "KMS" },
      TableClass: "STANDARD_INFREQUENT_ACCESS",
      BillingMode: "PAY_PER_REQUEST",
      OnDemandThroughput: { MaxWriteRequestUnits: 100 },
      Tags: [{ Key: "team", Value: "billing" }],
    });
  });

  test("says that an endpoint without continuous backups has none, only when they are asked for", async () => {
    await withUrl(tableUrl(freshTable(), undefined, "&pointInTimeRecovery=true"), async (backend) => {
      await expect(backend.setup()).rejects.toThrow(UnsupportedError);
    });
  });

  test("finishes one that another process left without TTL", async () => {
    const table = await foreignTable([{ name: "pk", type: "S" }]);
    await withUrl(tableUrl(table), (backend) => backend.setup());
    const ttl = await client.send(new DescribeTimeToLiveCommand({ TableName: table }));
    expect(ttl.TimeToLiveDescription?.AttributeName).toBe("x");
  });

  test("waits for a service that is only just starting", async () => {
    await using store = await faultyStore();
    const refused: Fault = { kind: "answer", answer: dynamodbError("ThrottlingException") };
    store.proxy.next("DescribeTable", refused, { kind: "dropBefore" });
    await store.backend.setup();
  });
});

describe("an existing table", () => {
  test("with another key is refused, and the message says how to go on", async () => {
    const table = await foreignTable([{ name: "id", type: "S" }]);
    await withUrl(tableUrl(table), async (backend) => {
      const setup = backend.setup();
      await expect(setup).rejects.toThrow(StoreMisconfiguredError);
      await expect(setup).rejects.toThrow(/expected pk \(S, HASH\), found id \(S, HASH\).*key=id/);
      await expect(backend.commit([put("a", "one")])).rejects.toThrow(StoreMisconfiguredError);
    });
    await withUrl(tableUrl(table, undefined, "&key=id"), async (backend) => {
      await backend.setup({ create: false });
      await putNow(backend, "a", "one");
      expect(await readText(backend, "a")).toBe("one");
    });
  });

  test.for([
    [
      { name: "pk", type: "S" },
      { name: "sk", type: "S" },
    ],
    [{ name: "pk", type: "N" }],
  ] as const)("with the keys %j is refused", async (keys) => {
    const table = await foreignTable(keys);
    await withUrl(tableUrl(table), async (backend) => {
      await expect(backend.setup()).rejects.toThrow(/Use another table/);
    });
  });

  test("with another TTL attribute is refused, and taken when that one is named", async () => {
    const table = await foreignTable([{ name: "pk", type: "S" }]);
    const TimeToLiveSpecification = { AttributeName: "expires", Enabled: true };
    await client.send(new UpdateTimeToLiveCommand({ TableName: table, TimeToLiveSpecification }));
    await withUrl(tableUrl(table), async (backend) => {
      const setup = backend.setup();
      await expect(setup).rejects.toThrow(StoreMisconfiguredError);
      await expect(setup).rejects.toThrow(/expected x, found expires.*expiry=expires/);
    });
    await withUrl(tableUrl(table, undefined, "&expiry=expires"), (backend) => backend.setup());
  });

  test("with an item that leasehold did not write reports that item as corrupt", async () => {
    const table = await foreignTable([{ name: "pk", type: "S" }]);
    await client.send(new PutItemCommand({ TableName: table, Item: { pk: { S: "a" }, owner: { S: "me" } } }));
    await withUrl(tableUrl(table), async (backend) => {
      await expect(backend.get(["a"])).rejects.toThrow(CorruptRecordError);
      await expect(backend.add("a", 1, { writer: "w", sequence: 1 })).resolves.toBe(1);
    });
  });
});

describe("a missing table", () => {
  test("that was deleted while in use is reported and never made again", async () => {
    await using store = await faultyStore();
    await putNow(store.backend, "a", "one");
    await client.send(new DeleteTableCommand({ TableName: store.table }));
    const both = [put("a", "two"), put("b", "two")];
    for (let round = 0; round < 2; round++) {
      await expect(store.backend.get(["a"])).rejects.toThrow(StoreMissingError);
      await expect(store.backend.get(["a", "b"])).rejects.toThrow(StoreMissingError);
      await expect(store.backend.commit([put("a", "two")])).rejects.toThrow(StoreMissingError);
      await expect(store.backend.commit(both)).rejects.toThrow(StoreMissingError);
      await expect(store.backend.add("n", 1, { writer: "w", sequence: 1 })).rejects.toThrow(
        StoreMissingError,
      );
      await expect(store.backend.scan("")).rejects.toThrow(StoreMissingError);
    }
    const describeTable = client.send(new DescribeTableCommand({ TableName: store.table }));
    await expect(describeTable).rejects.toThrow(/non-existent table/);
  });
});

describe("credentials that may not describe the table", () => {
  const denied: Fault = { kind: "answer", answer: dynamodbError("AccessDeniedException") };

  test("still work, without a sound", async () => {
    await using store = await faultyStore();
    store.proxy.always("DescribeTable", denied);
    await store.backend.setup();
    await putNow(store.backend, "a", "one");
    expect(store.proxy.seen).toEqual(["DescribeTable", "GetItem", "UpdateItem"]);
  });

  test("still find a missing table or one with another key", async () => {
    await using store = await faultyStore();
    store.proxy.always("DescribeTable", denied);
    const table = await foreignTable([{ name: "id", type: "S" }]);
    await withUrl(tableUrl(table, store.proxy.url), async (backend) => {
      await expect(backend.setup()).rejects.toThrow(StoreMisconfiguredError);
    });
    await withUrl(tableUrl(freshTable(), store.proxy.url), async (backend) => {
      await expect(backend.setup()).rejects.toThrow(StoreMissingError);
    });
  });

  test("that may not describe the TTL either are no obstacle, but those that may not create the table are", async () => {
    await using store = await faultyStore();
    store.proxy.always("DescribeTimeToLive", denied);
    store.proxy.always("CreateTable", denied);
    await store.backend.setup();
    await withUrl(tableUrl(freshTable(), store.proxy.url), async (backend) => {
      await expect(backend.setup()).rejects.toThrow(PermissionDeniedError);
    });
  });
});

describe("a global table", () => {
  const described = (facts: object): Fault => ({
    kind: "rewrite",
    change: (body) => ({ ...body, Table: { ...(body.Table as object), ...facts } }),
  });
  const replicas = { Replicas: [{ RegionName: "eu-west-1" }], GlobalTableVersion: "2019.11.21" };

  test("with eventual consistency is refused", async () => {
    await using store = await faultyStore();
    store.proxy.always("DescribeTable", described(replicas));
    await expect(store.backend.setup()).rejects.toThrow(StoreMisconfiguredError);
    await expect(store.backend.setup({ create: false })).rejects.toThrow(
      /eu-west-1.*allowEventualGlobalTable/,
    );
    await expect(store.backend.commit([put("a", "one")])).rejects.toThrow(StoreMisconfiguredError);
    expect(await readText(store.direct, "a")).toBeNull();
  });

  test("with eventual consistency is taken when the user answers for it", async () => {
    await using store = await faultyStore("own client", "&allowEventualGlobalTable=true");
    store.proxy.always("DescribeTable", described(replicas));
    await store.backend.setup();
    await putNow(store.backend, "a", "one");
  });

  test("with strong consistency commits one key at a time, and has no TTL", async () => {
    await using store = await faultyStore();
    store.proxy.always("DescribeTable", described({ ...replicas, MultiRegionConsistency: "STRONG" }));
    await withUrl(tableUrl(store.table, store.proxy.url), async (backend) => {
      const both = [put("a", "one"), put("b", "one")];
      await expect(backend.commit(both)).rejects.toThrow(UnsupportedError);
      expect(backend.capabilities.commitOperationsMax).toBe(1);
      await putNow(backend, "a", "one");
      expect(store.proxy.seen).toEqual(["DescribeTable", "UpdateItem"]);
    });
  });
});

describe("without a server, a Region or credentials", () => {
  test("nobody listens: unavailable, with the endpoint", async () => {
    using claim = await claimPort();
    await withUrl(tableUrl("leasehold", `http://127.0.0.1:${claim.port}`), async (backend) => {
      const setup = backend.setup();
      await expect(setup).rejects.toThrow(UnavailableError);
      await expect(setup).rejects.toThrow(
        new RegExp(`endpoint http://127.0.0.1:${claim.port}.*ECONNREFUSED.*Check`),
      );
      await expect(backend.commit([put("a", "one", null)])).rejects.toThrow(UnavailableError);
    });
  });

  test("the client has no Region: an error that says where to name it", async () => {
    vi.stubEnv("AWS_REGION", undefined);
    vi.stubEnv("AWS_DEFAULT_REGION", undefined);
    vi.stubEnv("AWS_CONFIG_FILE", "/nowhere");
    try {
      const url = tableUrl("leasehold").replace("us-east-1", "");
      await withUrl(url, async (backend) => {
        await expect(backend.setup()).rejects.toThrow(InvalidArgumentError);
        await expect(backend.get(["a"])).rejects.toThrow(/has no Region.*AWS_REGION/);
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("the client has no credentials: unavailable, and nothing was sent", async () => {
    const credentials = async (): Promise<never> => {
      throw Object.assign(new Error("none found"), { name: "CredentialsProviderError" });
    };
    const user = new DynamoDBClient({ region: "us-east-1", credentials });
    const backend = dynamodbBackend({ client: user });
    await expect(backend.setup()).rejects.toThrow(UnavailableError);
    await expect(backend.commit([put("a", "one", null)])).rejects.toThrow(/No credentials were found/);
    user.destroy();
  });
});

describe("records", () => {
  test("are collected after their time to live, and created again with another version", async () => {
    // A server of its own: the collector of DynamoDB Local, which looks every ten seconds, may give up on one that has
    // seen many tables come and go.
    await using server = await dynamodbServer();
    await withUrl(tableUrl("collected", server.url), async (backend) => {
      await backend.setup();
      const result = await backend.commit([{ ...put("a", "one", null), ttlMs: 500 }]);
      const first = result.committed ? result.versions[0] : undefined;
      const gone = async () => (await read(backend, "a")) === null;
      await vi.waitUntil(gone, { timeout: 40_000, interval: 250 });
      expect(await putNow(backend, "a", "one", null)).not.toBe(first);
    });
  }, 60_000);

  test("a put without a time to live takes an earlier one away", async () => {
    await using store = await faultyStore();
    await store.backend.commit([{ ...put("a", "one"), ttlMs: 1_000 }]);
    await putNow(store.backend, "a", "two");
    const [first, second] = store.proxy.bodies.map((body) => JSON.parse(body) as Record<string, unknown>);
    expect(first?.UpdateExpression).toMatch(/#x = :x/);
    expect(second?.UpdateExpression).toMatch(/REMOVE .*#x/);
  });
});

describe("a counter", () => {
  test("keeps the receipts of the writers that added last, and no more than it should", async () => {
    await using store = await faultyStore();
    const writers = 100;
    for (let writer = 0; writer < writers; writer++) {
      await store.backend.add("n", 1, { writer: `writer-${writer}`, sequence: 1 });
    }
    const { value } = (await read(store.backend, "n")) ?? {};
    const counter = JSON.parse(Buffer.from(value ?? []).toString()) as {
      receipts: [string, number, number][];
    };
    expect(counter.receipts.length).toBeLessThanOrEqual(80);
    expect(counter.receipts.at(-1)).toEqual([`writer-${writers - 1}`, 1, writers]);
    expect(counter.receipts.length).toBeGreaterThanOrEqual(64);
    expect(await store.backend.add("n", 1, { writer: "writer-60", sequence: 1 })).toBe(61);
    expect(await store.backend.add("n", 0, { writer: "fresh", sequence: 1 })).toBe(writers);
  });

  test("that commit wrote as a value can be added to, and one that was added to can be put", async () => {
    await using store = await faultyStore();
    await store.backend.add("n", 5, { writer: "w", sequence: 1 });
    const version = (await read(store.backend, "n"))?.version as string;
    await putNow(store.backend, "n", JSON.stringify({ counter: 100, receipts: [["w", 1, 5]] }), version);
    expect(await store.backend.add("n", 5, { writer: "w", sequence: 1 })).toBe(5);
    expect(await store.backend.add("n", 7, { writer: "w", sequence: 2 })).toBe(107);
    expect(await store.backend.add("n", 1, { writer: "other", sequence: 1 })).toBe(108);
  });

  test("counts with one request for each add", async () => {
    await using store = await faultyStore();
    for (let sequence = 1; sequence <= 5; sequence++)
      await store.backend.add("n", 1, { writer: "w", sequence });
    expect(store.proxy.seen).toEqual(Array(5).fill("UpdateItem"));
  });
});
