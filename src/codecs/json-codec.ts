import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { Codec } from "./codec.ts";
import { invalidValue } from "./invalid-value.ts";
import { fromPlain, Refusal, toPlain } from "./json-values.ts";
import { decodeText } from "./plain-codecs.ts";

/** How {@link jsonCodec} writes. */
export interface JsonCodecOptions {
  /**
   * Whether `Date`, `Map`, `Set`, `bigint`, `Uint8Array`, `NaN`, infinities, `-0` and `undefined` in arrays survive, nested
   * anywhere. They are written as objects of one property such as `{"$date":"2026-01-31T12:00:00.000Z"}`. Values of one
   * form are not read as the other. Default: false.
   */
  readonly extended?: boolean;
}

/**
 * Values as JSON. What would come back as something else is refused, and the error names its place: functions, symbols,
 * class instances, cycles, `undefined` in arrays; and without `extended` also `Date` (which `JSON.stringify` makes text), `Map`,
 * `Set`, bytes, bigints, `NaN` and infinities. As in JSON, a property that is `undefined` is left out, and `-0` becomes 0.
 * Also refused, on reading too: more than 500 levels, and what pollutes prototypes when it is merged (`__proto__`,
 * `constructor.prototype`).
 *
 * @throws InvalidArgumentError for unknown options. `encode` and `decode` throw InvalidValueError.
 *
 * @example
 * ```ts
 * import { jsonCodec } from "leasehold";
 * const codec = jsonCodec({ extended: true });
 * const bytes = await codec.encode({ seen: new Map([["ada", new Date(0)]]) });
 * console.log(await codec.decode(bytes)); // { seen: Map(1) { 'ada' => 1970-01-01T00:00:00.000Z } }
 * ```
 */
export function jsonCodec<T = unknown>(options?: JsonCodecOptions): Codec<T> {
  checkOptions("jsonCodec", options, ["extended"]);
  const isExtended = options?.extended ?? false;
  if (typeof isExtended !== "boolean")
    throw new InvalidArgumentError(`extended must be true or false; got ${describe(isExtended)}`);
  return {
    type: isExtended ? "extended-json" : "json",
    encode: (value) => refused("write", value, () => Buffer.from(JSON.stringify(toPlain(value, isExtended)))),
    decode: (bytes) => refused("read", bytes, () => fromPlain(parse(decodeText(bytes)), isExtended) as T),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Refusal("the bytes are not JSON", [], cause);
  }
}

function refused<R>(action: "write" | "read", value: unknown, work: () => R): R {
  try {
    return work();
  } catch (error) {
    // A getter that throws, a stack that was nearly full before.
    const { path, message, cause } =
      error instanceof Refusal ? error : new Refusal(`it cannot be looked through: ${error}`, [], error);
    throw invalidValue(action, [{ path, message }], { value, cause });
  }
}
