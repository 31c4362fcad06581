// Goal: reservations, penalties, rewards, blocks, resets and what is set do what they say, also in the process that holds
// tokens in advance; nothing that comes late or twice gives away more than the limit.
import { expect, test } from "vitest";
import { createLimiterWorld, within } from "./limiter-world.ts";

const policies = [{ limit: 10, per: "1h" }] as const;

test("a reservation that is settled below gives the rest back, in one write, and only once", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const reservation = await within(runtime, limiter.reserve("k", { cost: 8 }));
  expect(reservation).toMatchObject({ allowed: true, cost: 8, decision: { remaining: 2 } });
  client(0).backend.resetCounts();
  expect(await within(runtime, reservation.settle(3))).toMatchObject({ remaining: 7 });
  expect(client(0).backend.counts).toMatchObject({ reads: 0, writes: 1 });
  await within(runtime, reservation.settle(0));
  await within(runtime, reservation.cancel());
  await within(runtime, Promise.resolve(reservation[Symbol.asyncDispose]()));
  expect(client(0).backend.counts.writes).toBe(1);
  expect((await within(runtime, limiter.peek("k"))).remaining).toBe(7);
});

test("a reservation that is settled above charges the difference, into debt, in one write", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const reservation = await within(runtime, limiter.reserve("k", { cost: 6 }));
  client(0).backend.resetCounts();
  expect(await within(runtime, reservation.settle(16))).toMatchObject({ remaining: 0 });
  expect(client(0).backend.counts).toMatchObject({ reads: 0, writes: 1 });
  const denied = await within(runtime, limiter.take("k"));
  // Six in debt, and one to be had: seven tenths of an hour.
  expect(denied.retryAfterMs).toBeGreaterThan(0.69 * 3_600_000);
  expect(denied.retryAfterMs).toBeLessThan(0.71 * 3_600_000);
});

test("a reservation is cancelled by hand or when it is disposed of; one that was denied has nothing to give back", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const first = await within(runtime, limiter.reserve("k", { cost: 8 }));
  const denied = await within(runtime, limiter.reserve("k", { cost: 8 }));
  expect(denied.allowed).toBe(false);
  client(0).backend.resetCounts();
  await within(runtime, denied.settle(8));
  await within(runtime, denied.cancel());
  expect(client(0).backend.counts).toMatchObject({ reads: 0, writes: 0 });
  expect((await within(runtime, first.cancel())).remaining).toBe(10);
  await within(
    runtime,
    (async () => {
      await using reservation = await limiter.reserve("k", { cost: 8 });
      expect(reservation.allowed).toBe(true);
    })(),
  );
  expect((await within(runtime, limiter.peek("k"))).remaining).toBe(10);
});

test("a disposal while the store is away throws nothing: the reservation counts as used at its end", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const reservation = await within(runtime, limiter.reserve("k", { cost: 8 }));
  client(0).backend.intercept(() => Promise.reject(new Error("away")));
  await within(runtime, Promise.resolve(reservation[Symbol.asyncDispose]()), 5_000);
});

test("after its time a reservation counts as used, and what comes then gives nothing back", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  const reservation = await within(runtime, limiter.reserve("k", { cost: 10, ttl: "1s" }));
  await runtime.advance(10_000);
  expect((await within(runtime, reservation.cancel())).remaining).toBe(0);
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: false });
});

test.each(["fixed-window", "sliding-window", "token-bucket"] as const)(
  "%s: reservations of a crowd, settled in any order and late, never admit more than the limit",
  async (algorithm) => {
    const { client, runtime } = createLimiterWorld();
    const limiter = client(0).limiter({ policies: [{ limit: 100, per: "10s", algorithm }], mode: "exact" });
    // More ends than a record keeps apart.
    const ttls = Array.from({ length: 60 }, (_, index) => 100 * (index + 1) ** 2);
    const reservations = [];
    for (const ttl of ttls) reservations.push(await within(runtime, limiter.reserve("k", { ttl })));
    expect(reservations.every(({ allowed }) => allowed)).toBe(true);
    await runtime.advance(30_000);
    // The next window: all is there again but what is still reserved.
    let taken = 0;
    while ((await within(runtime, limiter.take("k"))).allowed) taken += 1;
    for (const reservation of reservations) await within(runtime, reservation.cancel());
    const before = taken;
    while ((await within(runtime, limiter.take("k"))).allowed) taken += 1;
    // A token bucket may have brought something meanwhile.
    const refilled = algorithm === "token-bucket" ? 15 : 0;
    expect(taken, `${before} before`).toBeLessThanOrEqual(100 + refilled);
  },
);

