// Goal: a bucket that another tool made works, says in its capabilities what it lacks, and waiters in it are as quick.
import { expect, test } from "vitest";
import { natsBackend } from "../../src/backends/nats/index.ts";
import type { ChangeHint } from "../../src/core/backend.ts";
import { UnsupportedError } from "../../src/core/errors.ts";
import { createCoordinator } from "../../src/index.ts";
import { waitUntil } from "../servers/index.ts";
import { sharedServers } from "../servers/shared.ts";
import { askJetStream, clients, uniqueBucket } from "./nats-clients.ts";
import { makePlainBucket, put } from "./nats-stores.ts";

const handoffs = 20;
const handoffMaxMs = 1_000;

async function plainBucket(line: "nats" | "nats210") {
  const { url } = sharedServers()[line];
  const [first, second] = await Promise.all(clients.map(([, connect]) => connect({ servers: url })));
  if (first === undefined || second === undefined) throw new Error("there are two clients");
  const bucket = uniqueBucket();
  await makePlainBucket(first, bucket);
  return {
    bucket,
    connections: [first, second] as const,
    async [Symbol.asyncDispose]() {
      await askJetStream(first, `STREAM.DELETE.KV_${bucket}`);
      await Promise.all([first.close(), second.close()]);
    },
  };
}

test.for(["nats", "nats210"] as const)(
  "it takes single keys and tells of no changes, on %s",
  async (line) => {
    await using plain = await plainBucket(line);
    const { bucket, connections } = plain;
    const [backend, other] = connections.map((connection) => natsBackend({ connection, bucket }));
    if (backend === undefined || other === undefined) throw new Error("there are two backends");
    const heard: ChangeHint[] = [];
    backend.watch("", (hint) => heard.push(hint));
    await Promise.all([backend.setup(), other.setup()]);
    backend.watch("a", (hint) => heard.push(hint));
    expect(backend.capabilities).toMatchObject({ commitOperationsMax: 1, watch: "none", wake: true });
    await expect(backend.commit([put("a", "x"), put("b", "x")])).rejects.toThrow(UnsupportedError);
    await other.commit([put("a.b", "x", null)]);
    // A wake that was sent later has come: so would have a hint.
    const woken = new Promise<string>((resolve) => backend.onWake("me", resolve));
    await connections[0].flush();
    other.wake("me", "now");
    expect(await woken).toBe("now");
    expect(heard).toEqual([]);
    await Promise.all([backend.close(), other.close()]);
  },
);

test.for(["nats", "nats210"] as const)("a lock is handed over by wakes alone, on %s", async (line) => {
  await using plain = await plainBucket(line);
  const { bucket, connections } = plain;
  const [one, two] = connections.map((connection) =>
    createCoordinator(natsBackend({ connection, bucket }), { ttl: "15s" }),
  );
  if (one === undefined || two === undefined) throw new Error("there are two coordinators");
  const waits = async () => ((await one.lock("job").inspect())?.waiters.length === 1 ? true : null);
  let held = await one.lock("job").acquire();
  let longestMs = 0;
  for (let handoff = 0; handoff < handoffs; handoff += 1) {
    const next = (handoff % 2 === 0 ? two : one).lock("job").acquire({ wait: "30s" });
    await waitUntil(waits, { timeoutMs: 5_000, intervalMs: 1, what: "somebody to wait" });
    const startedMs = performance.now();
    await held.release();
    held = await next;
    longestMs = Math.max(longestMs, performance.now() - startedMs);
  }
  expect(longestMs).toBeLessThan(handoffMaxMs);
  await held.release();
  await Promise.all([one.close(), two.close()]);
});
