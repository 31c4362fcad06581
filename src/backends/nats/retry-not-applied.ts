import pRetry from "p-retry";
import { UnavailableError } from "../../core/errors.ts";
import { sortFailure } from "./request-failure.ts";

/** Another write to the same key is on its way through the cluster; this one was refused and left no trace. */
export class WriteInFlightError extends Error {
  override readonly name = "WriteInFlightError";
}

const retriesMax = 5;

/**
 * Whether the request left no trace and was refused at once, so that sending it again does no harm. Whoever has waited
 * for a whole timeout is told so, and does not wait for another one.
 */
export function isRepeatable(error: unknown): boolean {
  if (error instanceof WriteInFlightError) return true;
  if (!(error instanceof UnavailableError)) return false;
  return !(error.cause instanceof Error && sortFailure(error.cause).kind === "no-answer");
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
    shouldRetry: ({ error }) => isRepeatable(error),
  });
}
