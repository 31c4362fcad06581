import { OutOfBoundsError } from "../core/errors.ts";
import type { Integers } from "./integers.ts";

/** What a counter must stay within. A bound that is left out does not bind. */
export interface Bounds<N> {
  readonly min: N | undefined;
  readonly max: N | undefined;
}

/** What is asked of a counter. */
export type CounterCommand<N> =
  | { readonly kind: "add"; readonly delta: N; readonly bounds: Bounds<N> }
  | { readonly kind: "set"; readonly value: N }
  | { readonly kind: "reset" }
  | { readonly kind: "compareAndSet"; readonly expected: N; readonly next: N };

/** What it led to: the value after it, and whether it was done. */
export interface CounterAnswer<N> {
  readonly value: N;
  readonly isDone: boolean;
}

/**
 * What a command makes of a value.
 *
 * @throws OutOfBoundsError when an add would cross a bound; one that leads back from beyond it may go through.
 * @throws LimitExceededError when a sum would be beyond what a counter holds.
 */
export function applyToValue<N extends number | bigint>(
  integers: Integers<N>,
  value: N,
  command: CounterCommand<N>,
): CounterAnswer<N> {
  if (command.kind === "set") return { value: command.value, isDone: true };
  if (command.kind === "reset") return { value: integers.zero, isDone: true };
  if (command.kind === "compareAndSet") {
    return value === command.expected ? { value: command.next, isDone: true } : { value, isDone: false };
  }
  const { delta, bounds } = command;
  const next = integers.plus(value, delta);
  if (delta > integers.zero && bounds.max !== undefined && next > bounds.max) {
    throw outOfBounds(`${value} + ${delta} is above its max, ${bounds.max}`, next, bounds.max);
  }
  if (delta < integers.zero && bounds.min !== undefined && next < bounds.min) {
    throw outOfBounds(`${value} + ${delta} is below its min, ${bounds.min}`, next, bounds.min);
  }
  return { value: next, isDone: true };
}

/** @throws OutOfBoundsError when a value that shall be set is beyond a bound. */
export function checkBounds<N extends number | bigint>(value: N, { min, max }: Bounds<N>): N {
  if (max !== undefined && value > max) throw outOfBounds(`${value} is above its max, ${max}`, value, max);
  if (min !== undefined && value < min) throw outOfBounds(`${value} is below its min, ${min}`, value, min);
  return value;
}

function outOfBounds(what: string, value: number | bigint, bound: number | bigint): OutOfBoundsError {
  return new OutOfBoundsError(`the counter stays as it is: ${what}`, { value, bound });
}
