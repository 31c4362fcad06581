import type { Codec } from "../codecs/codec.ts";
import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { Conditions, LifeOptions } from "./entry.ts";

/** How long a value lives; `null`: until it is changed. */
export type LifeTime = { readonly ttlMs: number } | null;

/** @throws InvalidArgumentError for zero, negative, infinite and malformed durations. */
export function parseLife(ttl: Duration | null): LifeTime {
  return ttl === null ? null : { ttlMs: Math.ceil(parseDuration("ttl", ttl, { minMs: 1 })) };
}

/** The life that options ask for. `undefined`: they say nothing, and the store neither. */
export function lifeOf(
  options: LifeOptions | undefined,
  fallback: LifeTime | undefined,
): LifeTime | undefined {
  return options?.ttl === undefined ? fallback : parseLife(options.ttl);
}

/** Refuses options that nobody knows, and those of the wrong type. */
export function checkCall(
  what: string,
  options: (Conditions<never> & { readonly signal?: AbortSignal }) | undefined,
  known: readonly string[],
): void {
  checkOptions(`kv.${what}`, options, known);
  checkSignal(options?.signal);
  const { ifVersion, if: condition } = options ?? {};
  // Given and undefined: the version of an entry that is not there. It must not become a write without conditions.
  if (options !== undefined && Object.hasOwn(options, "ifVersion") && typeof ifVersion !== "string") {
    throw new InvalidArgumentError(
      `ifVersion must be the version of an entry; got ${describe(ifVersion)}. For one that is not there: setIfAbsent`,
    );
  }
  if (condition !== undefined && typeof condition !== "function") {
    throw new InvalidArgumentError(`if must be a function of the current entry; got ${describe(condition)}`);
  }
}

/** @throws InvalidArgumentError unless it is an array. */
export function checkList(what: string, value: unknown): void {
  if (Array.isArray(value)) return;
  throw new InvalidArgumentError(`kv.${what} takes an array; got ${describe(value)}`);
}

/** @throws InvalidArgumentError unless it is a whole number of at least 1. */
export function parseCount(option: string, value: number | undefined, fallback: number, max = 1e9): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new InvalidArgumentError(`${option} must be a whole number from 1 to ${max}; got ${describe(value)}`);
}

/** @throws InvalidArgumentError unless it looks like a codec. */
export function checkCodec(codec: unknown): asserts codec is Codec<never> {
  const { type, encode, decode } = (codec ?? {}) as Partial<Codec<never>>;
  if (typeof type === "string" && type !== "" && typeof encode === "function" && typeof decode === "function")
    return;
  throw new InvalidArgumentError(
    `codec must have a type, encode and decode, as jsonCodec() and textCodec have; got ${describe(codec)}`,
  );
}
