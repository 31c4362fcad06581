import pRetry from "p-retry";
import { type BackoffRange, backoffMs } from "../../core/backoff.ts";
import { type Runtime, sleep } from "../../core/runtime.ts";

/** How often, and how fast, something is tried again. */
export interface RetryLimits extends BackoffRange {
  /** Tries after the first one. */
  readonly retriesMax: number;
}

/** For requests that DynamoDB refused for the moment; about three seconds at most. */
export const ordinaryRetries: RetryLimits = { retriesMax: 5, firstMs: 100, maxMs: 1_600 };
/** For heartbeats, whose sender retries every class of error by itself until its own deadline. */
export const urgentRetries: RetryLimits = { retriesMax: 2, firstMs: 25, maxMs: 100 };

/**
 * Repeats `action` while it fails in a way that `again` accepts, with full jitter between the tries. Only for
 * what may be repeated: requests that were certainly not applied, and requests that apply once.
 */
export function retry<T>(
  runtime: Runtime,
  limits: RetryLimits,
  action: (attempt: number) => Promise<T>,
  again: (error: unknown) => boolean,
  signal?: AbortSignal,
): Promise<T> {
  return pRetry(action, {
    retries: limits.retriesMax,
    // The pauses are made in shouldRetry, where the injected runtime can make them.
    minTimeout: 0,
    async shouldRetry({ error, attemptNumber }) {
      if (!again(error)) return false;
      const delayMs = backoffMs(runtime, attemptNumber - 1, limits);
      await sleep(runtime, delayMs, { holdsProcessOpen: true, signal });
      // Closed meanwhile: the failure stands.
      return signal?.aborted !== true;
    },
  });
}
