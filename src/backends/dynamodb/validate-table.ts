import type { TableDescription, TimeToLiveDescription } from "@aws-sdk/client-dynamodb";
import { StoreMisconfiguredError } from "../../core/errors.ts";
import { attributeDefinitions, listIndexInput } from "./create-table-input.ts";
import type { Settings } from "./options.ts";

/** What a table's replication allows. */
export type Replication = "one region" | "strong" | "eventual";

/** How far the conditions of a table reach. */
export function replicationOf(table: TableDescription): Replication {
  if (table.MultiRegionConsistency === "STRONG") return "strong";
  const replicated = (table.Replicas?.length ?? 0) > 0 || table.GlobalTableVersion !== undefined;
  return replicated ? "eventual" : "one region";
}

/** @throws StoreMisconfiguredError when the table would break a guarantee; says what to change. */
export function validateTable(settings: Settings, table: TableDescription): void {
  const { layout } = settings;
  const name = settings.table;
  const types = new Map(table.AttributeDefinitions?.map((one) => [one.AttributeName, one.AttributeType]));
  const keys = (table.KeySchema ?? []).map(
    ({ AttributeName, KeyType }) => `${AttributeName} (${types.get(AttributeName)}, ${KeyType})`,
  );
  const expected = `${layout.key} (S, HASH)`;
  if (keys.join() !== expected) {
    const [only] = table.KeySchema ?? [];
    const adaptable = keys.length === 1 && types.get(only?.AttributeName) === "S";
    throw new StoreMisconfiguredError(
      `the DynamoDB table ${name} has another key schema: expected ${expected}, found ${keys.join(", ")}. ` +
        (adaptable
          ? `Pass attributes: { key: "${only?.AttributeName}" } (in a URL: key=${only?.AttributeName}) or use another table`
          : "Use another table: leasehold needs a partition key of type S and no sort key"),
    );
  }
  if (replicationOf(table) === "eventual" && !settings.allowEventualGlobalTable) {
    const regions = table.Replicas?.map(({ RegionName }) => RegionName).join(", ") || "other Regions";
    throw new StoreMisconfiguredError(
      `the DynamoDB table ${name} is a global table with eventual consistency (replicas: ${regions}): a condition is ` +
        "only checked in its own Region, so two Regions could hold one lock. Use a table without replicas or with " +
        "multi-Region strong consistency, or, if every process works in one and the same Region, pass " +
        "allowEventualGlobalTable: true (in a URL: allowEventualGlobalTable=true)",
    );
  }
}

/** What is known of an index for listings: none, one that writers must keep, or one that can also be asked. */
export type IndexState = "none" | "building" | "active";

/** @throws StoreMisconfiguredError when the index that was asked for is not there; says how to add it. */
export function validateIndex(settings: Settings, table: TableDescription): IndexState {
  const { layout, listIndex } = settings;
  const schema = `${layout.group} HASH,${layout.key} RANGE`;
  const fitting = (table.GlobalSecondaryIndexes ?? []).filter(
    ({ KeySchema = [] }) => KeySchema.map((one) => `${one.AttributeName} ${one.KeyType}`).join() === schema,
  );
  if (listIndex === undefined) return fitting.length === 0 ? "none" : "building";
  const index = fitting.find(({ IndexName }) => IndexName === listIndex);
  if (index !== undefined) return index.IndexStatus === "CREATING" ? "building" : "active";
  const found = table.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName).join(", ") || "none";
  const definitions = attributeDefinitions(settings).map(
    ({ AttributeName, AttributeType }) => `AttributeName=${AttributeName},AttributeType=${AttributeType}`,
  );
  throw new StoreMisconfiguredError(
    `the DynamoDB table ${settings.table} has no index ${listIndex} with the keys ${schema} (found: ${found}). Leave ` +
      `listIndex out, or add it: aws dynamodb update-table --table-name ${settings.table} --attribute-definitions ` +
      `${definitions.join(" ")} --global-secondary-index-updates ` +
      `'${JSON.stringify([{ Create: listIndexInput(settings, listIndex) }])}'`,
  );
}

/** @throws StoreMisconfiguredError when the table collects items by another attribute. */
export function validateTimeToLive(settings: Settings, ttl: TimeToLiveDescription | undefined): void {
  const found = ttl?.AttributeName;
  const { expiry } = settings.layout;
  const on = ttl?.TimeToLiveStatus === "ENABLED" || ttl?.TimeToLiveStatus === "ENABLING";
  if (!on || found === expiry) return;
  throw new StoreMisconfiguredError(
    `the DynamoDB table ${settings.table} collects items by another TTL attribute: expected ${expiry}, found ${found}. ` +
      `Pass attributes: { expiry: "${found}" } (in a URL: expiry=${found}), or change the table's TTL attribute`,
  );
}
