// Goal: a NATS server that is killed and started again costs no lock that was renewed in time, and no fence.
import { expect, test } from "vitest";
import { natsServer } from "../servers/index.ts";
import { sharedNowMs, startWorker } from "./worker-process.ts";

test("a lock outlives a kill and restart of the server that is shorter than its lease", async () => {
  await using server = await natsServer();
  using holder = await startWorker(`${server.url}/locks`, 10_000);
  using waiter = await startWorker(`${server.url}/locks`, 10_000);
  const first = await holder.call("acquire", "job");
  const next = waiter.call("acquire", "job");
  await server.kill();
  await server.restart();
  const state = await holder.call("state");
  expect(state.state).not.toBe("lost");
  expect((await holder.call("release")).error).toBeUndefined();
  expect((await next).fence).toBeGreaterThan(first.fence);
});

test("a server that stays away past the lease: the holder is told by its deadline, and then all go on", async () => {
  const ttlMs = 1_500;
  await using server = await natsServer();
  using holder = await startWorker(`${server.url}/locks`, ttlMs);
  using waiter = await startWorker(`${server.url}/locks`, ttlMs);
  const first = await holder.call("acquire", "job");
  const next = waiter.call("acquire", "job");
  await server.kill();
  const killedAtMs = sharedNowMs();
  const lost = await holder.lost;
  // The last heartbeat that counted was sent before the kill; a busy machine may run a timer late.
  expect(lost.atMs - killedAtMs).toBeLessThan(ttlMs + 500);
  await server.restart();
  const second = await next;
  expect(second.fence).toBeGreaterThan(first.fence);
  expect((await waiter.call("release")).error).toBeUndefined();
  expect((await holder.call("acquire", "job")).fence).toBeGreaterThan(second.fence);
});
