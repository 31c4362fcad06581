import type { CreateTableCommandInput, GlobalSecondaryIndex } from "@aws-sdk/client-dynamodb";
import type { Settings } from "./options.ts";
import { streamViews, type TableOptions } from "./table-options.ts";

/** The `CreateTable` request for a missing table. */
export function createTableInput(settings: Settings): CreateTableCommandInput {
  const { table, layout, create, listIndex } = settings;
  const { billing = "on-demand", encryption = "aws-owned" } = create;
  const managedKey = encryption === "aws-managed" ? {} : { KMSMasterKeyId: encryption };
  return {
    TableName: table,
    KeySchema: [{ AttributeName: layout.key, KeyType: "HASH" }],
    AttributeDefinitions: attributeDefinitions(settings),
    ...throughput(billing),
    ...(listIndex === undefined ? {} : { GlobalSecondaryIndexes: [listIndexInput(settings, listIndex)] }),
    ...(encryption === "aws-owned"
      ? {}
      : { SSESpecification: { Enabled: true, SSEType: "KMS", ...managedKey } }),
    ...(create.streams === undefined
      ? {}
      : { StreamSpecification: { StreamEnabled: true, StreamViewType: streamViews[create.streams] } }),
    ...(create.deletionProtection === true ? { DeletionProtectionEnabled: true } : {}),
    ...(create.tableClass === undefined ? {} : { TableClass: create.tableClass }),
    ...(create.tags === undefined
      ? {}
      : { Tags: Object.entries(create.tags).map(([Key, Value]) => ({ Key, Value })) }),
  };
}

/** How DynamoDB collects what has expired. */
export function timeToLiveInput({ layout }: Settings) {
  return { AttributeName: layout.expiry, Enabled: true };
}

/** Continuous backups. */
export const backupsInput = { PointInTimeRecoveryEnabled: true };

/** The types of the attributes that are keys of the table or its index. */
export function attributeDefinitions({ layout, listIndex }: Settings) {
  const names = listIndex === undefined ? [layout.key] : [layout.key, layout.group];
  return names.map((AttributeName) => ({ AttributeName, AttributeType: "S" as const }));
}

/** The index for listings. It holds keys alone, so that a write which makes or deletes no record does not touch it. */
export function listIndexInput({ layout, create }: Settings, IndexName: string): GlobalSecondaryIndex {
  const { ProvisionedThroughput } = throughput(create.billing ?? "on-demand");
  return {
    IndexName,
    KeySchema: [
      { AttributeName: layout.group, KeyType: "HASH" },
      { AttributeName: layout.key, KeyType: "RANGE" },
    ],
    Projection: { ProjectionType: "KEYS_ONLY" },
    ...(ProvisionedThroughput === undefined ? {} : { ProvisionedThroughput }),
  };
}

type Throughput = Pick<
  CreateTableCommandInput,
  "BillingMode" | "ProvisionedThroughput" | "OnDemandThroughput"
>;

function throughput(billing: NonNullable<TableOptions["billing"]>): Throughput {
  if (billing === "on-demand") return { BillingMode: "PAY_PER_REQUEST" };
  if ("readUnits" in billing) {
    const { readUnits: ReadCapacityUnits, writeUnits: WriteCapacityUnits } = billing;
    return { BillingMode: "PROVISIONED", ProvisionedThroughput: { ReadCapacityUnits, WriteCapacityUnits } };
  }
  const { readUnitsMax, writeUnitsMax } = billing;
  const OnDemandThroughput = {
    ...(readUnitsMax === undefined ? {} : { MaxReadRequestUnits: readUnitsMax }),
    ...(writeUnitsMax === undefined ? {} : { MaxWriteRequestUnits: writeUnitsMax }),
  };
  return { BillingMode: "PAY_PER_REQUEST", OnDemandThroughput };
}
