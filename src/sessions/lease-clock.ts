import type { Runtime } from "../core/runtime.ts";

/** One moment, on every clock that this machine has. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly uptimeMs: number;
}

/** macOS and the BSDs count the uptime in whole seconds: two readings may lie so much further apart than they were taken. */
const uptimeStepMs = 1_000;

/** This moment. */
export function instant(runtime: Runtime): Instant {
  return { monotonicMs: runtime.monotonicMs(), wallMs: runtime.wallMs(), uptimeMs: runtime.uptimeMs() };
}

/**
 * How much of a lease has passed, by the clock that ran furthest. The monotonic clock may stand still while the
 * machine sleeps; then the wall clock or the uptime shows it. A wall clock that jumps forward costs the lease,
 * which is safe; one that jumps back changes nothing.
 */
export function elapsedMs(since: Instant, now: Instant): number {
  const byUptimeMs = now.uptimeMs - since.uptimeMs - uptimeStepMs;
  return Math.max(quickElapsedMs(since, now.monotonicMs, now.wallMs), byUptimeMs);
}

/**
 * Whether wall clock and monotonic clock tell so different stories that only the uptime can say what happened: the
 * machine slept, or somebody set the clock, or both.
 */
export function disagree(since: Instant, monotonicMs: number, wallMs: number): boolean {
  return Math.abs(wallMs - since.wallMs - (monotonicMs - since.monotonicMs)) > uptimeStepMs;
}

/** As {@link elapsedMs} without the uptime, which costs a system call: for the hot path. */
export function quickElapsedMs(since: Instant, monotonicMs: number, wallMs: number): number {
  return Math.max(monotonicMs - since.monotonicMs, wallMs - since.wallMs);
}
