import { setTimeout as delay } from "node:timers/promises";

/** Limits of {@link waitUntil}. */
export interface WaitLimits {
  readonly timeoutMs: number;
  readonly intervalMs: number;
  /** What is awaited, for the message of the failure: "NATS on port 21000 to answer". */
  readonly what: string;
}

/**
 * Repeats `check` until it answers something other than null, and gives that answer.
 *
 * @throws Error when `timeoutMs` have passed, with the last failure of `check` as its cause.
 */
export async function waitUntil<T>(
  check: () => Promise<T | null>,
  { timeoutMs, intervalMs, what }: WaitLimits,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await check();
      if (answer !== null) return answer;
    } catch (error) {
      if (error instanceof FatalError) throw error;
      lastError = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${what}, in vain`, { cause: lastError });
    }
    await delay(intervalMs);
  }
}

/** A failure after which further waiting is pointless, such as the end of the awaited process. */
export class FatalError extends Error {}
