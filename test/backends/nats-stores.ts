import { type NatsBackendOptions, type NatsConnection, natsBackend } from "../../src/backends/nats/index.ts";
import type { Backend, Operation, StoredRecord, Version } from "../../src/core/backend.ts";
import { askJetStream, type ClientOptions, uniqueBucket } from "./nats-clients.ts";

/** A backend over a connection of its own; both are closed together. */
export interface NatsStore extends AsyncDisposable {
  readonly backend: Backend;
  readonly connection: NatsConnection;
  readonly bucket: string;
}

/** Settings of {@link openNatsStore}. */
export interface NatsStoreOptions extends Partial<NatsBackendOptions> {
  /** Look at the bucket only, do not make it. */
  readonly create?: boolean;
}

/** Connects for good, as `connect()` of leasehold does, and sets up a bucket, by default a new one. */
export async function openNatsStore(
  connect: (options: ClientOptions) => Promise<NatsConnection>,
  servers: string,
  { create = true, bucket = uniqueBucket(), ...options }: NatsStoreOptions = {},
): Promise<NatsStore> {
  const connection = await connect({ servers, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  const backend = natsBackend({ requestTimeout: "1s", ...options, connection, bucket });
  await backend.setup({ create });
  return {
    backend,
    connection,
    bucket,
    async [Symbol.asyncDispose]() {
      await backend.close();
      await connection.close();
    },
  };
}

/** A stream for a bucket as other tools make it, with `config` on top. */
export async function makePlainBucket(
  connection: NatsConnection,
  bucket: string,
  config: object = {},
): Promise<void> {
  const { error } = await askJetStream(connection, `STREAM.CREATE.KV_${bucket}`, {
    name: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    max_msgs_per_subject: 1,
    discard: "new",
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_direct: true,
    ...config,
  });
  if (error !== undefined) throw new Error(`the bucket was not made: ${JSON.stringify(error)}`);
}

/** A put; without `expect`, unconditional. */
export function put(key: string, text: string, expect?: Version | null): Extract<Operation, { kind: "put" }> {
  const value = Buffer.from(text);
  return expect === undefined ? { kind: "put", key, value } : { kind: "put", key, value, expect };
}

/** Commits a put that must succeed, and answers its version. */
export async function putNow(
  backend: Backend,
  key: string,
  text: string,
  expect?: Version | null,
): Promise<Version> {
  const result = await backend.commit([put(key, text, expect)]);
  if (!result.committed) throw new Error(`the put of ${key} met a conflict`);
  return result.versions[0] as Version;
}

/** The record under a key. */
export async function read(backend: Backend, key: string): Promise<StoredRecord | null> {
  return (await backend.get([key]))[0] ?? null;
}

/** The value under a key, or null. */
export async function readText(backend: Backend, key: string): Promise<string | null> {
  const record = await read(backend, key);
  return record && Buffer.from(record.value).toString();
}
