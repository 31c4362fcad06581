// Goal: who waits for tokens is served in order, as soon as they are there, and never waits beyond his time; who gives up
// leaves nothing behind.
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { AbortedError, ClosedError } from "../../src/index.ts";
import { plant } from "../locks/faults.ts";
import { track } from "../locks/world.ts";
import { createLimiterWorld, within } from "./limiter-world.ts";

const modes = ["exact", "leased"] as const;

test.each(modes)("%s: a take waits until its tokens are there, and no longer", async (mode) => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode });
  expect(await within(runtime, limiter.take("k", { cost: 10 }))).toMatchObject({ allowed: true });
  const startedAtMs = runtime.monotonicMs();
  const waiting = track(runtime, limiter.take("k", { cost: 3, wait: "5s" }));
  await runtime.advance(5_000);
  expect(waiting.value).toMatchObject({ allowed: true, cost: 3, degraded: false });
  expect(waiting.atMs - startedAtMs).toBeGreaterThan(2_900);
  // What was held may be told of as spent only half a second later, and a bucket refills from then on.
  expect(waiting.atMs - startedAtMs).toBeLessThan(mode === "exact" ? 3_200 : 3_700);
});

test.each(modes)("%s: who would have to wait beyond his time is denied at once", async (mode) => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const denied = await within(runtime, limiter.take("k", { cost: 5, wait: "4s" }));
  expect(denied).toMatchObject({ allowed: false, cost: 5 });
  expect(denied.retryAfterMs).toBeGreaterThan(4_000);
});

test.each(modes)("%s: those who wait are served first come first served", async (mode) => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const order: string[] = [];
  const wait = async (name: string, cost: number): Promise<void> => {
    const { allowed } = await limiter.take("k", { cost, wait: "1m" });
    order.push(`${name} ${allowed}`);
  };
  const all = [wait("large", 5), wait("small", 1), wait("middle", 2)];
  await runtime.advance(100);
  // What comes without patience is not served before them either, although it would fit.
  await runtime.advance(3_000);
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: false, source: "cache" });
  await runtime.advance(10_000);
  await within(runtime, Promise.all(all));
  expect(order).toEqual(["large true", "small true", "middle true"]);
});

test("when a window begins anew, all who wait for it and fit are served at once", async () => {
  const { client, runtime } = createLimiterWorld();
  const policies = [{ limit: 20, per: "5s", algorithm: "fixed-window" }] as const;
  const limiter = client(0).limiter({ policies, mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 20 }));
  const startedAtMs = runtime.monotonicMs();
  const waiting = Array.from({ length: 20 }, () => track(runtime, limiter.take("k", { wait: "5500ms" })));
  await runtime.advance(6_000);
  expect(waiting.map(({ value }) => value?.allowed)).toEqual(waiting.map(() => true));
  expect(Math.max(...waiting.map(({ atMs }) => atMs)) - startedAtMs).toBeLessThan(5_100);
});

test("who waits behind another one is denied when his own time is over", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode: "exact" });
  const other = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const first = track(runtime, limiter.take("k", { cost: 10, wait: Number.POSITIVE_INFINITY }));
  await runtime.advance(9_500);
  const startedAtMs = runtime.monotonicMs();
  const second = track(runtime, other.take("k", { wait: "2s" }));
  await runtime.advance(100);
  expect([first.state, second.state]).toEqual(["pending", "pending"]);
  // Somebody else is given what the first one waits for.
  await within(runtime, limiter.penalty("k", 10));
  await runtime.advance(3_000);
  expect(first.state).toBe("pending");
  expect(second.value).toMatchObject({ allowed: false, cost: 1 });
  expect(second.atMs - startedAtMs).toBeLessThanOrEqual(2_000);
  await runtime.advance(20_000);
  expect(first.value).toMatchObject({ allowed: true, cost: 10 });
});

test.each(modes)(
  "%s: a signal that fired before, or during the wait, gives it up and takes nothing",
  async (mode) => {
    const { client, runtime } = createLimiterWorld();
    const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode });
    const before = limiter.take("k", { signal: AbortSignal.abort("no") });
    await expect(within(runtime, before)).rejects.toThrow(AbortedError);
    await within(runtime, limiter.take("k", { cost: 10 }));
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = track(runtime, limiter.take("k", { cost: 4, wait: "1m", signal }));
    const behind = track(runtime, limiter.take("k", { cost: 1, wait: "1m", signal }));
    const last = track(runtime, limiter.take("k", { cost: 1, wait: "1m" }));
    await runtime.advance(2_500);
    controller.abort(new Error("changed my mind"));
    await runtime.advance(50);
    expect(waiting.error).toBeInstanceOf(AbortedError);
    expect(behind.error).toBeInstanceOf(AbortedError);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    // The next one is served by what is there.
    expect(last.value).toMatchObject({ allowed: true });
    expect((await within(runtime, limiter.peek("k"))).remaining).toBe(1);
  },
);

