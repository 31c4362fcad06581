// Goal: the connection under a backend or coordinator over NATS is the very one that its client package made.
import type { NatsConnection as CurrentConnection } from "@nats-io/transport-node";
import type { NatsConnection as PreviousConnection } from "nats";
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import {
  natsBackend,
  natsBackendFromUrl,
  natsBucketOf,
  natsConnectionOf,
} from "../../src/backends/nats/index.ts";
import { InvalidArgumentError } from "../../src/core/errors.ts";
import { createCoordinator } from "../../src/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";

test.each(clients)("of a connection of one's own, over %s", async (_client, connect) => {
  const connection = await connect({ servers: sharedServers().nats.url });
  const bucket = uniqueBucket();
  const backend = natsBackend({ connection, bucket });
  expect(natsConnectionOf(backend)).toBe(connection);
  expect(natsBucketOf(backend)).toEqual({ bucket, stream: `KV_${bucket}` });
  await backend.setup();
  await using coordinator = createCoordinator(backend);
  expect(natsConnectionOf<CurrentConnection>(coordinator)).toBe(connection);
  expect(natsConnectionOf<PreviousConnection>({ backend })).toBe(connection);
  expect(natsBucketOf(coordinator).bucket).toBe(bucket);
  await coordinator.close();
  await askJetStream(connection, `STREAM.DELETE.KV_${bucket}`);
  await connection.close();
});

test("of a connection that a URL opened", async () => {
  const backend = await natsBackendFromUrl(`${sharedServers().nats.url}/untouched`);
  expect(await natsConnectionOf<CurrentConnection>(backend).rtt()).toBeGreaterThanOrEqual(0);
  await backend.close();
  expect(natsConnectionOf(backend).isClosed()).toBe(true);
});

test("another store has none, and says which it is", async () => {
  const backend = memoryBackend();
  await using coordinator = createCoordinator(backend);
  for (const ask of [natsConnectionOf, natsBucketOf]) {
    expect(() => ask(backend)).toThrow(InvalidArgumentError);
    expect(() => ask(coordinator)).toThrow(/kind "memory"/);
  }
});
