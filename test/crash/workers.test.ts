// Goal: real processes that are killed, stopped and stalled neither keep a lock for ever nor hold it twice.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { sharedServers } from "../servers/shared.ts";
import { sharedNowMs, startWorker } from "./worker-process.ts";

const ttlMs = 1_500;
/** What an observer adds to a TTL for clocks that run at different rates. */
const observedTtlMs = ttlMs * 1.1;
const folder = mkdtempSync(join(tmpdir(), "leasehold-crash-"));
afterAll(() => rmSync(folder, { recursive: true }));

const stores: Readonly<Record<string, () => string>> = {
  sqlite: () => `sqlite:${join(folder, `${randomUUID()}.db`)}`,
  nats: () => `${sharedServers().nats.url}/${randomUUID()}`,
  "nats 2.10": () => `${sharedServers().nats210.url}/${randomUUID()}`,
  dynamodb: () =>
    `dynamodb://local/t${randomUUID()}?endpoint=${encodeURIComponent(sharedServers().dynamodb.url)}`,
};

describe.each(Object.entries(stores))("on %s", (_name, freshUrl) => {
  test("a killed holder's lock goes to the waiter, not before its lease has ended, with a larger fence", async () => {
    const url = freshUrl();
    using holder = await startWorker(url, ttlMs);
    using waiter = await startWorker(url, ttlMs);
    const first = await holder.call("acquire", "job");
    const next = waiter.call("acquire", "job");
    await holder.kill();
    const killedAtMs = sharedNowMs();
    const second = await next;
    expect(second.fence).toBeGreaterThan(first.fence);
    // Its last heartbeat was sent at most TTL/3 and one attempt before the kill.
    expect(second.atMs - killedAtMs).toBeGreaterThan(ttlMs / 2);
    expect(second.atMs - killedAtMs).toBeLessThan(4 * observedTtlMs);
    expect((await waiter.call("release")).error).toBeUndefined();
  });

  test("a holder stopped past its lease learns of the loss when it goes on, and harms nobody", async () => {
    const url = freshUrl();
    using holder = await startWorker(url, ttlMs);
    using waiter = await startWorker(url, ttlMs);
    const first = await holder.call("acquire", "job");
    const next = waiter.call("acquire", "job");
    holder.pause();
    const stoppedAtMs = sharedNowMs();
    const second = await next;
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(second.atMs - stoppedAtMs).toBeGreaterThan(ttlMs / 2);
    holder.resume();
    const lost = await holder.lost;
    expect(lost.fence).toBe(first.fence);
    expect((await holder.call("state")).state).toBe("lost");
    expect((await holder.call("release")).error).toBe("LEASE_LOST");
    expect((await waiter.call("state")).state).toBe("held");
    // It comes back with a session of its own, behind the new holder.
    const again = holder.call("acquire", "job");
    expect((await waiter.call("release")).error).toBeUndefined();
    expect((await again).fence).toBeGreaterThan(second.fence);
  });

  test("a stalled event loop loses the lease, and the first look at the signal after it says so", async () => {
    const url = freshUrl();
    using holder = await startWorker(url, ttlMs);
    await holder.call("acquire", "job");
    const stalled = await holder.call("stall", ttlMs + 100);
    expect(stalled).toMatchObject({ isAborted: true, state: "lost" });
  });

  test("a stall shorter than the lease loses nothing", async () => {
    const url = freshUrl();
    using holder = await startWorker(url, ttlMs);
    await holder.call("acquire", "job");
    const stalled = await holder.call("stall", ttlMs / 3);
    expect(stalled).toMatchObject({ isAborted: false });
    expect((await holder.call("release")).error).toBeUndefined();
  });
});
