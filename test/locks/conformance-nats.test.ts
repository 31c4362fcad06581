// Goal: locks keep their promises over the NATS backend, in real time, on the newest server and on 2.10.
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type NatsConnection, natsBackend } from "../../src/backends/nats/index.ts";
import { lockConformance } from "../../src/testing/index.ts";
import { askJetStream, uniqueBucket } from "../backends/nats-clients.ts";
import { sharedServers } from "../servers/shared.ts";

describe.each(["nats", "nats210"] as const)("over the NATS backend on %s:", (line) => {
  const bucket = uniqueBucket();
  let connections: readonly NatsConnection[];
  beforeAll(async () => {
    const { url } = sharedServers()[line];
    connections = await Promise.all([1, 2, 3].map(() => connect({ servers: url })));
    await natsBackend({ connection: connections[0] as NatsConnection, bucket }).setup();
  });
  afterAll(async () => {
    await askJetStream(connections[0] as NatsConnection, `STREAM.DELETE.KV_${bucket}`);
    await Promise.all(connections.map((connection) => connection.close()));
  });
  const cases = lockConformance({
    async create() {
      const open = (index: number) =>
        natsBackend({ connection: connections[index] as NatsConnection, bucket });
      const backends = [open(0), open(1), open(2)] as const;
      await Promise.all(backends.map((backend) => backend.setup()));
      return {
        backends,
        async destroy() {
          await Promise.all(backends.map((backend) => backend.close()));
        },
      };
    },
  });
  for (const { title, run } of cases) test.concurrent(title, run);
});
