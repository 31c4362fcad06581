import { backupsInput, createTableInput, timeToLiveInput } from "../create-table-input.ts";
import { recordActions } from "./policies.ts";
import type { TableDefinition } from "./table-definition.ts";

/** The table as a resource of CloudFormation, which has the words of `CreateTable` but for two, and two members more. */
function resourceProperties({ settings }: TableDefinition): Readonly<Record<string, unknown>> {
  const { StreamSpecification, SSESpecification, ...input } = createTableInput(settings);
  const { Enabled: SSEEnabled, ...encryption } = SSESpecification ?? {};
  return {
    ...input,
    ...(settings.timeToLive && { TimeToLiveSpecification: timeToLiveInput(settings) }),
    ...(settings.create.pointInTimeRecovery && { PointInTimeRecoverySpecification: backupsInput }),
    ...(SSESpecification && { SSESpecification: { SSEEnabled, ...encryption } }),
    ...(StreamSpecification && {
      StreamSpecification: { StreamViewType: StreamSpecification.StreamViewType },
    }),
  };
}

/** A template, in JSON. */
export function cloudformation(definition: TableDefinition): string {
  const Table = {
    Type: "AWS::DynamoDB::Table",
    DeletionPolicy: "Retain",
    UpdateReplacePolicy: "Retain",
    Properties: resourceProperties(definition),
  };
  const Outputs = {
    TableName: { Value: { Ref: "Table" } },
    TableArn: { Value: { "Fn::GetAtt": ["Table", "Arn"] } },
  };
  return json({ AWSTemplateFormatVersion: "2010-09-09", Resources: { Table }, Outputs });
}

/** For the constructor of a stack, in TypeScript: the same properties, in the letters of CDK. */
export function cdk(definition: TableDefinition): string {
  const indexes = definition.settings.listIndex === undefined ? "" : ", grantIndexPermissions: true";
  return `// import { RemovalPolicy } from "aws-cdk-lib";
// import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
const resource = new dynamodb.CfnTable(this, ${JSON.stringify(pascal(definition.name))}, ${json(lowered(resourceProperties(definition)))});
resource.applyRemovalPolicy(RemovalPolicy.RETAIN);
// Who may use it: table.grant(role, ${recordActions.map((action) => JSON.stringify(action)).join(", ")});
const table = dynamodb.Table.fromTableAttributes(this, ${JSON.stringify(`${pascal(definition.name)}Table`)}, { tableArn: resource.attrArn${indexes} });`;
}

/** A resource of Terraform's provider for AWS. */
export function terraform({ settings, name }: TableDefinition): string {
  const input = createTableInput(settings);
  const { OnDemandThroughput: most, SSESpecification: encryption, StreamSpecification: stream } = input;
  const capacity = ({ ProvisionedThroughput: units }: Pick<typeof input, "ProvisionedThroughput">) => ({
    read_capacity: units?.ReadCapacityUnits,
    write_capacity: units?.WriteCapacityUnits,
  });
  const block: Block = {
    name,
    billing_mode: input.BillingMode,
    hash_key: input.KeySchema?.[0]?.AttributeName,
    ...capacity(input),
    table_class: input.TableClass,
    deletion_protection_enabled: input.DeletionProtectionEnabled,
    stream_enabled: stream?.StreamEnabled,
    stream_view_type: stream?.StreamViewType,
    tags: settings.create.tags,
    attribute: input.AttributeDefinitions?.map((one) => ({
      name: one.AttributeName,
      type: one.AttributeType,
    })),
    global_secondary_index: input.GlobalSecondaryIndexes?.map((index) => ({
      name: index.IndexName,
      hash_key: index.KeySchema?.[0]?.AttributeName,
      range_key: index.KeySchema?.[1]?.AttributeName,
      projection_type: index.Projection?.ProjectionType,
      ...capacity(index),
    })),
    on_demand_throughput: most && [
      {
        max_read_request_units: most.MaxReadRequestUnits,
        max_write_request_units: most.MaxWriteRequestUnits,
      },
    ],
    server_side_encryption: encryption && [
      { enabled: encryption.Enabled, kms_key_arn: encryption.KMSMasterKeyId },
    ],
    ttl: settings.timeToLive
      ? [{ attribute_name: timeToLiveInput(settings).AttributeName, enabled: true }]
      : undefined,
    point_in_time_recovery: settings.create.pointInTimeRecovery ? [{ enabled: true }] : undefined,
  };
  const label = name.replace(/[^\w-]/g, "_").replace(/^(?![a-z_])/i, "_");
  return `resource "aws_dynamodb_table" "${label}" {\n${hcl(block, "  ")}}`;
}

/** The commands of the AWS command line. */
export function awsCli({ settings, name, region }: TableDefinition): string {
  const at = `${region === undefined ? "" : ` --region ${region}`} --table-name ${name}`;
  const input = quote(JSON.stringify(createTableInput(settings)));
  const lines = [
    `aws dynamodb create-table${region === undefined ? "" : ` --region ${region}`} --cli-input-json ${input}`,
    `aws dynamodb wait table-exists${at}`,
  ];
  if (settings.timeToLive) {
    const specification = quote(JSON.stringify(timeToLiveInput(settings)));
    lines.push(`aws dynamodb update-time-to-live${at} --time-to-live-specification ${specification}`);
  }
  if (settings.create.pointInTimeRecovery) {
    const specification = quote(JSON.stringify(backupsInput));
    lines.push(
      `aws dynamodb update-continuous-backups${at} --point-in-time-recovery-specification ${specification}`,
    );
  }
  return lines.join("\n");
}

/** As a shell fills it in. */
const unknownPlace = ["AWS_REGION", "AWS_ACCOUNT_ID"].map((name) => `\${${name}}`) as [string, string];

/** The variables that name the table for `tableFromEnvironment`. Where Region or account is unknown, a shell fills it in. */
export function environment({ name, arn }: TableDefinition): string {
  const variable = `KV_${name.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`;
  return `${variable}=${name}\n${variable}_ARN=${arn(unknownPlace)}`;
}

export function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

type Value = string | number | boolean | Readonly<Record<string, string>> | undefined;

/** A block of Terraform: its arguments, and in lists the blocks within it. */
interface Block {
  readonly [name: string]: Value | readonly Block[];
}

function hcl(block: Block, indent: string): string {
  const lines = Object.entries(block).map(([name, value]) => {
    if (value === undefined) return "";
    if (Array.isArray(value)) {
      const blocks: readonly Block[] = value;
      return blocks.map((one) => `${indent}${name} {\n${hcl(one, `${indent}  `)}${indent}}\n`).join("");
    }
    if (typeof value !== "object") return `${indent}${name} = ${literal(value)}\n`;
    const members = Object.entries(value).map(
      ([key, text]) => `${indent}  ${literal(key)} = ${literal(text)}\n`,
    );
    return `${indent}${name} = {\n${members.join("")}${indent}}\n`;
  });
  return lines.join("");
}

/** Terraform would fill in what stands in ${} or %{}. */
function literal(value: string | number | boolean): string {
  return JSON.stringify(value).replace(/([$%])\{/g, "$1$1{");
}

/** With the names of members as CDK writes them. */
function lowered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowered);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/^([A-Z]+(?=[A-Z][a-z])|[A-Z])/, (letters) => letters.toLowerCase()),
      lowered(member),
    ]),
  );
}

function pascal(name: string): string {
  return name.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9]?)/g, (_, letter: string) => letter.toUpperCase());
}

/** One word to a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
