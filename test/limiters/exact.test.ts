// Goal: in exact mode several clients share a limit to the exact request, whatever its algorithm, at the fewest requests
// that this can cost; a denial costs nothing and changes nothing.
import { expect, test } from "vitest";
import type { Policy } from "../../src/index.ts";
import { allowedOf, createLimiterWorld, recordOf, within } from "./limiter-world.ts";

const algorithms: Readonly<Record<string, Policy>> = {
  "token bucket": { limit: 10, per: "1h" },
  "fixed window": { limit: 10, per: "1h", algorithm: "fixed-window" },
  "sliding window": { limit: 10, per: "1h", algorithm: "sliding-window" },
  "calendar window": { limit: 10, per: "hour", algorithm: "calendar-window" },
};

test.each(Object.entries(algorithms))(
  "%s: of what three clients ask at once exactly the limit is allowed",
  async (_, policy) => {
    const { clients, runtime } = createLimiterWorld({ clients: 3 });
    const takes = clients.flatMap((client) => {
      const limiter = client.limiter({ policies: [policy], mode: "exact" });
      return Array.from({ length: 7 }, () => limiter.take("k"));
    });
    const decisions = await within(runtime, Promise.all(takes), 1_000);
    expect(allowedOf(decisions)).toBe(10);
    for (const decision of decisions.filter(({ allowed }) => !allowed)) {
      expect(decision.remaining).toBe(0);
      expect(decision.retryAfterMs).toBeGreaterThan(0);
      expect(decision.retryAfterMs).toBeLessThanOrEqual(1.11 * 3_600_000);
    }
  },
);

test.each(Object.entries(algorithms))(
  "%s: the limit is had again when it is said to be",
  async (_, policy) => {
    const { client, runtime } = createLimiterWorld();
    const limiter = client(0).limiter({ policies: [policy], mode: "exact" });
    await within(runtime, limiter.take("k", { cost: 10 }));
    const denied = await within(runtime, limiter.take("k", { cost: 3 }));
    expect(denied.allowed).toBe(false);
    await runtime.advance((denied.retryAfterMs as number) - 1_000);
    expect(await within(runtime, limiter.take("k", { cost: 3 }))).toMatchObject({ allowed: false });
    await runtime.advance(1_000);
    expect(await within(runtime, limiter.take("k", { cost: 3 }))).toMatchObject({ allowed: true });
    await runtime.advance(2 * 3_600_000);
    expect(await within(runtime, limiter.peek("k", { cost: 10 }))).toMatchObject({
      allowed: true,
      remaining: 10,
      resetMs: 0,
    });
  },
);

test.each([1, 2, 1_000])("%i takes of one moment are one write", async (k) => {
  const { client, runtime } = createLimiterWorld();
  const { backend } = client(0);
  const limiter = client(0).limiter({ policies: [{ limit: 2 * k, per: "1h" }], mode: "exact" });
  const round = () => within(runtime, Promise.all(Array.from({ length: k }, () => limiter.take("k"))));
  expect(allowedOf(await round())).toBe(k);
  // The store's time, what stands there, and the write.
  expect(backend.counts).toMatchObject({ reads: 2, writes: 1 });
  backend.resetCounts();
  expect(allowedOf(await round())).toBe(k);
  expect(backend.counts).toMatchObject({ reads: 0, writes: 1 });
});

test("a denial writes nothing, and asked again within a second it costs no request", async () => {
  const { client, runtime, store } = createLimiterWorld({ clients: 2 });
  const { backend } = client(0);
  const limiter = client(0).limiter({ policies: [{ limit: 5, per: "1h" }], mode: "exact" });
  await within(
    runtime,
    client(1)
      .limiter({ policies: [{ limit: 5, per: "1h" }] })
      .take("k", { cost: 5 }),
  );
  const [before] = await store.get([recordOf()]);
  const denied = await within(runtime, limiter.take("k"));
  expect(denied).toMatchObject({ allowed: false, source: "store", remaining: 0, cost: 1 });
  expect(backend.counts).toMatchObject({ reads: 2, writes: 0 });
  backend.resetCounts();
  for (let call = 0; call < 90; call += 1) {
    const again = await within(runtime, limiter.take("k"));
    expect(again).toMatchObject({ allowed: false, source: "cache", degraded: false });
    await runtime.advance(10);
  }
  expect(backend.counts).toMatchObject({ reads: 0, writes: 0 });
  await runtime.advance(1_000);
  expect((await within(runtime, limiter.take("k"))).source).toBe("store");
  expect(backend.counts).toMatchObject({ reads: 1, writes: 0 });
  expect((await store.get([recordOf()]))[0]?.version).toBe(before?.version);
});

