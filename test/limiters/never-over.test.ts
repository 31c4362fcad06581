// Goal: whatever clients take, lease, spend, report and forget, with clocks known only within bounds that differ from
// client to client, no policy ever admits more than it says, on the store's clock.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bounds } from "../../src/limiters/algorithms/algorithm.ts";
import { algorithmOf } from "../../src/limiters/algorithms/algorithm-of.ts";
import { applyCommand, type LimiterCommand } from "../../src/limiters/limiter-commands.ts";
import {
  decodeState,
  emptyState,
  encodeState,
  type LimiterState,
  type Rule,
} from "../../src/limiters/limiter-state.ts";
import { type Policy, parsePolicies } from "../../src/limiters/policy.ts";
import { TokenLease } from "../../src/limiters/token-lease.ts";

/** Tokens that were spent, and when in truth. */
interface Spending {
  readonly atMs: number;
  readonly tokens: number;
}

/** One thing that a client does, and how well it knows the time then. */
interface Step {
  readonly client: number;
  readonly waitMs: number;
  readonly behindMs: number;
  readonly aheadMs: number;
  readonly act: "take" | "lease" | "spend" | "report" | "give back" | "crash" | "reserve" | "write is lost";
  readonly tokens: number;
}

const clients = 3;
const startMs = Date.UTC(2026, 9, 25, 0, 59, 59, 700);

const steps = fc.array(
  fc.record<Step>({
    client: fc.nat(clients - 1),
    waitMs: fc.oneof(fc.nat(30), fc.nat(30), fc.nat(400), fc.nat(4_000)),
    behindMs: fc.oneof(fc.constant(0), fc.nat(150)),
    aheadMs: fc.oneof(fc.constant(0), fc.nat(150)),
    act: fc.constantFrom(
      "take",
      "take",
      "lease",
      "spend",
      "spend",
      "report",
      "give back",
      "crash",
      "reserve",
      "write is lost",
    ),
    tokens: fc.integer({ min: 1, max: 8 }),
  }),
  { minLength: 5, maxLength: 120, size: "max" },
);

function rulesOf(policies: readonly Policy[]): readonly Rule[] {
  return parsePolicies(policies).map((policy) => ({ policy, algorithm: algorithmOf(policy) }));
}

/** Plays the steps over one record, and answers what was spent. */
function play(rules: readonly Rule[], script: readonly Step[]): readonly Spending[] {
  let state: LimiterState = emptyState(rules);
  let atMs = startMs;
  const spendings: Spending[] = [];
  const leases = Array.from({ length: clients }, () => new TokenLease());
  const spend = (tokens: number): void => {
    if (tokens > 0) spendings.push({ atMs, tokens });
  };
  for (const { client, waitMs, behindMs, aheadMs, act, tokens } of script) {
    atMs += waitMs;
    const bounds: Bounds = { earliestMs: atMs - behindMs, latestMs: atMs + aheadMs };
    const lease = leases[client] as TokenLease;
    const run = (command: LimiterCommand) => {
      const applied = applyCommand(rules, state, command, bounds);
      // Through the bytes, as the next client would see it.
      if (act !== "write is lost") state = decodeState(rules, "key", encodeState(rules, applied.state));
      return applied.answer;
    };
    const keep = act === "give back" ? 0 : Number.POSITIVE_INFINITY;
    const returned = (): LimiterCommand => ({
      ...{ kind: "lease", returned: lease.report(bounds.latestMs, keep) },
      ...{ atLeast: 0, wanted: act === "lease" ? 4 * tokens : 0, ttlMs: 500 },
    });
    if (act === "take") {
      if (run({ kind: "take", cost: tokens }).decision.allowed) spend(tokens);
    } else if (act === "spend") {
      const spent = Math.min(tokens, lease.tokensAt(bounds.latestMs));
      lease.spend(spent);
      spend(spent);
    } else if (act === "crash") {
      leases[client] = new TokenLease();
    } else if (act === "reserve") {
      const answer = run({ kind: "lease", returned: [], atLeast: tokens, wanted: 0, ttlMs: 2_000 });
      if (answer.leased > 0) {
        if (answer.expiresAtMs > 0) lease.add(answer.expiresAtMs, answer.leased);
        else spend(tokens);
      }
    } else {
      const { leased, expiresAtMs } = run(returned());
      if (leased > 0 && act !== "write is lost") lease.add(expiresAtMs, leased);
    }
  }
  return spendings;
}

/** The most that was spent beyond what `allowed` says of a stretch from one spending to another. */
function excess(
  spendings: readonly Spending[],
  allowed: (fromMs: number, untilMs: number) => number,
): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const [first, from] of spendings.entries()) {
    let sum = 0;
    for (const until of spendings.slice(first)) {
      sum += until.tokens;
      worst = Math.max(worst, sum - allowed(from.atMs, until.atMs));
    }
  }
  return worst;
}

function holds(policies: readonly Policy[], check: (spendings: readonly Spending[]) => void): void {
  const rules = rulesOf(policies);
  let spent = 0;
  fc.assert(
    fc.property(steps, (script) => {
      const spendings = play(rules, script);
      spent += spendings.length;
      check(spendings);
    }),
    { numRuns: 800 },
  );
  expect(spent).toBeGreaterThan(500);
}

test("a token bucket admits its burst and what came back, in every stretch of time", () => {
  for (const [limit, per, burst] of [
    [10, 1_000, 10],
    [7, 900, 12],
    [30, 1_000, 8],
  ] as const) {
    holds([{ limit, per, burst }], (spendings) => {
      const over = excess(spendings, (fromMs, untilMs) => burst + ((untilMs - fromMs) * limit) / per);
      expect(over).toBeLessThanOrEqual(1e-9);
    });
  }
});

test("a sliding window admits its limit in every stretch of its length", () => {
  for (const [limit, per] of [
    [10, 1_000],
    [13, 777],
  ] as const) {
    holds([{ limit, per, algorithm: "sliding-window" }], (spendings) => {
      const over = excess(spendings, (fromMs, untilMs) =>
        untilMs - fromMs < per ? limit : Number.POSITIVE_INFINITY,
      );
      expect(over).toBeLessThanOrEqual(0);
    });
  }
});

test("a fixed window admits twice its limit at most in every stretch of its length, and its limit from its start", () => {
  holds([{ limit: 8, per: 300, algorithm: "fixed-window" }], (spendings) => {
    const over = excess(spendings, (fromMs, untilMs) => 8 * (2 + Math.floor((untilMs - fromMs) / 300)));
    expect(over).toBeLessThanOrEqual(0);
  });
});

test("a calendar window admits its limit between two marks of the calendar", () => {
  holds([{ limit: 12, per: "minute", algorithm: "calendar-window" }], (spendings) => {
    const sums = new Map<number, number>();
    for (const { atMs, tokens } of spendings) {
      const minute = Math.floor(atMs / 60_000);
      sums.set(minute, (sums.get(minute) ?? 0) + tokens);
    }
    expect(Math.max(0, ...sums.values())).toBeLessThanOrEqual(12);
  });
});

test("of several policies, each holds", () => {
  holds(
    [
      { limit: 10, per: 1_000 },
      { limit: 25, per: 4_000, algorithm: "sliding-window" },
    ],
    (spendings) => {
      expect(excess(spendings, (a, b) => 10 + (b - a) / 100)).toBeLessThanOrEqual(1e-9);
      expect(
        excess(spendings, (a, b) => (b - a < 4_000 ? 25 : Number.POSITIVE_INFINITY)),
      ).toBeLessThanOrEqual(0);
    },
  );
});
