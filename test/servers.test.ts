// Goal: the servers that all other tests stand on are what they say, survive being killed on the same port
// and store, freeze and go on, and leave nothing behind.
import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { connect } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  dynamodbServer,
  localDynamodbSettings,
  type NatsServerOptions,
  natsServer,
  type TestServer,
} from "./servers/index.ts";
import { answersDynamodb, readNatsInfo } from "./servers/probes.ts";
import { sharedServers } from "./servers/shared.ts";

async function ownNats(options: NatsServerOptions): Promise<TestServer> {
  const server = await natsServer(options);
  onTestFinished(() => server.close());
  return server;
}

/** One request to the JetStream API over a connection of its own. */
async function jetstream(server: { url: string }, subject: string, body = "") {
  const connection = await connect({ servers: server.url, timeout: 5_000, reconnect: false });
  try {
    return (await connection.request(`$JS.API.${subject}`, body, { timeout: 5_000 })).json<{
      readonly error?: { readonly description: string };
      readonly state?: { readonly messages: number };
    }>();
  } finally {
    await connection.close();
  }
}

describe("shared servers", () => {
  test("each answers with the version that it was started for", async () => {
    const { nats, nats210, nats29, dynamodb } = sharedServers();
    for (const [server, line] of [
      [nats, /^2\.1[5-9]\./],
      [nats210, /^2\.10\./],
      [nats29, /^2\.9\./],
    ] as const) {
      const info = await readNatsInfo("127.0.0.1", Number(new URL(server.url).port));
      expect(info.version).toMatch(line);
      expect(info.version).toBe(server.version);
      expect(info.jetstream).toBe(true);
    }
    expect(await answersDynamodb(dynamodb.url)).toBe(true);
  });
});

describe("a NATS server of one's own", () => {
  test.for(["2.15", "2.10", "2.9"] as const)("%s keeps its stream over a kill", async (version) => {
    const server = await ownNats({ version });
    const config = JSON.stringify({ name: "kept", subjects: ["kept"], storage: "file" });
    expect((await jetstream(server, "STREAM.CREATE.kept", config)).error).toBeUndefined();
    const connection = await connect({ servers: server.url });
    await connection.request("kept", "one");
    await connection.close();

    await server.kill();
    await expect(readNatsInfo("127.0.0.1", server.port)).rejects.toThrow();
    await server.restart();

    expect((await jetstream(server, "STREAM.INFO.kept")).state?.messages).toBe(1);
  });

  test("is frozen by pause and goes on after resume", async () => {
    const server = await ownNats({});
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    await server.pause();
    await expect(connection.request("$JS.API.INFO", "", { timeout: 300 })).rejects.toThrow();
    await server.resume();
    expect((await connection.request("$JS.API.INFO", "", { timeout: 5_000 })).string()).toContain(
      "account_info",
    );
  });

  test("stops in order and restarts, also when it was frozen", async () => {
    const server = await ownNats({});
    await server.pause();
    await server.stop();
    await server.restart();
    expect((await readNatsInfo("127.0.0.1", server.port)).version).toBe(server.version);
  });

  test("takes a configuration: users with passwords", async () => {
    const server = await ownNats({ config: 'authorization { user: "u", password: "p" }' });
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/authorization/i);
    await (await connect({ servers: server.url, user: "u", pass: "p" })).close();
  });

  test("can be without JetStream", async () => {
    const server = await ownNats({ jetstream: false });
    expect((await readNatsInfo("127.0.0.1", server.port)).jetstream).toBeUndefined();
  });

  test("that does not start says why, with the end of its log", async () => {
    await expect(natsServer({ config: "no { such" })).rejects.toThrow(/NATS .* did not start: .*ended/s);
  });

  test("leaves no process after close", async () => {
    const server = await natsServer();
    const { pid } = server;
    await server.close();
    expect(server.pid).toBeNull();
    if (pid !== null) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    await expect(readNatsInfo("127.0.0.1", server.port)).rejects.toThrow();
  });
});

describe("a DynamoDB Local of one's own", () => {
  test("keeps its tables over a kill when it is persistent", async () => {
    await using server = await dynamodbServer({ persistent: true });
    const client = new DynamoDBClient({ ...localDynamodbSettings, endpoint: server.url });
    onTestFinished(() => client.destroy());
    await client.send(
      new CreateTableCommand({
        TableName: "kept",
        AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
        BillingMode: "PAY_PER_REQUEST",
      }),
    );
    await server.kill();
    await server.restart();
    expect((await client.send(new ListTablesCommand({}))).TableNames).toEqual(["kept"]);
  });
});
