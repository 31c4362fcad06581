// Goal: what a serverless framework's key-value table on DynamoDB is used for is had here, on DynamoDB Local, as
// docs/coverage.md says: tables from configuration, every operation of its examples, pages over HTTP, common patterns.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { DescribeTableCommand } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import {
  dynamodbBackend,
  dynamodbClientOf,
  dynamodbItems,
  equals,
  exists,
  tableFromEnvironment,
} from "../../src/backends/dynamodb/index.ts";
import { connect, createCoordinator, jsonCodec, LeaseholdError } from "../../src/index.ts";
import { testTable } from "../backends/dynamodb/items/items-support.ts";
import { freshTable, tableUrl, userClient } from "../backends/dynamodb-support.ts";

interface User {
  readonly id: string;
  readonly name?: string;
  readonly status?: string;
  readonly visits?: number;
}

/** Of a new table. What is shown here is not how soon a busy machine answers. */
const patientUrl = () => tableUrl(freshTable(), undefined, "&requestTimeout=20s");

test("a table is made with the primary key that its configuration names, and found by the environment", async () => {
  const client = userClient();
  const table = freshTable();
  const backend = dynamodbBackend({
    client,
    table,
    attributes: { key: "email" },
    create: { billing: "on-demand" },
    requestTimeout: "20s",
  });
  await using coordinator = createCoordinator(backend);
  await coordinator.setup();
  const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
  expect(Table?.KeySchema).toEqual([{ AttributeName: "email", KeyType: "HASH" }]);
  expect(Table?.BillingModeSummary?.BillingMode).toBe("PAY_PER_REQUEST");
  // Such a table also takes items of one's own.
  const found = tableFromEnvironment("users", { KV_USERS: table, KV_USERS_ARN: String(Table?.TableArn) });
  expect(found).toEqual({ name: table, arn: Table?.TableArn });
  const users = dynamodbItems<{ email: string; name: string }>({ client, table: found, key: "email" });
  await users.put({ email: "ada@example.com", name: "Ada" });
  expect(await users.get("ada@example.com")).toEqual({ email: "ada@example.com", name: "Ada" });
  await backend.close();
  client.destroy();
});

test("a coordinator of the module is set up once, however often the function is invoked", async () => {
  const table = freshTable();
  const client = userClient();
  const sent: string[] = [];
  client.middlewareStack.add(
    (next, { commandName = "" }) =>
      (input) => {
        sent.push(commandName);
        return next(input);
      },
    { step: "initialize" },
  );
  // As the module of a function has them: made once, not connected before the first call.
  const coordinator = createCoordinator(dynamodbBackend({ client, table, requestTimeout: "20s" }));
  const users = coordinator.kv<User>("users");
  expect(sent).toEqual([]);
  await coordinator.setup();
  const handler = async (id: string): Promise<number> => ((await users.get(id)) === undefined ? 404 : 200);
  expect(await handler("ada")).toBe(404);
  await users.set("ada", { id: "ada" });
  sent.length = 0;
  for (let nth = 0; nth < 10; nth += 1) expect(await handler("ada")).toBe(200);
  expect(sent).toEqual(Array.from({ length: 10 }, () => expect.stringMatching(/GetItem/)));
  await coordinator.close();
  client.destroy();
});

test("an item is put, read, patched in whatever fields a request names, counted in, and deleted", async () => {
  await using table = await testTable<User>();
  const { items } = table;
  await items.put({ id: "1", name: "Ada" });
  const patch = { name: "Ada L.", status: "active" } as const;
  let update = items.update("1");
  for (const [field, value] of Object.entries(patch)) update = update.set([field], value);
  const patched = await update.when(exists("id")).run();
  expect(patched).toMatchObject({ committed: true, item: { id: "1", ...patch } });
  expect(await items.update("2").set("name", "Bob").when(exists("id")).run()).toMatchObject({
    committed: false,
  });
  expect(await items.get("2")).toBeNull();
  const counted = await items.update("page-views").increment("visits").run();
  expect(counted).toMatchObject({ committed: true, item: { visits: 1 } });
  await items.delete("1");
  expect(await items.get("1")).toBeNull();
});

test("a list of everything goes on where an answer of 1 MB ends, with a filter too", async () => {
  await using table = await testTable<User>();
  const users = Array.from({ length: 6 }, (_, nth) => ({
    ...{ id: `${nth}`, name: "x".repeat(300_000), status: nth % 2 === 0 ? "active" : "gone" },
  }));
  await table.items.putMany(users);
  expect(await table.items.scan().count()).toBe(6);
  expect(await table.items.scan({ filter: equals("status", "active"), project: ["id"] }).all()).toHaveLength(
    3,
  );
  await using coordinator = await connect(patientUrl());
  const kv = coordinator.kv<User>("users");
  await kv.setMany(users.map((value) => ({ key: value.id, value })));
  const seen: string[] = [];
  for await (const { key, value } of kv.list({ filter: ({ value }) => value.status === "active" })) {
    expect(value.name).toHaveLength(300_000);
    seen.push(key);
  }
  expect(seen.sort()).toEqual(["0", "2", "4"]);
});

