/**
 * Real servers for tests, benchmarks and examples. Nothing here imports vitest.
 *
 * A server that a test owns, which it may crash:
 *
 *     await using server = await natsServer({ version: "2.10" });
 *     const connection = await connect({ servers: server.url });
 *     await server.kill();
 *     await server.restart(); // same port, same store
 *
 * Most tests share the servers that vitest's global set-up starts, and keep apart by random names of buckets
 * and tables: `sharedServers()` of `./shared.ts` gives their URLs.
 *
 * Where servers come from, first match wins:
 *
 * 1. `LEASEHOLD_TEST_NATS_URL`, `LEASEHOLD_TEST_NATS_2_10_URL`, `LEASEHOLD_TEST_NATS_2_9_URL` and
 *    `LEASEHOLD_TEST_DYNAMODB_URL`, for the shared servers only: a test that kills a server owns one.
 * 2. Containers, when an engine answers and has or can pull all images: `LEASEHOLD_TEST_NATS_IMAGE`,
 *    `LEASEHOLD_TEST_NATS_2_10_IMAGE`, `LEASEHOLD_TEST_NATS_2_9_IMAGE`, `LEASEHOLD_TEST_DYNAMODB_IMAGE`.
 *    `LEASEHOLD_TEST_CONTAINERS` demands them (`1`) or rules them out (`0`).
 * 3. Programs of this machine, or of the cache folder `.cache/test-servers` (`LEASEHOLD_TEST_CACHE`):
 *    `nats-server`; Java with DynamoDB Local (also in `LEASEHOLD_TEST_DYNAMODB_HOME`).
 * 4. Provisioning, which fills the cache from packages and installs nothing: see `npm run provision`.
 * 5. An error that says what to install. Nothing is skipped.
 */
export { type DynamodbServerOptions, dynamodbServer, localDynamodbSettings } from "./dynamodb.ts";
export { type NatsServerOptions, natsServer } from "./nats.ts";
export { type ClaimedPort, claimPort } from "./ports.ts";
export type { NatsVersion } from "./settings.ts";
export type { TestServer } from "./test-server.ts";
export { type WaitLimits, waitUntil } from "./wait-until.ts";
