import { describe } from "./durations.ts";
import { InvalidArgumentError } from "./errors.ts";

/**
 * Refuses options that nobody knows: a misspelt `wait` must not become a wait without end.
 *
 * @throws InvalidArgumentError naming the unknown option and the known ones.
 */
export function checkOptions(what: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(`the options of ${what} must be an object; got ${describe(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new InvalidArgumentError(`${what} has no option ${describe(key)}; it has ${known.join(", ")}`);
    }
  }
}

/** @throws InvalidArgumentError for what is neither left out nor an AbortSignal. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new InvalidArgumentError(`signal must be an AbortSignal; got ${describe(signal)}`);
}
