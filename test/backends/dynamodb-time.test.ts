// Goal: DynamoDB's clock is read from the header Date of one cheap request, whatever becomes of that request.
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { dynamodbBackend } from "../../src/backends/dynamodb/index.ts";
import type { Backend, StoreTime } from "../../src/core/backend.ts";
import { PermissionDeniedError, UnavailableError, UnsupportedError } from "../../src/core/errors.ts";
import { dynamodbError, type Fault } from "../fault-proxy/http-fault-proxy.ts";
import { faultyStore, userClient } from "./dynamodb-support.ts";

/** The clock of the server is the one of this machine. */
async function expectRight(backend: Backend): Promise<StoreTime> {
  const beforeMs = Date.now();
  const time = await backend.time();
  expect(time.earliestMs % 1_000).toBe(0);
  expect(time.earliestMs).toBeLessThanOrEqual(Date.now());
  expect(time.latestMs).toBeGreaterThanOrEqual(beforeMs);
  return time;
}

test.for(["own client", "user's client"] as const)("costs half a read unit, with a %s", async (sender) => {
  await using store = await faultyStore(sender);
  await expectRight(store.backend);
  expect(store.proxy.seen).toEqual(["GetItem"]);
  const [body = ""] = store.proxy.bodies;
  expect(JSON.parse(body)).toEqual({ TableName: store.table, Key: { pk: { S: "leasehold.probe" } } });
});

test.for(["own client", "user's client"] as const)(
  "an attempt that was lost does not widen the bounds, with a %s",
  async (sender) => {
    await using store = await faultyStore(sender);
    const lost: Fault = {
      kind: "dropAfter",
      meanwhile: () => new Promise((resolve) => setTimeout(resolve, 300)),
    };
    store.proxy.next("GetItem", lost);
    const time = await expectRight(store.backend);
    expect(time.latestMs - time.earliestMs).toBeLessThan(1_300);
    expect(store.proxy.seen).toEqual(["GetItem", "GetItem"]);
  },
);

test("credentials for some keys only are told the time by the refusal", async () => {
  await using store = await faultyStore();
  store.proxy.always("GetItem", { kind: "answer", answer: dynamodbError("AccessDeniedException") });
  await expectRight(store.backend);
});

test("other failures are those of any read", async () => {
  await using store = await faultyStore();
  store.proxy.always("GetItem", { kind: "answer", answer: dynamodbError("InternalServerError", 500) });
  await expect(store.backend.time()).rejects.toThrow(UnavailableError);
  store.proxy.always("GetItem", { kind: "hangAfter" });
  await expect(store.backend.time()).rejects.toThrow(UnavailableError);
});

test("answers without a date are UnsupportedError, and a refusal without one is a refusal", async () => {
  await using store = await faultyStore();
  const client = userClient(store.proxy.url);
  withoutDates(client);
  const backend = dynamodbBackend({ client, table: store.table });
  await expect(backend.time()).rejects.toThrow(UnsupportedError);
  await expect(backend.time()).rejects.toThrow(/Region us-east-1, endpoint .* no header Date/);
  store.proxy.always("GetItem", { kind: "answer", answer: dynamodbError("AccessDeniedException") });
  await expect(backend.time()).rejects.toThrow(PermissionDeniedError);
  await backend.close();
  client.destroy();
});

/** Takes the header away before the SDK sees an answer. */
function withoutDates(client: DynamoDBClient): void {
  const { requestHandler } = client.config;
  const handle = requestHandler.handle.bind(requestHandler);
  requestHandler.handle = async (request, options) => {
    const result = await handle(request, options);
    delete result.response.headers.date;
    return result;
  };
}
