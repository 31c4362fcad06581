import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import type { Settings } from "./options.ts";

/** The `CreateTable` request for a missing table. */
export function createTableInput({ table, layout, create }: Settings): CreateTableCommandInput {
  const { billing = "on-demand", encryption = "aws-owned" } = create;
  const managedKey = encryption === "aws-managed" ? {} : { KMSMasterKeyId: encryption };
  return {
    TableName: table,
    KeySchema: [{ AttributeName: layout.key, KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: layout.key, AttributeType: "S" }],
    ...(billing === "on-demand"
      ? { BillingMode: "PAY_PER_REQUEST" }
      : {
          BillingMode: "PROVISIONED",
          ProvisionedThroughput: {
            ReadCapacityUnits: billing.readUnits,
            WriteCapacityUnits: billing.writeUnits,
          },
        }),
    ...(encryption === "aws-owned"
      ? {}
      : { SSESpecification: { Enabled: true, SSEType: "KMS", ...managedKey } }),
    ...(create.deletionProtection === true ? { DeletionProtectionEnabled: true } : {}),
    ...(create.tableClass === undefined ? {} : { TableClass: create.tableClass }),
    ...(create.tags === undefined
      ? {}
      : { Tags: Object.entries(create.tags).map(([Key, Value]) => ({ Key, Value })) }),
  };
}
