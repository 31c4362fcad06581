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
