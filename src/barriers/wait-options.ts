import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError, LimitMismatchError } from "../core/errors.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { Patience } from "../roster/pending-answer.ts";

/** Options of everything here that waits. */
export interface BarrierWaitOptions {
  /** How long to wait at most. Default: `Infinity`, as long as it takes, outages of the store included. */
  readonly wait?: Duration;
  /** Gives up with an `AbortedError` when it fires. */
  readonly signal?: AbortSignal;
}

/**
 * Reads the options of a call. `failing`: what to say when the wait was too short.
 *
 * @throws InvalidArgumentError for options that nobody knows, or that cannot be used.
 */
export function readPatience(
  what: string,
  failing: string,
  options: BarrierWaitOptions | undefined,
  more: readonly string[] = [],
): Patience {
  checkOptions(what, options, ["wait", "signal", ...more]);
  const { signal, wait } = options ?? {};
  const waitMs =
    wait === undefined ? Number.POSITIVE_INFINITY : parseDuration("wait", wait, { infinite: true });
  checkSignal(signal);
  return { failing, waitMs, signal };
}

/** @throws InvalidArgumentError unless it is a whole number from 1 to `max`. */
export function checkCount(what: string, count: number, max: number): number {
  if (Number.isSafeInteger(count) && count >= 1 && count <= max) return count;
  throw new InvalidArgumentError(`${what} must be a whole number from 1 to ${max}; got ${describe(count)}`);
}

/** The error for a number that is not the one of the record. `what`: `the latch "deploy" counts`. */
export function mismatch(what: string, unit: string, limit: number, expected: number): LimitMismatchError {
  return new LimitMismatchError(
    `${what} ${limit} ${unit}, and was opened with ${expected}: whoever came first has set it. Open it with ${limit}, ` +
      "or use another name",
    { limit, expected },
  );
}
