import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import type { Settings } from "./options.ts";
import { streamViews, type TableOptions } from "./table-options.ts";

/** The `CreateTable` request for a missing table. */
export function createTableInput({ table, layout, create }: Settings): CreateTableCommandInput {
  const { billing = "on-demand", encryption = "aws-owned" } = create;
  const managedKey = encryption === "aws-managed" ? {} : { KMSMasterKeyId: encryption };
  return {
    TableName: table,
    KeySchema: [{ AttributeName: layout.key, KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: layout.key, AttributeType: "S" }],
    ...throughput(billing),
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
