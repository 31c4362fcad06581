import type { AttributeValue, UpdateItemCommandInput } from "@aws-sdk/client-dynamodb";
import type { AddOperation, Version } from "../../core/backend.ts";
import { ordinalsPerSequence, type PlacedReceipt } from "./item-codec.ts";
import { type ItemLayout, receiptPrefix, receiptSumPrefix } from "./item-layout.ts";
import { versionShift } from "./write-request.ts";

/** One add, as the backend was asked for it. */
export interface Add {
  readonly key: string;
  readonly delta: number;
  readonly operation: AddOperation;
}

/**
 * An `UpdateItem` that adds once, however often it is sent: it carries the writer's receipt, and its condition
 * refuses a number that the receipt already covers. The receipt's sum needs no read, because DynamoDB evaluates
 * `n + delta` for both attributes on the item as it was.
 *
 * `clearAt`: after how many adds the item was seen without this one. Where receipts of later ones were removed since, every
 * copy is refused: it may come late, when a receipt for an earlier copy was there and is gone.
 */
export function addRequest(
  table: string,
  layout: ItemLayout,
  add: Add,
  version: Version,
  clearAt: bigint,
): UpdateItemCommandInput {
  const { key, delta, operation } = add;
  const names: Record<string, string> = {
    "#n": layout.sum,
    "#c": layout.adds,
    "#p": layout.pruned,
    "#r": receiptPrefix + operation.writer,
    "#s": receiptSumPrefix + operation.writer,
    "#d": layout.value,
  };
  const covered = BigInt(operation.sequence) * ordinalsPerSequence;
  const values: Record<string, AttributeValue> = {
    ":zero": { N: "0" },
    ":one": { N: "1" },
    ":delta": { N: String(delta) },
    ":receipt": { N: String(covered + 1n) },
    ":covered": { N: String(covered) },
    ":clear": { N: String(clearAt) },
    ":least": { N: String(Math.max(Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER - Math.min(0, delta))) },
    ":most": { N: String(Number.MAX_SAFE_INTEGER - Math.max(0, delta)) },
  };
  const shift = versionShift(layout, add, version, names, values);
  return {
    TableName: table,
    Key: { [layout.key]: { S: key } },
    UpdateExpression:
      "SET #n = if_not_exists(#n, :zero) + :delta, #s = if_not_exists(#n, :zero) + :delta, " +
      `#c = if_not_exists(#c, :zero) + :one, #r = if_not_exists(#c, :zero) + :receipt, ${shift}`,
    ConditionExpression:
      "attribute_not_exists(#d) AND (attribute_not_exists(#r) OR #r < :covered) AND " +
      "(attribute_not_exists(#n) OR #n BETWEEN :least AND :most) AND " +
      "(attribute_exists(#r) OR attribute_not_exists(#p) OR #p <= :clear)",
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
    ReturnValues: "ALL_NEW",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
}

/** An `UpdateItem` that removes the oldest receipts, the latest of them last, provided that none of their writers has added since. */
export function pruneRequest(
  table: string,
  layout: ItemLayout,
  key: string,
  receipts: readonly PlacedReceipt[],
  version: Version,
): UpdateItemCommandInput {
  const names: Record<string, string> = { "#p": layout.pruned };
  const values: Record<string, AttributeValue> = { ":p": { N: String(receipts.at(-1)?.ordinal ?? 0n) } };
  const removed: string[] = [];
  const unchanged: string[] = [];
  receipts.forEach(({ writer, sequence, ordinal }, index) => {
    names[`#r${index}`] = receiptPrefix + writer;
    names[`#s${index}`] = receiptSumPrefix + writer;
    values[`:r${index}`] = { N: String(BigInt(sequence) * ordinalsPerSequence + ordinal) };
    removed.push(`#r${index}`, `#s${index}`);
    unchanged.push(`#r${index} = :r${index}`);
  });
  const shift = versionShift(layout, { key }, version, names, values);
  return {
    TableName: table,
    Key: { [layout.key]: { S: key } },
    UpdateExpression: `SET #p = :p, ${shift} REMOVE ${removed.join(", ")}`,
    ConditionExpression: unchanged.join(" AND "),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}
