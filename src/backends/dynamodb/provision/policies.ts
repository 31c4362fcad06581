import type { TableDefinition } from "./table-definition.ts";

/** A policy of IAM. */
interface Policy {
  readonly Version: "2012-10-17";
  readonly Statement: readonly object[];
}

/** What a process does to the table while it runs. There is no action named after transactions. */
export const recordActions = [
  "GetItem",
  "BatchGetItem",
  "PutItem",
  "UpdateItem",
  "DeleteItem",
  "ConditionCheckItem",
].map((name) => `dynamodb:${name}`);

/** The least that leasehold needs while it runs. */
export function runtimePolicy(definition: TableDefinition): Policy {
  const { listIndex } = definition.settings;
  const arn = definition.arn(["*", "*"]);
  return policy(
    allow("Records", recordActions, arn),
    allow("Validation", ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"], arn),
    allow("Listings", ["dynamodb:Scan"], arn),
    ...(listIndex === undefined ? [] : [allow("Index", ["dynamodb:Query"], `${arn}/index/${listIndex}`)]),
    ...keyUse(definition),
  );
}

/** The least that `setup()` needs to make the table, and what `create` asks for. */
export function setupPolicy(definition: TableDefinition): Policy {
  const { create, timeToLive, listIndex } = definition.settings;
  const names = [
    ...["CreateTable", "DescribeTable", "DescribeTimeToLive"],
    ...(timeToLive ? ["UpdateTimeToLive"] : []),
    ...(create.tags === undefined ? [] : ["TagResource"]),
    ...(create.pointInTimeRecovery === true ? ["UpdateContinuousBackups"] : []),
    // Enters the records from before the index.
    ...(listIndex === undefined ? [] : ["GetItem", "Scan", "UpdateItem"]),
  ];
  const actions = names.map((name) => `dynamodb:${name}`);
  return policy(allow("Table", actions, definition.arn(["*", "*"])), ...keyUse(definition));
}

/** What DynamoDB does with a key of one's own, it does in the name of the caller. */
function keyUse({ settings }: TableDefinition): object[] {
  const { encryption = "" } = settings.create;
  if (!encryption.startsWith("arn:")) return [];
  const names = ["Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*", "DescribeKey", "CreateGrant"];
  const actions = names.map((name) => `kms:${name}`);
  const Condition = { StringLike: { "kms:ViaService": "dynamodb.*.amazonaws.com*" } };
  return [{ ...allow("Key", actions, encryption), Condition }];
}

function allow(name: string, Action: readonly string[], Resource: string): object {
  return { Sid: `Leasehold${name}`, Effect: "Allow", Action, Resource };
}

function policy(...Statement: readonly object[]): Policy {
  return { Version: "2012-10-17", Statement };
}