test("penalties go into debt, rewards give back what is used and no more", async () => {
  const { client, runtime } = createLimiterWorld();
  for (const algorithm of ["token-bucket", "fixed-window", "sliding-window"] as const) {
    const limiter = client(0).limiter({ policies: [{ limit: 10, per: "1h", algorithm }] }, algorithm);
    await within(runtime, limiter.take("k", { cost: 4 }));
    expect((await within(runtime, limiter.penalty("k", 10))).remaining).toBe(0);
    expect((await within(runtime, limiter.reward("k", 4))).remaining).toBe(0);
    expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: false });
    expect((await within(runtime, limiter.reward("k", 1))).remaining).toBe(1);
    expect((await within(runtime, limiter.reward("k", 1_000))).remaining).toBe(10);
    expect((await within(runtime, limiter.peek("k"))).remaining).toBe(10);
  }
});

test("penalties without end neither spoil the record nor overflow", async () => {
  const { client, runtime } = createLimiterWorld();
  const all = [
    { limit: 10, per: "1h" },
    { name: "fixed", limit: 10, per: "1h", algorithm: "fixed-window" },
    { name: "sliding", limit: 10, per: "1h", algorithm: "sliding-window" },
    { name: "day", limit: 10, per: "day", algorithm: "calendar-window" },
  ] as const;
  for (const policy of all) {
    const limiter = client(0).limiter(
      { policies: [policy], mode: "exact" },
      `p ${policy.limit} ${policy.per} ${"algorithm" in policy ? policy.algorithm : ""}`,
    );
    const penalties = Array.from({ length: 9_000 }, () => limiter.penalty("k", 2 ** 40));
    await within(runtime, Promise.all(penalties));
    const denied = await within(runtime, limiter.take("k"));
    expect(denied.allowed).toBe(false);
    expect(Number.isFinite(denied.retryAfterMs)).toBe(true);
    await runtime.advance(2_000);
    expect((await within(runtime, limiter.peek("k"))).allowed).toBe(false);
    await within(runtime, limiter.reset("k"));
    expect((await within(runtime, limiter.take("k"))).allowed).toBe(true);
  }
});

test.each(["exact", "leased"] as const)(
  "%s: a block denies everything for its time, from now on",
  async (mode) => {
    const { client, runtime } = createLimiterWorld({ clients: 2 });
    const options = { policies, mode };
    const [limiter, other] = [client(0).limiter(options), client(1).limiter(options)];
    for (let call = 0; call < 2; call += 1) await within(runtime, limiter.take("k"));
    await within(runtime, limiter.block("k", "10s"));
    const denied = await within(runtime, limiter.take("k"));
    expect(denied).toMatchObject({ allowed: false, policy: "block", remaining: 0 });
    expect(denied.retryAfterMs).toBeGreaterThan(9_900);
    expect(denied.retryAfterMs).toBeLessThan(10_100);
    expect(await within(runtime, other.take("k"))).toMatchObject({ allowed: false, policy: "block" });
    await runtime.advance(10_200);
    expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: true });
    await within(runtime, limiter.block("k", "1h"));
    await within(runtime, limiter.reset("k"));
    expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: true, remaining: 9 });
  },
);

test("what one process holds is given back in the same write as a block, a reset or a penalty", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies: [{ limit: 100, per: "1h" }], mode: "leased" });
  await within(runtime, limiter.take("k"));
  client(0).backend.resetCounts();
  expect((await within(runtime, limiter.penalty("k", 9))).remaining).toBe(90);
  expect(client(0).backend.counts).toMatchObject({ reads: 0, writes: 1 });
});

test("a reset gives the whole limit, once; what was held elsewhere counts on", async () => {
  const { client, runtime } = createLimiterWorld({ clients: 2 });
  const options = { policies: [{ limit: 100, per: "1h" }], mode: "leased" } as const;
  const [limiter, other] = [client(0).limiter(options), client(1).limiter(options)];
  await within(runtime, Promise.all(Array.from({ length: 20 }, () => other.take("k"))));
  await within(runtime, other.take("k"));
  await within(runtime, limiter.reset("k"));
  let taken = 0;
  for (let call = 0; call < 120; call += 1) {
    taken += (await within(runtime, limiter.take("k"))).allowed ? 1 : 0;
    taken += (await within(runtime, other.take("k"))).allowed ? 1 : 0;
  }
  expect(taken).toBeLessThanOrEqual(100);
});

test("set says how much counts as used", async () => {
  const { client, runtime } = createLimiterWorld();
  const limiter = client(0).limiter({ policies, mode: "exact" });
  await within(runtime, limiter.take("k", { cost: 2 }));
  expect((await within(runtime, limiter.set("k", 7))).remaining).toBe(3);
  expect((await within(runtime, limiter.set("k", 0))).remaining).toBe(10);
  expect((await within(runtime, limiter.set("k", 100))).remaining).toBe(0);
  expect(await within(runtime, limiter.take("k"))).toMatchObject({ allowed: false });
});
