import type { Runtime } from "./runtime.ts";

/** How fast an exponential backoff grows. */
export interface BackoffRange {
  /** The upper end of the first delay. */
  readonly firstMs: number;
  /** No delay is longer. */
  readonly maxMs: number;
}

/**
 * Exponential backoff with full jitter: a random part of `firstMs * 2^attempt`, capped. Full jitter spreads
 * contenders that collided; see "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
export function backoffMs(runtime: Runtime, attempt: number, range: BackoffRange): number {
  return runtime.random() * Math.min(range.maxMs, range.firstMs * 2 ** Math.min(attempt, 30));
}

const conflictPauseMinMs = 10;
const conflictPauseMaxMs = 500;

/**
 * How long to pause before the next attempt after a conflict. Only after every second one: what the one before told
 * is as new as a read would be. And not much longer than a few round trips: against one busy client each attempt
 * has the same chance, and only many of them make a newcomer sure of its turn.
 */
export function conflictPauseMs(runtime: Runtime, conflicts: number, roundTripMs: number): number {
  const maxMs = Math.min(Math.max(4 * roundTripMs, conflictPauseMinMs), conflictPauseMaxMs);
  return backoffMs(runtime, conflicts / 2, { firstMs: roundTripMs / 2, maxMs });
}
