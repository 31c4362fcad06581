import type { TableDescription, TimeToLiveDescription } from "@aws-sdk/client-dynamodb";
import { InvalidArgumentError, StoreMisconfiguredError, UnavailableError } from "../../core/errors.ts";
import { sleep } from "../../core/runtime.ts";
import { backupsInput, createTableInput, timeToLiveInput } from "./create-table-input.ts";
import { Failure, type FailureKind } from "./failure.ts";
import type { ItemLayout } from "./item-layout.ts";
import type { Requester } from "./requester.ts";
import { type RetryLimits, retry } from "./retry.ts";
import {
  type IndexState,
  type Replication,
  replicationOf,
  validateIndex,
  validateTable,
  validateTimeToLive,
} from "./validate-table.ts";

/** The first contact may find a service that is still starting. */
const connectRetries: RetryLimits = { retriesMax: 3, firstMs: 100, maxMs: 800 };
const activePollMs = 500;
const activePollsMax = 240;

/** What was learnt about the table. */
export interface TableFacts {
  /** `unknown`: these credentials may not describe the table. */
  readonly replication: Replication | "unknown";
  readonly index: IndexState;
}

/**
 * Finds the table, creates it where that is asked for and needed, waits until it is active, and validates it.
 *
 * @throws StoreMissingError when it is missing and not to be created.
 * @throws StoreMisconfiguredError when it would break a guarantee.
 */
export async function setUpTable(requester: Requester, create: boolean): Promise<TableFacts> {
  await checkRegion(requester);
  const { settings } = requester;
  let table = await describeTable(requester, create);
  if (table === "not permitted") {
    await probeTable(requester);
    return { replication: "unknown", index: settings.layout.indexed ? "building" : "none" };
  }
  const created = table === null;
  if (table === null) {
    await createTable(requester);
    table = await describeTable(requester, true);
  }
  const description = await untilActive(requester, table);
  validateTable(settings, description);
  const index = validateIndex(settings, description);
  const replication = replicationOf(description);
  // A table with multi-Region strong consistency has no TTL.
  if (replication !== "strong") await setUpTimeToLive(requester, create);
  if (created && settings.create.pointInTimeRecovery === true) await turnBackupsOn(requester);
  return { replication, index };
}

/** What the table is, null when it is missing and may be created. */
async function describeTable(
  requester: Requester,
  create: boolean,
): Promise<TableDescription | null | "not permitted"> {
  const { runtime, settings, closing } = requester;
  try {
    const describe = () => requester.request("DescribeTable", { TableName: settings.table });
    const { Table } = await retry(
      runtime,
      connectRetries,
      describe,
      (error) => isKind(error, "unreachable"),
      closing,
    );
    return Table ?? null;
  } catch (error) {
    if (isKind(error, "denied")) return "not permitted";
    if (isKind(error, "missing") && create) return null;
    throw requester.toError(error, "DescribeTable");
  }
}

/** A key under which no record ever stands. */
export function probeKey(layout: ItemLayout): { readonly [attribute: string]: { readonly S: string } } {
  return { [layout.key]: { S: "leasehold.probe" } };
}

/** Without the right to describe the table, a read of a key that nobody uses shows that it is there and fits. */
async function probeTable(requester: Requester): Promise<void> {
  const { table, layout } = requester.settings;
  try {
    await requester.request("GetItem", { TableName: table, Key: probeKey(layout), ConsistentRead: true });
  } catch (error) {
    // Credentials may be limited to some keys by dynamodb:LeadingKeys; the first real request will tell.
    if (!isKind(error, "denied")) throw requester.toError(error, "GetItem");
  }
}

async function createTable(requester: Requester): Promise<void> {
  try {
    await requester.request("CreateTable", createTableInput(requester.settings));
  } catch (error) {
    // Another process creates it at this moment, or an answer was lost: what counts is what is found next.
    if (error instanceof Failure && (isInUse(error) || error.kind === "unknown")) return;
    throw requester.toError(error, "CreateTable");
  }
}

async function untilActive(
  requester: Requester,
  found: TableDescription | null | "not permitted",
): Promise<TableDescription> {
  const { runtime, settings, closing } = requester;
  let table = found;
  for (let poll = 0; poll < activePollsMax; poll++) {
    if (table === "not permitted")
      throw new UnavailableError(`the right to describe ${settings.table} was lost`);
    const status = table?.TableStatus ?? "CREATING";
    // UPDATING tables serve requests.
    if (table !== null && (status === "ACTIVE" || status === "UPDATING")) return table;
    if (status !== "CREATING") {
      throw new StoreMisconfiguredError(`the DynamoDB table ${settings.table} is ${status}; expected ACTIVE`);
    }
    await sleep(runtime, activePollMs, { holdsProcessOpen: true, signal: closing });
    table = await describeTable(requester, true);
  }
  throw new UnavailableError(
    `the DynamoDB table ${settings.table} was not active after ${(activePollMs * activePollsMax) / 1_000} s`,
  );
}

async function setUpTimeToLive(requester: Requester, create: boolean): Promise<void> {
  const { settings } = requester;
  const found = await describeTimeToLive(requester);
  if (found === "not permitted") return;
  validateTimeToLive(settings, found);
  const off = found?.TimeToLiveStatus === undefined || found.TimeToLiveStatus === "DISABLED";
  if (!off || !create || !settings.timeToLive) return;
  try {
    const TimeToLiveSpecification = timeToLiveInput(settings);
    await requester.request("UpdateTimeToLive", { TableName: settings.table, TimeToLiveSpecification });
  } catch (error) {
    // Another process turned it on between our look and our request, or TTL was changed within the hour.
    if (!isKind(error, "invalid")) throw requester.toError(error, "UpdateTimeToLive");
    const now = await describeTimeToLive(requester);
    if (now !== "not permitted") validateTimeToLive(settings, now);
  }
}

async function describeTimeToLive(
  requester: Requester,
): Promise<TimeToLiveDescription | undefined | "not permitted"> {
  try {
    const input = { TableName: requester.settings.table };
    return (await requester.request("DescribeTimeToLive", input)).TimeToLiveDescription;
  } catch (error) {
    if (isKind(error, "denied")) return "not permitted";
    throw requester.toError(error, "DescribeTimeToLive");
  }
}

async function turnBackupsOn(requester: Requester): Promise<void> {
  try {
    await requester.request("UpdateContinuousBackups", {
      TableName: requester.settings.table,
      PointInTimeRecoverySpecification: backupsInput,
    });
  } catch (error) {
    throw requester.toError(error, "UpdateContinuousBackups");
  }
}

/** @throws InvalidArgumentError when the client cannot say where to send anything. */
async function checkRegion(requester: Requester): Promise<void> {
  try {
    await requester.where();
  } catch (error) {
    throw new InvalidArgumentError(
      `the DynamoDB client has no Region (${String(error)}). Name it in the URL (dynamodb://eu-west-1/table), in the ` +
        "client's region option, or in AWS_REGION",
      { cause: error },
    );
  }
}

function isKind(error: unknown, kind: FailureKind): boolean {
  return error instanceof Failure && error.kind === kind;
}

function isInUse(failure: Failure): boolean {
  return failure.message.startsWith("ResourceInUseException:");
}
