// Goal: on NATS, an add of which nothing tells any more is not applied by the attempt after the one that found that out.
import { expect, test } from "vitest";
import { systemRuntime } from "../../src/core/runtime.ts";
import { sharedServers } from "../servers/shared.ts";
import { clients, uniqueBucket } from "./nats-clients.ts";
import { openNatsStore } from "./nats-stores.ts";

test("an add that comes again over a client that never saw the counter is not applied twice", async () => {
  const [, connect] = clients[0] as (typeof clients)[number];
  const bucket = uniqueBucket();
  await using a = await openNatsStore(connect, sharedServers().nats.url, { bucket });
  await using b = await openNatsStore(connect, sharedServers().nats.url, { bucket });
  await using c = await openNatsStore(connect, sharedServers().nats.url, { bucket });
  const operation = { writer: systemRuntime.id(), sequence: 1 };
  expect(await a.backend.add("k", 1_000, operation)).toBe(1_000);
  for (let i = 0; i < 100; i += 1) await b.backend.add("k", 1, { writer: systemRuntime.id(), sequence: 1 });
  await c.backend.add("k", 1_000, { ...operation, again: true }).catch((error) => error.code);
  const sum = await b.backend.add("k", 0, { writer: systemRuntime.id(), sequence: 1 });
  expect(sum).toBe(1_100);
});
