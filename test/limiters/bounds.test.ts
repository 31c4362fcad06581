// Goal: where the time is only known within bounds, each algorithm counts by the one that admits less; what a client
// reports twice frees nothing of another's.
import { expect, test } from "vitest";
import { algorithmOf } from "../../src/limiters/algorithms/algorithm-of.ts";
import { applyCommand, type LimiterCommand } from "../../src/limiters/limiter-commands.ts";
import { emptyState, type LimiterState, type Rule } from "../../src/limiters/limiter-state.ts";
import { type Policy, parsePolicies } from "../../src/limiters/policy.ts";
import { TokenLease } from "../../src/limiters/token-lease.ts";

const startMs = Date.UTC(2026, 0, 1);

/** One record, and commands at times that are known within bounds, in milliseconds since the start. */
function play(...policies: readonly Policy[]) {
  const rules = parsePolicies(policies).map((policy): Rule => ({ policy, algorithm: algorithmOf(policy) }));
  let state: LimiterState = emptyState(rules);
  return (earliestMs: number, latestMs: number, command: LimiterCommand) => {
    const time = { earliestMs: startMs + earliestMs, latestMs: startMs + latestMs };
    const applied = applyCommand(rules, state, command, time);
    state = applied.state;
    return applied.answer;
  };
}

const take = (cost: number): LimiterCommand => ({ kind: "take", cost });

test("a fixed window begins as late, and ends as early, as its first token may have come", () => {
  const run = play({ limit: 1, per: "1s", algorithm: "fixed-window" });
  expect(run(0, 300, take(1)).decision.allowed).toBe(true);
  expect(run(1_299, 1_400, take(1)).decision).toMatchObject({ allowed: false, retryAfterMs: 1 });
  expect(run(1_300, 1_400, take(1)).decision.allowed).toBe(true);
});

test("a sliding window counts a token in the last tenth in which it may have come", () => {
  const run = play({ limit: 1, per: "1s", algorithm: "sliding-window" });
  expect(run(50, 150, take(1)).decision.allowed).toBe(true);
  expect(run(1_199, 1_199, take(1)).decision).toMatchObject({ allowed: false, retryAfterMs: 1 });
  expect(run(1_200, 1_200, take(1)).decision.allowed).toBe(true);
});

test("a clock behind the last write takes nothing back: its window goes on from there", () => {
  const run = play({ limit: 2, per: "minute", algorithm: "calendar-window" });
  expect(run(59_000, 59_000, take(2)).decision.allowed).toBe(true);
  expect(run(60_000, 60_000, take(2)).decision.allowed).toBe(true);
  // Known only as before the minute that the record has seen.
  expect(run(0, 59_000, take(1)).decision).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
});

test("tokens that were reported spent are not reported again", () => {
  const lease = new TokenLease();
  lease.add(startMs + 500, 10);
  lease.spend(4);
  expect(lease.report(startMs, Number.POSITIVE_INFINITY)).toEqual([
    { expiresAtMs: startMs + 500, spent: 4, unspent: 0 },
  ]);
  expect(lease.report(startMs, Number.POSITIVE_INFINITY)).toEqual([]);
  expect(lease.report(startMs, 2)).toEqual([{ expiresAtMs: startMs + 500, spent: 0, unspent: 4 }]);
  expect(lease.tokensAt(startMs)).toBe(2);
  expect(lease.tokensAt(startMs + 500)).toBe(0);
});
