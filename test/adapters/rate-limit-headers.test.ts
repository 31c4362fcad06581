// Goal: the header fields and problem bodies of a decision are what the drafts and RFCs ask for, by the judgement of a
// parser that is not ours, whatever the names and numbers are.
import fc from "fast-check";
import { type BareItem, type Item, parseList } from "structured-headers";
import { describe, expect, test } from "vitest";
import {
  type RateLimitHeadersOptions,
  rateLimitHeaders,
  rateLimitPolicyName,
  rateLimitProblem,
  rateLimitResponse,
} from "../../src/adapters/rate-limit-headers.ts";
import type { Decision, PolicyStanding } from "../../src/limiters/decision.ts";
import type { ResolvedPolicy } from "../../src/limiters/policy.ts";

const minute: PolicyStanding = {
  policy: "burst",
  limit: 100,
  remaining: 60,
  resetMs: 30_400,
  windowMs: 60_000,
};
const day: PolicyStanding = {
  policy: "daily",
  limit: 1_000,
  remaining: 5,
  resetMs: 40_000_000,
  windowMs: 86_400_000,
};

function decisionOf(policies: readonly PolicyStanding[], changes: Partial<Decision> = {}): Decision {
  const [first = minute] = policies;
  const { policy, limit, remaining, resetMs } = first;
  return {
    ...{ allowed: true, policy, limit, remaining, resetMs, cost: 1, retryAfterMs: 0 },
    ...{ source: "store", degraded: false, policies, ...changes },
  };
}

const bucket: ResolvedPolicy = {
  ...{ name: "burst", algorithm: "token-bucket", limit: 60, burst: 100, windowMs: 60_000 },
  ...{ per: undefined, timeZone: undefined },
};

/** What a field says: the name of each policy, with its parameters. */
function read(field: string | undefined): Record<string, Record<string, BareItem>> {
  const items = parseList(field ?? "") as Item[];
  return Object.fromEntries(items.map(([name, parameters]) => [name, Object.fromEntries(parameters)]));
}

describe("the header fields", () => {
  test("name every policy, its quota and window, what remains and for how long", () => {
    const headers = rateLimitHeaders(decisionOf([minute, day]));
    expect(headers).toEqual({
      "RateLimit-Policy": '"burst";q=100;w=60, "daily";q=1000;w=86400',
      RateLimit: '"burst";r=60;t=31, "daily";r=5;t=40000',
    });
  });

  test("carry a partition key as bytes, and a unit", () => {
    const options: RateLimitHeadersOptions = { partitionKey: "App-999", unit: "content-bytes" };
    expect(rateLimitHeaders(decisionOf([minute]), options)).toEqual({
      "RateLimit-Policy": '"burst";q=100;qu="content-bytes";w=60;pk=:QXBwLTk5OQ==:',
      RateLimit: '"burst";r=60;t=31;pk=:QXBwLTk5OQ==:',
    });
    const bytes = Uint8Array.of(0, 255, 128);
    const field = rateLimitHeaders(decisionOf([minute]), { partitionKey: bytes }).RateLimit;
    expect(new Uint8Array(read(field).burst?.pk as ArrayBuffer)).toEqual(bytes);
  });

  test("leave out t where nothing is used, and show a window of less than a second as one", () => {
    const fresh = { ...minute, remaining: 100, resetMs: 0, windowMs: 250 };
    expect(rateLimitHeaders(decisionOf([fresh]))).toEqual({
      "RateLimit-Policy": '"burst";q=100;w=1',
      RateLimit: '"burst";r=100',
    });
  });

  test("of a denial let nobody come back before the end of any t", () => {
    const empty = { ...minute, remaining: 0 };
    const denial = decisionOf([empty, day], { allowed: false, retryAfterMs: 600 });
    expect(rateLimitHeaders(denial)).toMatchObject({
      RateLimit: '"burst";r=0;t=1, "daily";r=5;t=1',
      "Retry-After": "1",
    });
    const never = { ...denial, cost: 101, retryAfterMs: null };
    expect(rateLimitHeaders(never)).not.toHaveProperty("Retry-After");
  });

  test("of a blocked key promise nothing until the block is over", () => {
    const blocked = decisionOf([minute, day], { allowed: false, policy: "block", retryAfterMs: 90_001 });
    expect(rateLimitHeaders(blocked)).toMatchObject({
      RateLimit: '"burst";r=0;t=91, "daily";r=0;t=91',
      "Retry-After": "91",
    });
  });

  test("of a store that is away tell the policies, and nothing of what remains", () => {
    const away = decisionOf([minute], { allowed: false, degraded: true, retryAfterMs: 1_000 });
    expect(rateLimitHeaders(away)).toEqual({ "RateLimit-Policy": '"burst";q=100;w=60', "Retry-After": "1" });
  });

  test("of a token bucket follow the rate at which it fills", () => {
    const options = { policies: [bucket] };
    const standing = (remaining: number, resetMs: number): string | undefined =>
      rateLimitHeaders(decisionOf([{ ...minute, remaining, resetMs }]), options).RateLimit;
    // A token comes each second, and a hundred fit in.
    expect(standing(0, 99_300)).toBe('"burst";r=0;t=1');
    expect(standing(1, 98_300)).toBe('"burst";r=1;t=1');
    expect(standing(50, 49_300)).toBe('"burst";r=50;t=50');
    expect(standing(99, 400)).toBe('"burst";r=99;t=99');
    expect(rateLimitHeaders(decisionOf([minute]), options)["RateLimit-Policy"]).toBe('"burst";q=60;w=60');
  });

  test("of a calendar's day show its usual length", () => {
    const policy: ResolvedPolicy = {
      ...{ name: "daily", algorithm: "calendar-window", limit: 1_000, burst: 1_000, windowMs: 90_000_000 },
      ...{ per: "day", timeZone: "Europe/Berlin" },
    };
    const standing = { ...day, windowMs: 90_000_000 };
    const headers = rateLimitHeaders(decisionOf([standing]), { policies: [policy] });
    expect(headers["RateLimit-Policy"]).toBe('"daily";q=1000;w=86400');
  });

  test("are left out where the limiter says nothing of its policies", () => {
    expect(rateLimitHeaders(decisionOf([]))).toEqual({});
  });

  test("refuse an option that there is not", () => {
    const options = { partitionkey: "x" } as RateLimitHeadersOptions;
    expect(() => rateLimitHeaders(decisionOf([minute]), options)).toThrow(
      'rateLimitHeaders has no option "partitionkey"',
    );
  });
});

