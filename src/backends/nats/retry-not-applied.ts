import pRetry from "p-retry";
import { UnavailableError } from "../../core/errors.ts";

/** Another write to the same key is on its way through the cluster; this one was refused and left no trace. */
export class WriteInFlightError extends Error {
  override readonly name = "WriteInFlightError";
}

const retriesMax = 5;

/** Whether the request left no trace, so that sending it again cannot do harm. */
export function leftNoTrace(error: unknown): boolean {
  return error instanceof UnavailableError || error instanceof WriteInFlightError;
}

/**
 * Goes on after a first failure that left no trace: at most five more attempts within about a second, with
 * jitter. An attempt whose outcome is unknown ends it at once.
 */
export function retryNotApplied<T>(firstError: unknown, attempt: () => Promise<T>): Promise<T> {
  return pRetry((number) => (number === 1 ? Promise.reject(firstError) : attempt()), {
    retries: retriesMax,
    minTimeout: 10,
    factor: 2.5,
    maxTimeout: 400,
    maxRetryTime: 1_000,
    randomize: true,
    shouldRetry: ({ error }) => leftNoTrace(error),
  });
}
