import type { AddOperation } from "./backend.ts";
import { CorruptRecordError, LimitExceededError } from "./errors.ts";
import { ForgottenError } from "./forgotten-error.ts";
import { invariant } from "./invariant.ts";
import { decodeJson, encodeJson } from "./json.ts";
import { fateOf, type Stamp, type Stamps } from "./stamps.ts";

/** What one writer did last: the number of its add, and the sum that add led to. */
export interface AddReceipt {
  readonly sequence: number;
  readonly sum: number;
}

/** A counter with the receipt of each writer's last add, newest writer last. */
export interface CounterRecord {
  readonly sum: number;
  readonly receipts: ReadonlyMap<string, AddReceipt>;
}

/** Receipts kept in one counter; the writer that has been silent longest goes first. */
export const receiptsMax = 64;

/** A counter that nobody has added to. */
export const emptyCounter: CounterRecord = { sum: 0, receipts: new Map() };

/**
 * Applies an add once: again with the same operation, it changes nothing and answers the same sum.
 *
 * `since`: the counter to which an earlier try was applied, where that is known, so that it is found out also of a writer
 * that is new.
 *
 * @throws LimitExceededError when the sum would leave the safe integers. Nothing was applied.
 * @throws ForgottenError for an operation that may have been applied before, when the receipts do not reach back so far.
 */
export function applyAdd(
  counter: CounterRecord,
  delta: number,
  operation: AddOperation,
  since = emptyCounter,
): { readonly counter: CounterRecord; readonly sum: number; readonly applied: boolean } {
  invariant(Number.isSafeInteger(delta), `a delta is a safe integer; got ${delta}`);
  const receipt = counter.receipts.get(operation.writer);
  if (receipt !== undefined && receipt.sequence >= operation.sequence) {
    invariant(receipt.sequence === operation.sequence, "a writer's adds are issued in order");
    return { counter, sum: receipt.sum, applied: false };
  }
  if (operation.again === true && receipt === undefined) {
    const write = [operation.writer, operation.sequence] as const;
    const fate = fateOf(receiptStamps(counter), write, receiptStamps(since), receiptsMax);
    if (fate === "forgotten") throw new ForgottenError("a counter");
  }
  const sum = counter.sum + delta;
  if (!Number.isSafeInteger(sum)) {
    throw new LimitExceededError(
      `a counter holds integers from -(2^53 - 1) to 2^53 - 1; ${counter.sum} + ${delta} is beyond that`,
    );
  }
  return {
    counter: withReceipt({ ...counter, sum }, [operation.writer, operation.sequence]),
    sum,
    applied: true,
  };
}

/** The counter with the receipt of a write that led to its sum, in the place of the same writer's receipt before. */
export function withReceipt(counter: CounterRecord, [writer, sequence]: Stamp): CounterRecord {
  const { sum } = counter;
  const receipts = new Map(counter.receipts);
  receipts.delete(writer);
  receipts.set(writer, { sequence, sum });
  for (const oldest of receipts.keys()) {
    if (receipts.size <= receiptsMax) break;
    receipts.delete(oldest);
  }
  return { sum, receipts };
}

/** The receipts as marks, oldest first. */
export function receiptStamps({ receipts }: CounterRecord): Stamps {
  return [...receipts].map(([writer, { sequence }]) => [writer, sequence]);
}

/** The bytes of a counter record. */
export function encodeCounter(counter: CounterRecord): Uint8Array {
  const receipts = [...counter.receipts].map(([writer, { sequence, sum }]) => [writer, sequence, sum]);
  return encodeJson({ counter: counter.sum, receipts });
}

/** @throws CorruptRecordError when the bytes are not those of a counter without a time to live. */
export function decodeCounter(key: string, value: Uint8Array): CounterRecord {
  const parsed = decodeJson(key, value) as { counter?: unknown; receipts?: unknown } | null;
  if (Number.isSafeInteger(parsed?.counter) && Array.isArray(parsed?.receipts)) {
    if (parsed.receipts.every(isReceipt)) {
      const receipts = parsed.receipts.map(([writer, sequence, sum]) => [writer, { sequence, sum }] as const);
      return { sum: parsed.counter as number, receipts: new Map(receipts) };
    }
  }
  throw new CorruptRecordError(
    `the record under key ${key} is not a counter; expected {"counter":<integer>,"receipts":[...]}. ` +
      "Something else wrote to this key, or uses this counter with a time to live or as a bigintCounter: use it with " +
      "the same options everywhere, use another name, or delete the record",
  );
}

function isReceipt(value: unknown): value is [writer: string, sequence: number, sum: number] {
  if (!Array.isArray(value) || value.length !== 3 || typeof value[0] !== "string") return false;
  return Number.isSafeInteger(value[1]) && Number.isSafeInteger(value[2]);
}