test("a denied cost burns nothing of what smaller ones may still have", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  const costs = [9, 5, 1, 1];
  const decisions = await within(runtime, Promise.all(costs.map((cost) => limiter.take("k", { cost }))));
  expect(decisions.map(({ allowed }) => allowed)).toEqual([true, false, true, false]);
  expect(decisions.map(({ remaining }) => remaining)).toEqual([1, 1, 0, 0]);
});

test("a cost of nothing takes nothing; one above the limit is denied at once and for ever, without a request", async () => {
  const { client, runtime } = createLimiterWorld();
  const { backend } = client(0);
  for (const mode of ["exact", "leased"] as const) {
    const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode }, mode);
    const never = { allowed: false, retryAfterMs: null, limit: 10, cost: 11, remaining: 10 };
    expect(await within(runtime, limiter.take("k", { cost: 11 }))).toMatchObject(never);
    expect(await within(runtime, limiter.take("k", { cost: 11, wait: "1h" }))).toMatchObject(never);
    expect(await within(runtime, limiter.reserve("k", { cost: 11, wait: "1h" }))).toMatchObject({
      allowed: false,
    });
    expect(backend.counts).toMatchObject({ reads: 0, writes: 0 });
  }
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h" }], mode: "exact" });
  expect(await within(runtime, limiter.take("k", { cost: 0 }))).toMatchObject({
    allowed: true,
    remaining: 10,
  });
  expect(backend.counts.writes).toBe(0);
});

test("what costs more than the burst, but not more than the limit of a window, says so too", async () => {
  const { client, runtime } = createLimiterWorld();
  const policies = [
    { limit: 100, per: "1h", algorithm: "fixed-window" },
    { name: "burst", limit: 100, per: "1h", burst: 5 },
  ] as const;
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const denied = await within(runtime, limiter.take("k", { cost: 6 }));
  expect(denied).toMatchObject({ allowed: false, policy: "burst", limit: 5, retryAfterMs: null });
});

test("several policies are taken from together or not at all, in one write", async () => {
  const { client, runtime } = createLimiterWorld({ clients: 2 });
  const policies = [
    { name: "second", limit: 5, per: "1s" },
    { name: "hour", limit: 8, per: "1h", algorithm: "sliding-window" },
    { name: "day", limit: 100, per: "day", algorithm: "calendar-window" },
  ] as const;
  const { backend } = client(0);
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const first = await within(runtime, limiter.take("k", { cost: 5 }));
  expect(first.policies.map(({ policy, remaining }) => [policy, remaining])).toEqual([
    ["second", 0],
    ["hour", 3],
    ["day", 95],
  ]);
  expect(backend.counts.writes).toBe(1);
  await runtime.advance(1_000);
  const denied = await within(runtime, limiter.take("k", { cost: 4 }));
  expect(denied).toMatchObject({ allowed: false, policy: "hour", remaining: 3, limit: 8 });
  const other = client(1).limiter({ policies, mode: "exact" });
  const after = await within(runtime, other.peek("k", { cost: 3 }));
  expect(after.allowed).toBe(true);
  expect(after.policies.map(({ remaining }) => remaining)).toEqual([5, 3, 95]);
});

test("a peek changes nothing, and tells what a take would be told now", async () => {
  const { client, runtime, store } = createLimiterWorld();
  const { backend } = client(0);
  const limiter = client(0).limiter({ policies: [{ limit: 10, per: "10s" }], mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 10 }));
  const [before] = await store.get([recordOf()]);
  await runtime.advance(5_100);
  backend.resetCounts();
  expect(await within(runtime, limiter.peek("k"))).toMatchObject({ allowed: true, remaining: 5, cost: 1 });
  expect(await within(runtime, limiter.peek("k", { cost: 6 }))).toMatchObject({ allowed: false });
  expect(backend.counts).toMatchObject({ reads: 2, writes: 0 });
  expect((await store.get([recordOf()]))[0]?.version).toBe(before?.version);
});

test("keys and names of any Unicode are kept apart", async () => {
  const { client, runtime } = createLimiterWorld();
  const policies = [{ limit: 1, per: "1h" }] as const;
  const texts = [
    "a",
    "a/b",
    "a b",
    "a%2Fb",
    "*",
    ">",
    ".",
    "..",
    "\u0000",
    "日本",
    "é",
    "e\u0301",
    "💥",
    "x".repeat(1_024),
  ];
  for (const name of texts) {
    const limiter = client(0).limiter({ policies, mode: "exact" }, name);
    for (const key of texts) {
      expect(await within(runtime, limiter.take(key))).toMatchObject({ allowed: true });
    }
  }
  expect(await within(runtime, client(0).limiter({ policies }, "a/b").take("a"))).toMatchObject({
    allowed: false,
  });
});
