import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { dynamodbBackend, dynamodbBackendFromUrl } from "../../src/backends/dynamodb/index.ts";
import type { Backend, Expectation, Operation, StoredRecord } from "../../src/core/backend.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { type HttpFaultProxy, httpFaultProxy } from "../fault-proxy/http-fault-proxy.ts";
import { localDynamodbSettings } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";

/** Who sends the requests that a test spoils: leasehold's own client, or one as the SDK makes it, which retries. */
export type Sender = "own client" | "user's client";

/** A table, a client of it through a proxy, and another one that no fault reaches. */
export interface FaultyStore extends AsyncDisposable {
  readonly proxy: HttpFaultProxy;
  /** Speaks through the proxy. */
  readonly backend: Backend;
  /** Speaks to the server. */
  readonly direct: Backend;
  readonly table: string;
}

/** `dynamodb:` URL of a table of the shared server, or of what stands at `endpoint`. */
export function tableUrl(table: string, endpoint = sharedServers().dynamodb.url, more = ""): string {
  return `dynamodb://us-east-1/${table}?endpoint=${endpoint}${more}`;
}

/** A name for a table that nobody else uses. */
export function freshTable(): string {
  return `test-${systemRuntime.id()}`;
}

/** A client of the AWS SDK with its default retries. */
export function userClient(endpoint = sharedServers().dynamodb.url): DynamoDBClient {
  return new DynamoDBClient({ ...localDynamodbSettings, endpoint });
}

/** A table, new or not, whose `backend` speaks through a fault proxy, ready to be spoilt. */
export async function faultyStore(
  sender: Sender = "own client",
  more = "",
  table = freshTable(),
): Promise<FaultyStore> {
  const proxy = await httpFaultProxy(sharedServers().dynamodb.url);
  const client = sender === "own client" ? null : userClient(proxy.url);
  const direct = await dynamodbBackendFromUrl(tableUrl(table));
  const backend =
    client === null
      ? await dynamodbBackendFromUrl(tableUrl(table, proxy.url, more))
      : dynamodbBackend({ client, table });
  await direct.setup();
  await backend.setup({ create: false });
  proxy.forget();
  return {
    ...{ proxy, backend, direct, table },
    async [Symbol.asyncDispose]() {
      await Promise.all([backend.close(), direct.close()]);
      client?.destroy();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** A put of a text. */
export function put(key: string, text: string, expect?: Expectation): Operation & { readonly kind: "put" } {
  const operation = { kind: "put", key, value: Buffer.from(text) } as const;
  return expect === undefined ? operation : { ...operation, expect };
}

/** Commits one put that must go through, and gives its version. */
export async function putNow(
  backend: Backend,
  key: string,
  text: string,
  expect?: Expectation,
): Promise<string> {
  const result = await backend.commit([put(key, text, expect)]);
  if (!result.committed) throw new Error(`the put of ${key} met a conflict`);
  return result.versions[0] as string;
}

/** The record under a key. */
export async function read(backend: Backend, key: string): Promise<StoredRecord | null> {
  const [record] = await backend.get([key]);
  return record ?? null;
}

/** The text under a key, or null. */
export async function readText(backend: Backend, key: string): Promise<string | null> {
  const record = await read(backend, key);
  return record === null ? null : Buffer.from(record.value).toString();
}
