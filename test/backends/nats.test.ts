// Goal: the NATS backend keeps the storage contract with either client generation, on the newest server and on 2.10.
import { afterAll, beforeAll, describe, test } from "vitest";
import { type NatsConnection, natsBackend } from "../../src/backends/nats/index.ts";
import { backendConformance } from "../../src/testing/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";

const servers = [
  { line: "nats", commitOperationsMax: 1_000 },
  { line: "nats210", commitOperationsMax: 1 },
] as const;

for (const [client, connect] of clients) {
  for (const { line, commitOperationsMax } of servers) {
    describe(`the NATS backend over ${client} on ${line} keeps the contract:`, () => {
      const bucket = uniqueBucket();
      let first: NatsConnection;
      let second: NatsConnection;
      beforeAll(async () => {
        const { url } = sharedServers()[line];
        [first, second] = await Promise.all([connect({ servers: url }), connect({ servers: url })]);
        await natsBackend({ connection: first, bucket }).setup();
      });
      afterAll(async () => {
        await askJetStream(first, `STREAM.DELETE.KV_${bucket}`);
        await Promise.all([first.close(), second.close()]);
      });
      const cases = backendConformance({
        create: async () => {
          const backend = natsBackend({ connection: first, bucket });
          const other = natsBackend({ connection: second, bucket });
          await Promise.all([backend.setup(), other.setup()]);
          return {
            backend,
            other,
            destroy: async () => {
              await Promise.all([backend.close(), other.close()]);
            },
          };
        },
        createMissing: async () => {
          const missing = uniqueBucket();
          const backend = natsBackend({ connection: first, bucket: missing });
          return {
            backend,
            destroy: async () => {
              await backend.close();
              await askJetStream(first, `STREAM.DELETE.KV_${missing}`);
            },
          };
        },
        declared: { commitOperationsMax, wake: true, watch: "push", orderedScan: true },
      });
      for (const { title, skip, run } of cases) {
        const reason = skip === undefined ? "" : ` (skipped, ${skip.capability}: ${skip.reason})`;
        test.skipIf(skip !== undefined)(`${title}${reason}`, run);
      }
    });
  }
}
