import { describe } from "../core/durations.ts";
import { InvalidArgumentError, LimitExceededError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";

/** What a counter counts in: numbers up to 2^53 - 1, or bigints. */
export interface Integers<N> {
  readonly zero: N;
  readonly one: N;
  /** @throws LimitExceededError when the sum would be beyond the limit. */
  plus(a: N, b: N): N;
  /** The value, if it is one that a counter can have. @throws InvalidArgumentError, LimitExceededError */
  check(what: string, value: unknown): N;
  toJson(value: N): Json;
  /** `undefined` for what `toJson` does not make. */
  fromJson(json: unknown): N | undefined;
}

/** Decimal digits of the largest bigint that a counter holds. */
export const bigintDigitsMax = 1_000;

/** Whole numbers that a double holds exactly. */
export const safeIntegers: Integers<number> = {
  zero: 0,
  one: 1,
  plus(a, b) {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
    throw new LimitExceededError(
      `a counter holds integers from -(2^53 - 1) to 2^53 - 1; ${a} + ${b} is beyond that, and nothing was changed. ` +
        "bigintCounter has no such edge",
    );
  },
  check(what, value) {
    if (Number.isSafeInteger(value)) return value as number;
    throw new InvalidArgumentError(
      `${what} must be a whole number from -(2^53 - 1) to 2^53 - 1; got ${describe(value)}`,
    );
  },
  toJson: (value) => value,
  fromJson: (json) => (Number.isSafeInteger(json) ? (json as number) : undefined),
};

const limit = 10n ** BigInt(bigintDigitsMax);

/** Whole numbers of up to {@link bigintDigitsMax} digits. In a record they are decimal text. */
export const bigIntegers: Integers<bigint> = {
  zero: 0n,
  one: 1n,
  plus: (a, b) => checkDigits("the counter's next value", a + b),
  check(what, value) {
    if (typeof value === "bigint") return checkDigits(what, value);
    throw new InvalidArgumentError(`${what} must be a bigint, such as 5n; got ${describe(value)}`);
  },
  toJson: (value) => String(value),
  fromJson: (json) =>
    typeof json === "string" && json.length <= bigintDigitsMax + 1 && /^(0|-?[1-9]\d*)$/.test(json)
      ? BigInt(json)
      : undefined,
};

function checkDigits(what: string, value: bigint): bigint {
  if (value < limit && value > -limit) return value;
  throw new LimitExceededError(`${what} has more than ${bigintDigitsMax} digits; nothing was changed`);
}
