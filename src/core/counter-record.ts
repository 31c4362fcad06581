import type { AddOperation } from "./backend.ts";
import { CorruptRecordError } from "./errors.ts";
import { invariant } from "./invariant.ts";
import { decodeJson, encodeJson } from "./json.ts";

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
 * The promise reaches as far as the receipts do: it would be broken only by a retry that arrives after 64 other
 * writers have added since.
 *
 * @throws RangeError when the sum would leave the safe integers.
 */
export function applyAdd(
  counter: CounterRecord,
  delta: number,
  operation: AddOperation,
): { readonly counter: CounterRecord; readonly sum: number; readonly applied: boolean } {
  const receipt = counter.receipts.get(operation.writer);
  if (receipt !== undefined && receipt.sequence >= operation.sequence) {
    invariant(receipt.sequence === operation.sequence, "a writer's adds are issued in order");
    return { counter, sum: receipt.sum, applied: false };
  }
  const sum = counter.sum + delta;
  if (!Number.isSafeInteger(sum)) throw new RangeError(`${counter.sum} + ${delta} is not a safe integer`);
  const receipts = new Map(counter.receipts);
  receipts.delete(operation.writer);
  receipts.set(operation.writer, { sequence: operation.sequence, sum });
  for (const writer of receipts.keys()) {
    if (receipts.size <= receiptsMax) break;
    receipts.delete(writer);
  }
  return { counter: { sum, receipts }, sum, applied: true };
}

/** The bytes of a counter record. */
export function encodeCounter(counter: CounterRecord): Uint8Array {
  const receipts = [...counter.receipts].map(([writer, { sequence, sum }]) => [writer, sequence, sum]);
  return encodeJson({ counter: counter.sum, receipts });
}

/** @throws CorruptRecordError when the bytes are not those of a counter. */
export function decodeCounter(key: string, value: Uint8Array): CounterRecord {
  const parsed = decodeJson(key, value) as { counter?: unknown; receipts?: unknown };
  const receipts = new Map<string, AddReceipt>();
  if (Number.isSafeInteger(parsed?.counter) && Array.isArray(parsed.receipts)) {
    for (const [writer, sequence, sum] of parsed.receipts) receipts.set(writer, { sequence, sum });
    return { sum: parsed.counter as number, receipts };
  }
  throw new CorruptRecordError(
    `the record under key ${key} is not a counter; expected {"counter":<integer>,"receipts":[...]}. ` +
      "Something else wrote to this key: use another name, or delete the record",
  );
}
