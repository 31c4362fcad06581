// Goal: a blocked event loop keeps its leases while its heartbeats have a thread of their own, and a hung one loses them.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { sharedServers } from "../servers/shared.ts";
import { startHolder } from "./holder-process.ts";

const ttl = 1_500;
const folder = mkdtempSync(join(tmpdir(), "leasehold-heartbeat-"));
afterAll(() => rmSync(folder, { recursive: true }));

const stores: Readonly<Record<string, () => string>> = {
  sqlite: () => `sqlite:${join(folder, `${randomUUID()}.db`)}`,
  nats: () => `${sharedServers().nats.url}/${randomUUID()}`,
};

describe.each(Object.entries(stores))("on %s", (_name, freshUrl) => {
  test("a loop blocked for three TTLs keeps its locks with a thread, and loses them without", async () => {
    const url = freshUrl();
    using threaded = await startHolder({ url, ttl, heartbeat: "thread" });
    using plain = await startHolder({ url, ttl });
    using ofThreaded = await startHolder({ url, ttl });
    using ofPlain = await startHolder({ url, ttl });
    const first = await threaded.call("acquire", ["threaded"]);
    await plain.call("acquire", ["plain"]);
    const next = ofThreaded.call("acquire", ["threaded"]);
    const taken = ofPlain.call("acquire", ["plain"]);
    const [kept, lost] = await Promise.all([threaded.call("stall", 3 * ttl), plain.call("stall", 3 * ttl)]);
    expect(kept).toMatchObject({ isAborted: false, states: ["held"] });
    expect(kept.remainingMs).toBeGreaterThan(0);
    expect(lost).toMatchObject({ isAborted: true, states: ["lost"] });
    expect((await taken).atMs).toBeLessThan(lost.atMs);
    // It goes on as if nothing had been: renewed, told apart from the past, and released by its holder alone.
    const released = await threaded.call("release");
    expect(released.error).toBeUndefined();
    const second = await next;
    expect(second.atMs).toBeGreaterThan(released.atMs);
    expect(second.fence).toBeGreaterThan(first.fence);
  });

  test("a loop blocked for longer than the watchdog allows loses them, and its first question says why", async () => {
    const url = freshUrl();
    using holder = await startHolder({ url, ttl, heartbeat: "thread", watchdog: ttl });
    using waiter = await startHolder({ url, ttl });
    const first = await holder.call("acquire", ["job"]);
    const isTaken = join(folder, randomUUID());
    const stalled = holder.call("stallUntilExists", isTaken);
    const second = await waiter.call("acquire", ["job"]);
    writeFileSync(isTaken, "");
    expect(second.fence).toBeGreaterThan(first.fence);
    const lost = await stalled;
    expect(lost).toMatchObject({ isAborted: true, states: ["lost"], remainingMs: 0 });
    expect(lost.reason).toMatch(
      /its watchdog let it go: the event loop of the main thread had not run for \d+ ms/,
    );
    expect(lost.atMs).toBeGreaterThan(second.atMs);
    expect((await holder.call("release")).error).toBe("LEASE_LOST");
    expect(await waiter.call("look")).toMatchObject({ isAborted: false, states: ["held"] });
    // And it comes back, behind the new holder.
    const again = holder.call("acquire", ["job"]);
    await waiter.call("release");
    expect((await again).fence).toBeGreaterThan(second.fence);
  });

  test("a process that is stopped past its lease learns of the loss when it goes on", async () => {
    const url = freshUrl();
    using holder = await startHolder({ url, ttl, heartbeat: "thread" });
    using waiter = await startHolder({ url, ttl });
    const first = await holder.call("acquire", ["job"]);
    holder.pause();
    const second = await waiter.call("acquire", ["job"]);
    holder.resume();
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await holder.call("look")).toMatchObject({ isAborted: true, states: ["lost"] });
    expect(await waiter.call("look")).toMatchObject({ isAborted: false, states: ["held"] });
  });

  test("a hundred locks and a second TTL outlive a stall of the longer one", async () => {
    const url = freshUrl();
    using holder = await startHolder({ url, ttl, heartbeat: "thread" });
    await holder.call(
      "acquire",
      Array.from({ length: 100 }, (_, index) => `job-${index}`),
    );
    await holder.call("acquireFor", 2 * ttl);
    const kept = await holder.call("stall", 2.5 * ttl);
    expect(kept.isAborted).toBe(false);
    expect(new Set(kept.states)).toEqual(new Set(["held"]));
    expect((await holder.call("release")).error).toBeUndefined();
  });

  test("an idle coordinator and a closed one keep no process alive", async () => {
    const url = freshUrl();
    using idle = await startHolder({ url, ttl, heartbeat: "thread" });
    using closed = await startHolder({ url, ttl, heartbeat: "thread" });
    await idle.call("acquire", ["idle"]);
    await closed.call("acquire", ["closed"]);
    await closed.call("close");
    await Promise.all([idle.call("letGo"), closed.call("letGo")]);
    expect(await closed.ended).toBe(0);
  });
});
