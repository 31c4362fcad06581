import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { StoredRecord, Version } from "../../core/backend.ts";
import { type AddReceipt, type CounterRecord, encodeCounter } from "../../core/counter-record.ts";
import { CorruptRecordError } from "../../core/errors.ts";
import { type ItemLayout, noVersion, receiptPrefix, receiptSumPrefix } from "./item-layout.ts";

/** An item as the low-level client gives it. */
export type Item = Readonly<Record<string, AttributeValue>>;

/**
 * A writer's sequence number and the place of its add among all adds share one number, so that an add needs one
 * attribute less: `sequence * ordinalsPerSequence + ordinal`, which fits the 38 digits of a DynamoDB number.
 */
export const ordinalsPerSequence = 10n ** 16n;

/** The record in an item, counter or not. @throws CorruptRecordError when leasehold did not write it. */
export function decodeItem(layout: ItemLayout, item: Item): StoredRecord {
  const key = item[layout.key]?.S;
  const version = item[layout.version]?.S;
  const value = isCounter(layout, item) ? encodeCounter(counterOf(layout, item)) : item[layout.value]?.B;
  if (key === undefined || version === undefined || value === undefined) {
    throw new CorruptRecordError(
      `the item under key ${key} is not a record of leasehold; expected the attributes ${layout.version} (S) and ` +
        `${layout.value} (B) or ${layout.sum} (N), found ${Object.keys(item).slice(0, 20).join(", ")}. ` +
        "Something else wrote to this table: use a table of its own, or delete the item",
    );
  }
  return { key, value, version };
}

/** Whether the item is a counter of `add`. */
export function isCounter(layout: ItemLayout, item: Item): boolean {
  return item[layout.sum]?.N !== undefined;
}

/** The current version and the ones before it that the item still names, newest first. */
export function versionChain(layout: ItemLayout, item: Item): readonly Version[] {
  const chain: Version[] = [];
  for (const name of [layout.version, ...layout.earlier]) {
    const version = item[name]?.S;
    if (version === undefined || version === noVersion) break;
    chain.push(version);
  }
  return chain;
}

/** What one writer did last, with the place of that add among all adds to the counter. */
export interface PlacedReceipt extends AddReceipt {
  readonly writer: string;
  readonly ordinal: bigint;
}

/** Every receipt in a counter's item, the writer that has been silent longest first. */
export function receiptsOf(item: Item): readonly PlacedReceipt[] {
  const receipts: PlacedReceipt[] = [];
  for (const name of Object.keys(item)) {
    if (!name.startsWith(receiptPrefix)) continue;
    const receipt = receiptOf(item, name.slice(receiptPrefix.length));
    if (receipt !== null) receipts.push(receipt);
  }
  return receipts.sort((a, b) => (a.ordinal < b.ordinal ? -1 : 1));
}

/** The receipt of one writer, or null. */
export function receiptOf(item: Item, writer: string): PlacedReceipt | null {
  const packed = item[receiptPrefix + writer]?.N;
  const sum = item[receiptSumPrefix + writer]?.N;
  if (packed === undefined || sum === undefined) return null;
  return {
    writer,
    sequence: Number(BigInt(packed) / ordinalsPerSequence),
    ordinal: BigInt(packed) % ordinalsPerSequence,
    sum: Number(sum),
  };
}

/** The attributes of a counter, as {@link counterOf} reads them. `adds`: how many it has seen before those of its receipts. */
export function encodeCounterItem(layout: ItemLayout, counter: CounterRecord, adds = 0n): Item {
  const item: Record<string, AttributeValue> = { [layout.sum]: { N: String(counter.sum) } };
  let ordinal = adds;
  for (const [writer, { sequence, sum }] of counter.receipts) {
    ordinal += 1n;
    item[receiptPrefix + writer] = { N: String(BigInt(sequence) * ordinalsPerSequence + ordinal) };
    item[receiptSumPrefix + writer] = { N: String(sum) };
  }
  item[layout.adds] = { N: String(ordinal) };
  return item;
}

function counterOf(layout: ItemLayout, item: Item): CounterRecord {
  const receipts = receiptsOf(item).map(({ writer, sequence, sum }) => [writer, { sequence, sum }] as const);
  return { sum: Number(item[layout.sum]?.N), receipts: new Map(receipts) };
}