const names = fc
  .string({ unit: "binary", minLength: 1, maxLength: 20 })
  .filter((name) => name.isWellFormed());
const standings = fc.record({
  policy: names,
  limit: fc.integer({ min: 1, max: 2 ** 40 }),
  remaining: fc.integer({ min: 0, max: 2 ** 40 }),
  resetMs: fc.integer({ min: 0, max: 366 * 86_400_000 }),
  windowMs: fc.integer({ min: 10, max: 366 * 86_400_000 }),
});

describe("whatever the decision is", () => {
  test("a parser of RFC 9651 reads back what was meant, and no t is later than Retry-After", () => {
    const lists = fc.uniqueArray(standings, { minLength: 1, maxLength: 8, selector: ({ policy }) => policy });
    const parameters = [lists, fc.boolean(), fc.integer({ min: 0, max: 10 ** 10 }), fc.uint8Array()] as const;
    const property = fc.property(...parameters, (policies, allowed, retryAfterMs, partitionKey) => {
      const decision = decisionOf(policies, { allowed, retryAfterMs: allowed ? 0 : retryAfterMs });
      const headers = rateLimitHeaders(decision, { partitionKey });
      const quotas = read(headers["RateLimit-Policy"]);
      const limits = read(headers.RateLimit);
      const shown = policies.map(({ policy }) => rateLimitPolicyName(policy));
      expect(Object.keys(quotas).sort()).toEqual([...shown].sort());
      expect(shown.map(decodeURIComponent)).toEqual(policies.map(({ policy }) => policy));
      for (const { policy, limit, remaining, windowMs } of policies) {
        const name = rateLimitPolicyName(policy);
        expect(quotas[name]).toMatchObject({ q: limit, w: Math.ceil(windowMs / 1_000) });
        expect(limits[name]).toMatchObject({ r: remaining });
        expect(new Uint8Array(limits[name]?.pk as ArrayBuffer)).toEqual(new Uint8Array(partitionKey));
        const retryAfter = Number(headers["Retry-After"] ?? Number.POSITIVE_INFINITY);
        expect(Number(limits[name]?.t ?? 0)).toBeLessThanOrEqual(retryAfter);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe("the body of a denial", () => {
  const types = "https://iana.org/assignments/http-problem-types";

  test("names the policies that have too little left, as the fields do", () => {
    const policies = [
      { ...minute, policy: "größe", remaining: 2 },
      { ...day, remaining: 3 },
      { ...day, policy: "x", remaining: 2 },
    ];
    const denial = decisionOf(policies, { allowed: false, cost: 3, retryAfterMs: 1_200 });
    expect(rateLimitProblem(denial)).toEqual({
      type: `${types}#quota-exceeded`,
      title: "Request cannot be satisfied as assigned quota has been exceeded",
      status: 429,
      detail: "The policy größe has 2 of 100 left, and the request costs 3. Try again in 2 s.",
      "violated-policies": ["gr%C3%B6%C3%9Fe", "x"],
    });
  });

  test("says when a request can never be admitted", () => {
    const denial = decisionOf([minute], { allowed: false, cost: 101, retryAfterMs: null });
    expect(rateLimitProblem(denial)).toMatchObject({
      status: 429,
      detail: "The request costs 101, and the policy burst never admits more than 100 at once.",
      "violated-policies": ["burst"],
    });
  });

  test("tells a block and a store that is away from a quota", () => {
    const blocked = decisionOf([minute], { allowed: false, policy: "block", retryAfterMs: 5_000 });
    expect(rateLimitProblem(blocked)).toMatchObject({
      type: `${types}#abnormal-usage-detected`,
      status: 429,
      detail: "Requests are blocked for a time. Try again in 5 s.",
      "violated-policies": [],
    });
    const empty = { ...minute, remaining: 0 };
    const away = decisionOf([empty], { allowed: false, degraded: true, source: "local", retryAfterMs: 1 });
    expect(rateLimitProblem(away)).toMatchObject({
      type: `${types}#temporary-reduced-capacity`,
      status: 503,
      detail: "Limits cannot be looked up at present. Try again in 1 s.",
      "violated-policies": [],
    });
  });

  test("is sent with its media type and the fields", async () => {
    const denial = decisionOf([{ ...minute, remaining: 0 }], { allowed: false, retryAfterMs: 2_000 });
    const response = rateLimitResponse(denial, { partitionKey: "x" });
    expect(response.status).toBe(429);
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "application/problem+json",
      "ratelimit-policy": '"burst";q=100;w=60;pk=:eA==:',
      ratelimit: '"burst";r=0;t=2;pk=:eA==:',
      "retry-after": "2",
    });
    expect(await response.json()).toEqual(rateLimitProblem(denial));
  });
});