test("an HTTP API gives pages with a cursor, and tells its callers from its own failures by codes", async () => {
  await using table = await testTable<User>();
  await table.items.putMany(Array.from({ length: 25 }, (_, nth) => ({ id: `user ${nth}` })));
  const statusOf = (error: unknown): number =>
    error instanceof LeaseholdError && error.code === "INVALID_ARGUMENT" ? 400 : 500;
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://api.example");
    try {
      if (pathname === "/users") {
        const cursor = searchParams.get("cursor");
        const pageSize = Number(searchParams.get("limit") ?? 10);
        const scan = table.items.scan({ pageSize, ...(cursor !== null && { cursor }) });
        for await (const page of scan.pages()) {
          response.end(JSON.stringify(page));
          return;
        }
      }
      const user = await table.items.get(decodeURIComponent(pathname.slice("/users/".length)));
      response.writeHead(user === null ? 404 : 200).end(JSON.stringify(user));
    } catch (error) {
      response.writeHead(statusOf(error)).end();
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}/users`;
  try {
    const seen: string[] = [];
    let query = "?limit=10";
    for (let more = true; more; ) {
      const answer = await (await fetch(api + query)).json();
      const { items, cursor } = answer as { items: User[]; cursor?: string };
      expect(items.length).toBeLessThanOrEqual(10);
      seen.push(...items.map(({ id }) => id));
      query = `?limit=10&cursor=${encodeURIComponent(cursor ?? "")}`;
      more = cursor !== undefined;
    }
    expect(new Set(seen).size).toBe(25);
    expect(seen).toHaveLength(25);
    expect((await fetch(`${api}/user%201`)).status).toBe(200);
    expect((await fetch(`${api}/nobody`)).status).toBe(404);
    // A cursor that was made up, sizes that are none, and an empty key are the caller's.
    for (const bad of ["?cursor=e30", "?limit=none", "?limit=0", "/"])
      expect((await fetch(api + bad)).status).toBe(400);
  } finally {
    server.close();
  }
});

test("profiles keep what others change, sessions end with their time to live, settings have defaults", async () => {
  const url = patientUrl();
  await using coordinator = await connect(url);
  await using other = await connect(url);
  const profiles = coordinator.kv<Record<string, string>>("profiles");
  const change = (store: typeof profiles, fields: Record<string, string>) =>
    store.update("ada", (profile = {}) => ({ ...profile, ...fields }));
  await Promise.all([change(profiles, { name: "Ada" }), change(other.kv("profiles"), { city: "London" })]);
  const profile = await profiles.get("ada");
  expect(profile?.value).toEqual({ name: "Ada", city: "London" });
  expect(profile?.updatedAt).toBeInstanceOf(Date);

  const sessions = coordinator.kv<{ user: string }>("sessions", { ttl: "1d" });
  expect(await sessions.setIfAbsent("s-1", { user: "ada" })).toMatchObject({ committed: true });
  const leftMs = await other.kv("sessions").ttl("s-1");
  expect(leftMs).toBeGreaterThan(86_000_000);
  expect(await sessions.touch("s-1")).toBe(true);

  const settings = other.kv<string>("settings");
  expect((await settings.get("theme"))?.value ?? null).toBeNull();
  await settings.set("theme", "dark");
  expect((await coordinator.kv("settings").get("theme"))?.value).toBe("dark");
  expect(dynamodbClientOf(coordinator).table).toMatch(/^test-/);
});

test("every type of data comes back, from items and from entries", async () => {
  const item = {
    ...{ id: "user123", age: 25, active: true, nothing: null, tags: ["admin", "user"] },
    metadata: { lastLogin: "2024-01-01", preferences: { theme: "dark", notifications: true } },
    ...{
      scores: new Set([100, 200, 300]),
      roles: new Set(["admin", "user"]),
      photo: new Uint8Array([0, 255]),
    },
  };
  await using table = await testTable<typeof item>();
  await table.items.put(item);
  expect(await table.items.get("user123")).toEqual(item);
  await using coordinator = await connect(patientUrl());
  const kv = coordinator.kv<typeof item>("users", { codec: jsonCodec({ extended: true }) });
  await kv.set("user123", item);
  expect((await kv.get("user123"))?.value).toEqual(item);
});
