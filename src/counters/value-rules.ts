import type { StoreTime } from "../core/backend.ts";
import { receiptsMax } from "../core/counter-record.ts";
import { CorruptRecordError, InvalidArgumentError } from "../core/errors.ts";
import { decodeJson, encodeJson, type Json } from "../core/json.ts";
import { addStamp, isStamps, type Stamps } from "../core/stamps.ts";
import type { RecordRules } from "../records/record-rules.ts";
import { applyToValue, type CounterAnswer, type CounterCommand } from "./counter-command.ts";
import type { Integers } from "./integers.ts";

/** When a value is over, on the store's clock, and how long it lives altogether. */
export interface Life {
  readonly endsAtMs: number;
  readonly ttlMs: number;
}

/** A counter whose record carries more than the backends' own adds know of: a time to live, or a bigint. */
export interface ValueState<N> {
  readonly value: N;
  /** Left out: for ever. */
  readonly life: Life | undefined;
  readonly stamps: Stamps;
}

/** A command, with what it needs where the counter has a time to live. */
export interface TimedCommand<N> {
  readonly command: CounterCommand<N>;
  readonly life: LifeOptions | undefined;
}

/** How long a counter lives, and the store's time when a command is applied: it may have waited for others before. */
export interface LifeOptions {
  readonly ttlMs: number;
  now(): StoreTime;
}

/** The rules of {@link ValueState}. */
export type ValueRules<N> = RecordRules<ValueState<N>, TimedCommand<N>, CounterAnswer<N>>;

/** How much longer than its value a record stays at least, for those who look for the mark of a write without an answer. */
const afterlifeMs = 3_600_000;

/** Makes the rules of a counter in these integers. `subject`: for messages, such as `counter "visits"`. */
export function createValueRules<N extends number | bigint>(
  subject: string,
  integers: Integers<N>,
): ValueRules<N> {
  return {
    decode: (key, value) =>
      value === null
        ? { value: integers.zero, life: undefined, stamps: [] }
        : decodeState(subject, integers, key, value),
    encode({ value, life, stamps }) {
      const ends = life === undefined ? {} : { ends: life.endsAtMs, ttl: life.ttlMs };
      return encodeJson({ value: integers.toJson(value), ...ends, stamps });
    },
    apply(state, { command, life }) {
      const at = life?.now();
      const { value, life: left } = valueAt(subject, integers, state, at);
      const answer = applyToValue(integers, value, command);
      const isReset = command.kind === "reset";
      if (answer.value === value && !(isReset && left !== undefined)) return { state, answer };
      const next = isReset ? undefined : (left ?? begin(life, at));
      return { state: { value: answer.value, life: next, stamps: state.stamps }, answer };
    },
    stamp: (state, write) => ({ ...state, stamps: addStamp(state.stamps, write, receiptsMax) }),
    stamps: ({ stamps }) => stamps,
    // As many as other counters keep receipts: a fleet may count on one.
    stampsMax: receiptsMax,
    ttlMs({ value, life }) {
      if (life !== undefined) return life.ttlMs + afterlifeMs;
      // As good as absent.
      return value === integers.zero ? afterlifeMs : undefined;
    },
  };
}

function begin(life: LifeOptions | undefined, at: StoreTime | undefined): Life | undefined {
  if (life === undefined || at === undefined) return undefined;
  return { endsAtMs: Math.floor(at.earliestMs + life.ttlMs), ttlMs: life.ttlMs };
}

/**
 * The value at a time: zero once the time to live may be over. So a value that is over is never seen, and one may be
 * over as much earlier as the bounds of the clock are apart, when it began and now.
 *
 * @throws InvalidArgumentError when the value has a time to live, and who asks knows of none.
 */
export function valueAt<N>(
  subject: string,
  integers: Integers<N>,
  { value, life }: ValueState<N>,
  at: StoreTime | undefined,
): { readonly value: N; readonly life: Life | undefined } {
  if (life === undefined) return { value, life };
  if (at === undefined) {
    throw new InvalidArgumentError(
      `${subject} has a time to live of ${life.ttlMs} ms, set by another client; open it with the same ttl everywhere`,
    );
  }
  return at.latestMs < life.endsAtMs ? { value, life } : { value: integers.zero, life: undefined };
}

function decodeState<N>(
  subject: string,
  integers: Integers<N>,
  key: string,
  bytes: Uint8Array,
): ValueState<N> {
  const parsed = decodeJson(key, bytes) as Readonly<Record<"value" | "ends" | "ttl" | "stamps", Json>> | null;
  const value = integers.fromJson(parsed?.value);
  const stamps = parsed?.stamps;
  if (parsed !== null && value !== undefined && isStamps(stamps)) {
    const { ends, ttl } = parsed;
    if (ends === undefined && ttl === undefined) return { value, life: undefined, stamps };
    if (Number.isFinite(ends) && Number.isFinite(ttl)) {
      return { value, life: { endsAtMs: ends as number, ttlMs: ttl as number }, stamps };
    }
  }
  throw new CorruptRecordError(
    `the record under key ${key} is not what ${subject} is with these options. Something else wrote to this key, or ` +
      "uses the counter without a time to live, or with other integers: use it with the same options everywhere, use " +
      "another name, or delete the record",
  );
}
