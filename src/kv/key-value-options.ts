import type { Codec } from "../codecs/codec.ts";
import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { Conditions, LifeOptions } from "./entry.ts";

/** How long a value lives; `null`: until it is changed. */
export type LifeTime = { readonly ttlMs: number } | null;

/** @throws InvalidArgumentError for zero, negative, infinite and malformed durations. */
export function parseLife(ttl: Duration | null): LifeTime {
  if (ttl === null) return null;
  try {
    return { ttlMs: Math.ceil(parseDuration("ttl", ttl, { minMs: 1 })) };
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}. For none: null`);
  }
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
  throw new InvalidArgumentError(`${what} takes an array; got ${describe(value)}`);
}

/** Refuses what is no entry, and what an entry does not have: a condition that nobody looks at must not be lost. */
export function checkNewEntries(entries: readonly unknown[]): void {
  for (const entry of entries) {
    const isEntry = typeof entry === "object" && entry !== null && "key" in entry && "value" in entry;
    if (!isEntry) {
      throw new InvalidArgumentError(
        `kv.setMany takes entries like { key, value, ttl }; got ${describe(entry)}`,
      );
    }
    const unknown = Object.keys(entry).find((member) => !["key", "value", "ttl"].includes(member));
    if (unknown === undefined) continue;
    throw new InvalidArgumentError(
      `an entry of kv.setMany has no member ${describe(unknown)}; it has key, value, ttl. For conditions: set, or a transaction`,
    );
  }
}

/** What a function of the user's says of an entry. @throws InvalidArgumentError for a promise, which would count as true. */
export function answerNow(option: string, answer: unknown, instead: string): boolean {
  const isThenable = typeof (answer as PromiseLike<unknown> | null | undefined)?.then === "function";
  if (!isThenable) return Boolean(answer);
  // Nobody hears how it ends.
  (answer as PromiseLike<unknown>).then(undefined, () => undefined);
  throw new InvalidArgumentError(
    `${option} must answer true or false at once; it answered a promise. ${instead}`,
  );
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