test("listeners are gone also from signals that never fire", async () => {
  const { client, runtime } = createLimiterWorld();
  const { signal } = new AbortController();
  for (const mode of modes) {
    const limiter = client(0).limiter({ policies: [{ limit: 2, per: "2s" }], mode }, mode);
    const takes = Array.from({ length: 5 }, () => limiter.take("k", { wait: "1s", signal }));
    await within(runtime, Promise.all(takes), 5_000);
    await within(runtime, limiter.reserve("k", { wait: "1m", signal }), 5_000);
  }
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a signal that fires while the answer is on its way comes too late, or nothing was taken", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const controller = new AbortController();
  const waiting = track(runtime, limiter.take("k", { cost: 5, wait: "1m", signal: controller.signal }));
  const fault = plant(client(0).backend, "answered late", ({ kind }) => kind === "commit", 1);
  await runtime.advance(5_200);
  expect(fault.struck).toBe(1);
  controller.abort();
  await runtime.advance(100);
  expect(waiting.state).toBe("pending");
  await fault.end();
  await runtime.advance(100);
  expect(waiting.value).toMatchObject({ allowed: true, cost: 5 });
});

test("at most queueMax wait for one key; more are denied at once", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 4, per: "4s" }], mode: "exact", queueMax: 2 });
  await within(runtime, limiter.take("k", { cost: 4 }));
  const takes = Array.from({ length: 5 }, () => track(runtime, limiter.take("k", { wait: "1m" })));
  await runtime.advance(100);
  expect(takes.map(({ state }) => state)).toEqual(["pending", "pending", "resolved", "resolved", "resolved"]);
  const elsewhere = await within(runtime, limiter.take("another key", { wait: "1m" }));
  expect(elsewhere.allowed).toBe(true);
  await runtime.advance(5_000);
  expect(takes.map(({ value }) => value?.allowed)).toEqual([true, true, false, false, false]);
});

test("what is given back wakes those who wait for it, in this process at once, in others within about a second", async () => {
  const { client, runtime } = createLimiterWorld({ clients: 2 });
  const options = { policies: [{ limit: 10, per: "1h" }], mode: "exact" } as const;
  const [limiter, other] = [client(0).limiter(options), client(1).limiter(options)];
  const reservation = await within(runtime, limiter.reserve("k", { cost: 10 }));
  const here = track(runtime, limiter.take("k", { cost: 2, wait: "2h" }));
  const there = track(runtime, other.take("k", { cost: 2, wait: "2h" }));
  await runtime.advance(5_000);
  expect([here.state, there.state]).toEqual(["pending", "pending"]);
  const startedAtMs = runtime.monotonicMs();
  await within(runtime, reservation.settle(5));
  await runtime.advance(1_500);
  expect(here.value).toMatchObject({ allowed: true });
  expect(there.value).toMatchObject({ allowed: true });
  expect(here.atMs - startedAtMs).toBeLessThan(20);
  expect(there.atMs - startedAtMs).toBeLessThan(1_100);
});

test("waiting costs at most about a request a second, however many wait", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const takes = Array.from({ length: 500 }, () =>
    track(runtime, limiter.take("k", { cost: 10, wait: "2h" })),
  );
  await runtime.advance(100);
  client(0).backend.resetCounts();
  await runtime.advance(60_000);
  const { reads, writes } = client(0).backend.counts;
  expect(writes).toBe(0);
  expect(reads).toBeLessThanOrEqual(62);
  expect(takes.every(({ state }) => state === "pending")).toBe(true);
});

test("those who wait are told when the coordinator closes, and nobody is left behind", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const takes = Array.from({ length: 3 }, () => track(runtime, limiter.take("k", { wait: "2h" })));
  await runtime.advance(10);
  await within(runtime, client(0).coordinator.close());
  await runtime.advance(10);
  for (const { error } of takes) expect(error).toBeInstanceOf(ClosedError);
  await expect(within(runtime, limiter.take("k"))).rejects.toThrow(ClosedError);
  await expect(within(runtime, limiter.take("never seen"))).rejects.toThrow(ClosedError);
});

test("while the store is away nobody waits beyond the timeout, and there is no storm of requests", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const takes = Array.from({ length: 200 }, () => track(runtime, limiter.take("k", { wait: "1m" })));
  await runtime.advance(500);
  client(0).backend.resetCounts();
  plant(client(0).backend, "lost before", () => true);
  await runtime.advance(5_000);
  const { reads, writes } = client(0).backend.counts;
  expect(reads + writes).toBeLessThan(8);
  for (const { value } of takes) expect(value).toMatchObject({ allowed: false, degraded: true });
});
