import assert from "node:assert/strict";
import type { RateLimiterOptions } from "../../limiters/create-rate-limiter.ts";
import type { Decision } from "../../limiters/decision.ts";
import type { RateLimiter } from "../../limiters/rate-limiter.ts";
import type { LockCaseContext, LockCaseDefinition } from "./lock-support.ts";

const perHour = (limit: number): RateLimiterOptions => ({
  ...{ policies: [{ limit, per: "1h", algorithm: "fixed-window" }], mode: "exact", timeout: "10s" },
});

/** Rate limiters: several clients share a limit to the exact request, on the store's clock, and denials write nothing. */
export const limiterCases: readonly LockCaseDefinition[] = [
  {
    title: "limiters: of what three clients take at once, each algorithm allows exactly the limit",
    async check(context) {
      const policies = [
        { name: "bucket", limit: 20, per: "1d" },
        { name: "fixed", limit: 20, per: "1d", algorithm: "fixed-window" },
        { name: "sliding", limit: 20, per: "1d", algorithm: "sliding-window" },
        { name: "calendar", limit: 20, per: "month", algorithm: "calendar-window" },
      ] as const;
      for (const policy of policies) {
        const all = limiters(context, policy.name, { policies: [policy], mode: "exact", timeout: "10s" });
        const takes = all.flatMap((limiter) => Array.from({ length: 12 }, () => limiter.take("k")));
        assert.equal(allowedOf(await Promise.all(takes)), 20, policy.name);
      }
    },
  },
  {
    title: "limiters: a hundred takes of one client at once are one write",
    async check(context) {
      const [limiter] = limiters(context, "together", perHour(1_000));
      await limiter.take("k");
      const { backend } = context.clients[0];
      backend.resetCounts();
      const takes = Array.from({ length: 100 }, () => limiter.take("k"));
      assert.equal(allowedOf(await Promise.all(takes)), 100);
      assert.equal(backend.counts.writes, 1);
      assert.equal((await limiter.peek("k")).remaining, 899);
    },
  },
  {
    title:
      "limiters: a denial writes nothing, and what costs more than the limit is denied without a request",
    async check(context) {
      const [limiter, other] = limiters(context, "denied", perHour(5));
      assert.equal((await other.take("k", { cost: 4 })).allowed, true);
      const { backend } = context.clients[0];
      const denied = await limiter.take("k", { cost: 2 });
      assert.deepEqual(pick(denied), { allowed: false, remaining: 1, cost: 2, degraded: false });
      assert.equal(backend.counts.writes, 0);
      backend.resetCounts();
      assert.equal((await limiter.take("k", { cost: 6, wait: "1h" })).retryAfterMs, null);
      assert.deepEqual([backend.counts.reads, backend.counts.writes], [0, 0]);
      assert.equal((await limiter.take("k")).allowed, true);
    },
  },
  {
    title: "limiters: several policies are taken from together or not at all",
    async check(context) {
      const policies = [
        { name: "narrow", limit: 3, per: "1h", algorithm: "fixed-window" },
        { name: "wide", limit: 100, per: "1d" },
      ] as const;
      const all = limiters(context, "both", { policies, mode: "exact", timeout: "10s" });
      const takes = all.flatMap((limiter) => Array.from({ length: 3 }, () => limiter.take("k")));
      assert.equal(allowedOf(await Promise.all(takes)), 3);
      const after = await all[0].peek("k", { cost: 0 });
      assert.deepEqual(
        after.policies.map(({ policy, remaining }) => [policy, remaining]),
        [
          ["narrow", 0],
          ["wide", 97],
        ],
      );
    },
  },
  {
    title:
      "limiters: with leases clients ask less often than they decide, and never allow more than the limit",
    async check(context) {
      const all = limiters(context, "leased", { ...perHour(600), mode: "leased" });
      const loop = async (limiter: RateLimiter): Promise<number> => {
        let allowed = 0;
        for (let call = 0; call < 15; call += 1) allowed += allowedOf([await limiter.take("k")]);
        return allowed;
      };
      const loops = all.flatMap((limiter) => Array.from({ length: 10 }, () => loop(limiter)));
      const counts = await Promise.all(loops);
      assert.equal(
        counts.reduce((sum, count) => sum + count),
        450,
      );
      const requests = context.clients.map(({ backend }) => backend.counts.reads + backend.counts.writes);
      // A store that is slow and crowded sees more of them than a fast one, which sees about a dozen of each.
      const sum = requests.reduce((before, count) => before + count);
      assert.ok(sum < 300, `${requests} requests for 150 decisions each`);
      // More than is there: all of it is found in the end, and no more.
      const rest = (): Promise<Decision[]> =>
        Promise.all(all.flatMap((limiter) => Array.from({ length: 70 }, () => limiter.take("k"))));
      const more = allowedOf(await rest());
      assert.ok(more <= 150, `${more} of 150 were allowed`);
    },
  },
  {
    title: "limiters: what a client held goes back when it closes",
    async check(context) {
      const [, other] = limiters(context, "closing", { ...perHour(100), mode: "leased" });
      const coordinator = context.coordinator(0, context.namespace);
      const limiter = coordinator.rateLimiter("closing", { ...perHour(100), mode: "leased" });
      for (let call = 0; call < 10; call += 1) assert.equal((await limiter.take("k")).allowed, true);
      await coordinator.close();
      assert.equal((await other.peek("k")).remaining, 90);
    },
  },
  {
    title: "limiters: a reservation is settled below or above what was set apart, or cancelled",
    async check(context) {
      const [limiter, other] = limiters(context, "reserved", perHour(10));
      const first = await limiter.reserve("k", { cost: 8 });
      assert.equal(first.allowed, true);
      assert.equal((await other.take("k", { cost: 3 })).allowed, false);
      await first.settle(2);
      assert.equal((await other.peek("k")).remaining, 8);
      const second = await other.reserve("k", { cost: 5 });
      await second.cancel();
      assert.equal((await limiter.peek("k")).remaining, 8);
      const third = await limiter.reserve("k", { cost: 5 });
      await third.settle(20);
      assert.equal((await other.peek("k")).allowed, false);
      await other.reward("k", 13);
      assert.equal((await limiter.peek("k")).remaining, 1);
    },
  },
  {
    title: "limiters: a window is had anew after its length, on the store's clock, by all",
    async check(context) {
      const policies = [{ limit: 4, per: 1_500, algorithm: "fixed-window" }] as const;
      const [first, second, third] = limiters(context, "again", { policies, mode: "exact", timeout: "10s" });
      assert.equal((await first.take("k", { cost: 4 })).allowed, true);
      const denied = await second.take("k");
      assert.equal(denied.allowed, false);
      // Where a store tells whole seconds, it may be known for sure only about a second later.
      await context.pass((denied.retryAfterMs ?? 0) + 50);
      const takes = [third, second, first].map((limiter) => limiter.take("k", { cost: 2, wait: "5s" }));
      assert.ok(allowedOf(await Promise.all(takes)) >= 2);
    },
  },
  {
    title: "limiters: takes that wait are served in order as tokens come back",
    async check(context) {
      const policies = [{ limit: 20, per: "1s" }] as const;
      const [limiter] = limiters(context, "waiting", { policies, mode: "exact", timeout: "10s" });
      await limiter.take("k", { cost: 20 });
      const order: number[] = [];
      const takes = [5, 1, 3].map(async (cost) => {
        const { allowed } = await limiter.take("k", { cost, wait: "20s" });
        assert.equal(allowed, true);
        order.push(cost);
      });
      await Promise.all(takes);
      assert.deepEqual(order, [5, 1, 3]);
    },
  },
  {
    title: "limiters: a block denies everything for all, and a reset ends it",
    async check(context) {
      const [limiter, other] = limiters(context, "blocked", perHour(10));
      await limiter.take("k", { cost: 9 });
      await limiter.block("k", "1h");
      const denied = await other.take("k");
      assert.deepEqual([denied.allowed, denied.policy], [false, "block"]);
      await limiter.reset("k");
      const after = await limiter.take("k", { cost: 10 });
      assert.deepEqual([after.allowed, after.remaining], [true, 0]);
      await limiter.set("k", 4);
      assert.equal((await other.peek("k")).remaining, 6);
    },
  },
  {
    title: "limiters: the largest penalties are kept, and stay a debt",
    async check(context) {
      const policies = [
        { limit: 10, per: "366d" },
        { name: "window", limit: 10, per: "366d", algorithm: "sliding-window" },
      ] as const;
      const [limiter, other] = limiters(context, "largest", { policies, mode: "exact", timeout: "10s" });
      await Promise.all(Array.from({ length: 10 }, () => limiter.penalty("k", 2 ** 40)));
      await limiter.block("k", "366d");
      await context.pass(1_100);
      assert.equal((await other.take("k")).allowed, false);
    },
  },
  {
    title: "limiters: keys of any Unicode are limited apart",
    async check(context) {
      const [limiter, other] = limiters(context, "a/b *", perHour(1));
      const keys = ["a", "A", "a/b", "*", ">", "..", "\u0000", "é", "e\u0301", "日本 💥", "x".repeat(1_024)];
      const first = await Promise.all(keys.map((key) => limiter.take(key)));
      assert.equal(allowedOf(first), keys.length);
      assert.equal(allowedOf(await Promise.all(keys.map((key) => other.take(key)))), 0);
    },
  },
];

function limiters(
  { clients }: LockCaseContext,
  name: string,
  options: RateLimiterOptions,
): readonly [RateLimiter, RateLimiter, RateLimiter] {
  const [first, second, third] = clients;
  const of = ({ coordinator }: typeof first): RateLimiter => coordinator.rateLimiter(name, options);
  return [of(first), of(second), of(third)];
}

function allowedOf(decisions: readonly Decision[]): number {
  assert.ok(
    decisions.every(({ degraded }) => !degraded),
    "the store answered in time",
  );
  return decisions.filter(({ allowed }) => allowed).length;
}

function pick({ allowed, remaining, cost, degraded }: Decision): Partial<Decision> {
  return { allowed, remaining, cost, degraded };
}
