import type { AttributeValue, Delete, Update } from "@aws-sdk/client-dynamodb";
import type { Operation, Version } from "../../core/backend.ts";
import { groupOf, type ItemLayout, noVersion } from "./item-layout.ts";

/** A put or delete of one key. */
export type WriteOperation = Exclude<Operation, { readonly kind: "check" }>;

/** The parts of a request that name and compare attributes. */
export interface Condition {
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
}

/** What every request of a commit knows. */
export interface WriteContext {
  readonly table: string;
  readonly layout: ItemLayout;
  readonly wallMs: number;
}

/**
 * An `UpdateItem` that writes a record and shifts the versions before it: DynamoDB evaluates every right-hand
 * side on the item as it was, so `v1 = v` keeps the version that this write replaces.
 */
export function putRequest(
  context: WriteContext,
  operation: WriteOperation & { readonly kind: "put" },
  version: Version,
): Update & { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } {
  const { layout, table } = context;
  const names: Record<string, string> = {
    "#d": layout.value,
    "#x": layout.expiry,
    "#n": layout.sum,
  };
  const values: Record<string, AttributeValue> = { ":d": { B: operation.value } };
  const shift = versionShift(layout, operation, version, names, values);
  const set = [`#d = :d`, shift];
  // What is known of its adds stays: by it late ones are refused, also when it is a counter again.
  const remove = ["#n"];
  if (operation.ttlMs === undefined) {
    remove.push("#x");
  } else {
    set.push("#x = :x");
    values[":x"] = { N: String(Math.ceil((context.wallMs + operation.ttlMs) / 1_000)) };
  }
  return {
    TableName: table,
    Key: { [layout.key]: { S: operation.key } },
    UpdateExpression: `SET ${set.join(", ")} REMOVE ${remove.join(", ")}`,
    ConditionExpression: putCondition(operation, names, values, layout),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
}

/** A `DeleteItem` for a delete. */
export function deleteRequest(
  context: WriteContext,
  operation: WriteOperation & { readonly kind: "delete" },
): Delete & { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } {
  const { layout, table } = context;
  const condition = operation.expect === undefined ? {} : expectation(layout, operation.expect);
  return {
    TableName: table,
    Key: { [layout.key]: { S: operation.key } },
    ...condition,
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  };
}

/** The condition that a key has this version, or is absent. */
export function expectation(layout: ItemLayout, expect: Version | null): Condition {
  if (expect === null) {
    return {
      ConditionExpression: "attribute_not_exists(#k)",
      ExpressionAttributeNames: { "#k": layout.key },
    };
  }
  return {
    ConditionExpression: "#v = :e",
    ExpressionAttributeNames: { "#v": layout.version },
    ExpressionAttributeValues: { ":e": { S: expect } },
  };
}

/**
 * The assignments that give an item a new version and keep the three before it, and enter it into the index where there
 * is one. Fills in names and values.
 */
export function versionShift(
  layout: ItemLayout,
  { key }: { readonly key: string },
  version: Version,
  names: Record<string, string>,
  values: Record<string, AttributeValue>,
): string {
  const chain = ["#v", "#v1", "#v2", "#v3"];
  [layout.version, ...layout.earlier].forEach((name, index) => {
    names[chain[index] as string] = name;
  });
  values[":v"] = { S: version };
  values[":none"] = { S: noVersion };
  const kept = [1, 2, 3].map((index) => `#v${index} = if_not_exists(${chain[index - 1]}, :none)`);
  if (layout.indexed) {
    names["#g"] = layout.group;
    values[":g"] = { S: groupOf(key) };
    kept.push("#g = :g");
  }
  return ["#v = :v", ...kept].join(", ");
}

function putCondition(
  operation: WriteOperation,
  names: Record<string, string>,
  values: Record<string, AttributeValue>,
  layout: ItemLayout,
): string {
  // Without an expectation, a client that sends the write twice must not bring an old version back.
  if (operation.expect === undefined) return "NOT :v IN (#v, #v1, #v2, #v3)";
  const condition = expectation(layout, operation.expect);
  Object.assign(names, condition.ExpressionAttributeNames);
  Object.assign(values, condition.ExpressionAttributeValues);
  return condition.ConditionExpression as string;
}
