import type { AttributeValue, UpdateItemCommandInput } from "@aws-sdk/client-dynamodb";
import type { AddOperation, Version } from "../../core/backend.ts";
import { receiptsMax } from "../../core/counter-record.ts";
import { ordinalsPerSequence, type PlacedReceipt } from "./item-codec.ts";
import { type ItemLayout, receiptPrefix, receiptSumPrefix } from "./item-layout.ts";
import { versionShift } from "./write-request.ts";

/** One add, as the backend was asked for it. */
export interface Add {
  readonly key: string;
  readonly delta: number;
  readonly operation: AddOperation;
}

/** An add that may have been applied before. */
export interface RepeatedAdd extends Add {
  /** The version of an item without a receipt of the writer, which did not lose any. */
  readonly clearOf?: Version | undefined;
}

/**
 * An `UpdateItem` that adds once, however often it is sent: it carries the writer's receipt, and its condition
 * refuses a number that the receipt already covers. The receipt's sum needs no read, because DynamoDB evaluates
 * `n + delta` for both attributes on the item as it was.
 */
export function addRequest(
  table: string,
  layout: ItemLayout,
  add: RepeatedAdd,
  version: Version,
  isRepeated = false,
): UpdateItemCommandInput {
  const { key, delta, operation } = add;
  const names: Record<string, string> = {
    "#n": layout.sum,
    "#c": layout.adds,
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
    ":least": { N: String(Math.max(Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER - Math.min(0, delta))) },
    ":most": { N: String(Number.MAX_SAFE_INTEGER - Math.max(0, delta)) },
  };
  const unless = isRepeated ? ` AND ${stillTells(layout, add, names, values)}` : "";
  const shift = versionShift(layout, add, version, names, values);
  return {
    TableName: table,
    Key: { [layout.key]: { S: key } },
    UpdateExpression:
      "SET #n = if_not_exists(#n, :zero) + :delta, #s = if_not_exists(#n, :zero) + :delta, " +
      `#c = if_not_exists(#c, :zero) + :one, #r = if_not_exists(#c, :zero) + :receipt, ${shift}`,
    ConditionExpression:
      "attribute_not_exists(#d) AND (attribute_not_exists(#r) OR #r < :covered) AND " +
      `(attribute_not_exists(#n) OR #n BETWEEN :least AND :most)${unless}`,
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
    ReturnValues: "ALL_NEW",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
}

/**
 * Whether the item would show that the add was applied before: it has a receipt of the writer, had fewer adds than
 * receipts are kept, or at most three writes since it was seen without one.
 */
function stillTells(
  layout: ItemLayout,
  { clearOf }: RepeatedAdd,
  names: Record<string, string>,
  values: Record<string, AttributeValue>,
): string {
  values[":few"] = { N: String(receiptsMax) };
  const told = ["attribute_exists(#r)", "attribute_not_exists(#c)", "#c < :few"];
  if (clearOf !== undefined) {
    const versions = [layout.version, ...layout.earlier].map((name, index) => {
      names[`#e${index}`] = name;
      return `#e${index}`;
    });
    values[":seen"] = { S: clearOf };
    told.push(`:seen IN (${versions.join(", ")})`);
  }
  return `(${told.join(" OR ")})`;
}

/** An `UpdateItem` that removes receipts, provided that none of their writers has added since. */
export function pruneRequest(
  table: string,
  layout: ItemLayout,
  key: string,
  receipts: readonly PlacedReceipt[],
  version: Version,
): UpdateItemCommandInput {
  const names: Record<string, string> = {};
  const values: Record<string, AttributeValue> = {};
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
    UpdateExpression: `SET ${shift} REMOVE ${removed.join(", ")}`,
    ConditionExpression: unchanged.join(" AND "),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}
