import { describe } from "../core/durations.ts";
import { InvalidArgumentError, OutOfBoundsError } from "../core/errors.ts";
import { InvalidValueError } from "../core/invalid-value-error.ts";

/** @throws InvalidArgumentError for what is no finite number. */
export function addend(option: string, value: number): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`${option} must be a finite number; got ${describe(value)}`);
}

/** @throws InvalidValueError when the entry is no number; OutOfBoundsError for a sum that integers cannot tell exactly. */
export function sumOf(key: string, current: unknown, by: number): number {
  if (typeof current !== "number" || !Number.isFinite(current)) {
    throw new InvalidValueError(
      `the value of ${JSON.stringify(key)} is ${describe(current)}, and only numbers can be incremented; it stays as it is`,
      { issues: [{ path: [], message: "expected a number" }], value: current, key },
    );
  }
  const sum = current + by;
  const isInteger = Number.isInteger(current) && Number.isInteger(by);
  if (Number.isFinite(sum) && (!isInteger || Number.isSafeInteger(sum))) return sum;
  throw new OutOfBoundsError(
    `${current} and ${by} make a number that is not exact; ${JSON.stringify(key)} stays as it is. Use bigintCounter`,
    { value: sum, bound: Math.sign(sum) * Number.MAX_SAFE_INTEGER },
  );
}
