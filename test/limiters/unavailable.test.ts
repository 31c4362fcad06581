// Goal: while the store is away decisions are what the user chose, marked as such, without waiting and without a storm of
// requests; afterwards everything goes on by itself.
import { expect, test } from "vitest";
import type { RateLimiterOptions } from "../../src/index.ts";
import { plant } from "../locks/faults.ts";
import { track } from "../locks/world.ts";
import { allowedOf, createLimiterWorld, within } from "./limiter-world.ts";

const policies = [{ limit: 100, per: "10s" }] as const;
const ways = ["lost before", "lost after", "hangs before", "hangs after"] as const;

test.each(ways)("%s: a decision waits for its timeout at most, and says that it is degraded", async (way) => {
  for (const onUnavailable of ["deny", "allow", "local"] as const) {
    for (const mode of ["exact", "leased", "auto"] as const) {
      const { client, runtime } = createLimiterWorld();
      const limiter = client(0).limiter({ policies, mode, onUnavailable, timeout: 300 });
      plant(client(0).backend, way, () => true);
      const startedAtMs = runtime.monotonicMs();
      const first = track(runtime, limiter.take("k"));
      await runtime.advance(1_000);
      expect(first.value).toMatchObject({
        ...{ allowed: onUnavailable !== "deny", degraded: true, source: "local", cost: 1 },
      });
      expect(first.atMs - startedAtMs).toBeLessThanOrEqual(300);
      const reserved = track(runtime, limiter.reserve("k"));
      await runtime.advance(1_000);
      expect(reserved.value).toMatchObject({ allowed: onUnavailable !== "deny" });
    }
  }
});

test("while the store is away, thousands of decisions on many keys cost about a request a second", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact", onUnavailable: "allow" });
  await within(runtime, limiter.take("k"));
  plant(client(0).backend, "lost before", () => true);
  await within(runtime, limiter.take("k"), 2_000);
  client(0).backend.resetCounts();
  for (let round = 0; round < 100; round += 1) {
    const takes = Array.from({ length: 100 }, (_, index) => track(runtime, limiter.take(`k${index}`)));
    await runtime.advance(100);
    for (const { value } of takes) expect(value).toMatchObject({ allowed: true, degraded: true });
  }
  const { reads, writes } = client(0).backend.counts;
  expect(reads + writes).toBeLessThanOrEqual(22);
});

test("limiters that are made anew for every request know that the store is away, and share one share", async () => {
  const { client, runtime } = createLimiterWorld();
  const options: RateLimiterOptions = { policies, mode: "exact", onUnavailable: "local", localShare: 0.2 };
  plant(client(0).backend, "lost before", () => true);
  const decisions = [];
  for (let call = 0; call < 60; call += 1) {
    decisions.push(await within(runtime, client(0).limiter(options).take("k"), 2_000));
  }
  expect(allowedOf(decisions)).toBeGreaterThanOrEqual(20);
  expect(allowedOf(decisions)).toBeLessThanOrEqual(22);
  const { reads, writes } = client(0).backend.counts;
  expect(reads + writes).toBeLessThan(10);
});

test("as soon as the store is back its decisions are, too", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 40 }));
  const fault = plant(client(0).backend, "lost before", () => true);
  expect(await within(runtime, limiter.take("k"), 2_000)).toMatchObject({ allowed: false, degraded: true });
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: false, degraded: true });
  await fault.end();
  await runtime.advance(1_000);
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: true, degraded: false });
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: true, degraded: false });
});

test("by default, a share is that of one of all processes that used the key", async () => {
  const { clients, client, runtime } = createLimiterWorld({ clients: 4 });
  const options = { policies, mode: "exact", onUnavailable: "local" } as const;
  for (const each of clients) await within(runtime, each.limiter(options).take("k"));
  await runtime.advance(2_000);
  const limiter = client(0).limiter(options);
  // Sees the others' marks.
  await within(runtime, limiter.peek("k"));
  plant(client(0).backend, "lost before", () => true);
  const takes = [];
  for (let call = 0; call < 60; call += 1) takes.push(await within(runtime, limiter.take("k"), 2_000));
  expect(allowedOf(takes)).toBe(25);
});

test("a share that changes gives nothing twice, whatever its size", async () => {
  const { client, runtime } = createLimiterWorld();
  plant(client(0).backend, "lost before", () => true);
  const slow = [{ limit: 1_000, per: "1h" }] as const;
  const of = (localShare: number) =>
    client(0).limiter({ policies: slow, mode: "exact", onUnavailable: "local", localShare });
  const costs = [1, 0.5, 1 / 3, 0.9, 0.01, 1].map((share) => ({ share, cost: 1 }));
  let taken = 0;
  for (let round = 0; round < 300; round += 1) {
    for (const { share, cost } of costs) {
      if ((await within(runtime, of(share).take("k", { cost }), 2_000)).allowed) taken += 1;
    }
  }
  expect(taken).toBeLessThanOrEqual(1_001);
  expect(taken).toBeGreaterThan(900);
});

test("what changes more than a decision fails while the store is away, and is not repeated in secret", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact", onUnavailable: "allow" });
  await within(runtime, limiter.take("k"));
  plant(client(0).backend, "lost before", () => true);
  for (const change of [
    () => limiter.penalty("k"),
    () => limiter.reward("k"),
    () => limiter.block("k", "1s"),
    () => limiter.reset("k"),
    () => limiter.set("k", 3),
    () => limiter.peek("k"),
  ]) {
    await expect(within<unknown>(runtime, change(), 2_000)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  }
});

test("clocks of clients that are wrong, or jump by an hour, change no decision", async () => {
  const { clients, client, runtime } = createLimiterWorld({ clients: 3 });
  client(1).jumpWall(30_000);
  client(2).jumpWall(-30_000);
  const limiters = clients.map((each) => each.limiter({ policies, mode: "exact" }));
  const startedAtMs = runtime.monotonicMs();
  let taken = 0;
  for (let round = 0; round < 200; round += 1) {
    for (const limiter of limiters) {
      if ((await within(runtime, limiter.take("k"))).allowed) taken += 1;
    }
    if (round % 20 === 10) client(round % 3).jumpWall(round % 40 === 10 ? 3_600_000 : -7_200_000);
    await runtime.advance(20);
  }
  const most = 100 + (runtime.monotonicMs() - startedAtMs) / 100;
  expect(taken).toBeLessThanOrEqual(most);
  expect(taken).toBeGreaterThan(most - 3);
});

test("a step of one client's clock while its lease is out neither ends it nor makes it longer", async () => {
  const { client, runtime } = createLimiterWorld({ clients: 2 });
  const options = { policies: [{ limit: 100, per: "1h" }], mode: "leased" } as const;
  const [limiter, other] = [client(0).limiter(options), client(1).limiter(options)];
  let taken = 0;
  for (let call = 0; call < 30; call += 1) {
    taken += (await within(runtime, limiter.take("k"))).allowed ? 1 : 0;
  }
  client(0).jumpWall(-3_600_000);
  client(0).pause();
  await runtime.advance(4_000);
  client(0).resume();
  await runtime.settle();
  for (let call = 0; call < 200; call += 1) {
    taken += (await within(runtime, other.take("k"))).allowed ? 1 : 0;
    taken += (await within(runtime, limiter.take("k"))).allowed ? 1 : 0;
  }
  expect(taken).toBeLessThanOrEqual(100);
});
