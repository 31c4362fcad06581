import type { TransactWriteItem, TransactWriteItemsCommandInput } from "@aws-sdk/client-dynamodb";
import type { CommitOptions, CommitResult, Operation, Version } from "../../core/backend.ts";
import { InvalidArgumentError, LimitExceededError, StoreMisconfiguredError } from "../../core/errors.ts";
import { type OwnWrite, ownWriteError, ownWrites } from "./alongside.ts";
import { collisionRetries, isCollision } from "./collision.ts";
import type { SingleCommit } from "./commit-one.ts";
import { Failure } from "./failure.ts";
import type { Requester } from "./requester.ts";
import { retry } from "./retry.ts";
import { deleteRequest, expectation, putRequest, type WriteContext } from "./write-request.ts";

/** DynamoDB's limit for all items of one transaction together, less room for attribute names and versions. */
const transactionBytesMax = 4 * 1_024 * 1_024 - 100 * 1_024;

/** Copies of a transaction that got no answer. Its token makes DynamoDB apply it once within ten minutes. */
const unansweredMax = 2;

/**
 * Commits several operations in one `TransactWriteItems`. The token is drawn once, so however often the
 * transaction is sent, by leasehold or by the client, it is applied once. Writes of the user's own come last in it.
 */
export async function commitMany(
  requester: Requester,
  single: SingleCommit,
  operations: readonly Operation[],
  options?: CommitOptions,
): Promise<CommitResult> {
  const own = ownWrites(options?.alongside ?? []);
  checkBytes(operations, own);
  const { table, layout } = requester.settings;
  const { runtime } = requester;
  const context: WriteContext = { table, layout, wallMs: runtime.wallMs() };
  const versions = operations.map((operation) => {
    if (operation.kind === "check") return operation.expect;
    return operation.kind === "put" ? runtime.id() : null;
  });
  const input: TransactWriteItemsCommandInput = {
    ClientRequestToken: runtime.id(),
    TransactItems: [
      ...operations.map((operation, index) => step(context, operation, versions[index] ?? null)),
      ...own.map(({ entry }) => entry),
    ],
  };
  let unanswered = 0;
  const again = (error: unknown): boolean => {
    if (!(error instanceof Failure)) return false;
    if (error.kind === "cancelled") return isCollision(error);
    if (error.kind !== "unknown") return false;
    unanswered += 1;
    return unanswered < unansweredMax;
  };
  try {
    const send = () => requester.request("TransactWriteItems", input, options);
    await retry(runtime, collisionRetries, send, again, requester.closing);
    return { committed: true, versions };
  } catch (error) {
    if (!(error instanceof Failure)) {
      throw requester.toError(error, "TransactWriteItems", { sentBefore: unanswered > 0 });
    }
    const certain = unanswered === 0 && !error.ambiguous;
    const refused = operations.filter((_, index) => error.reasons[index]?.Code === "ConditionalCheckFailed");
    // An unanswered copy may still be on its way; only an expected version that is gone keeps it out for ever.
    const settled = certain || refused.some(({ expect }) => typeof expect === "string");
    if (refused.length === 0 || !settled) {
      throw (
        (certain && ownWriteError(own, error, operations.length)) ||
        refusal(requester, error, own, unanswered > 0)
      );
    }
    const items = new Map(operations.map((operation, index) => [operation, error.reasons[index]?.Item]));
    const conflicts = refused.map((operation) => single.conflictOf(operation, items.get(operation)));
    return { committed: false, conflicts: await Promise.all(conflicts) };
  }
}

function step(context: WriteContext, operation: Operation, version: Version | null): TransactWriteItem {
  if (operation.kind === "put") return { Update: putRequest(context, operation, version as Version) };
  if (operation.kind === "delete") return { Delete: deleteRequest(context, operation) };
  const { layout, table } = context;
  return {
    ConditionCheck: {
      TableName: table,
      Key: { [layout.key]: { S: operation.key } },
      ConditionExpression: undefined,
      ...expectation(layout, operation.expect),
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    },
  };
}

function refusal(
  requester: Requester,
  failure: Failure,
  own: readonly OwnWrite[],
  sentBefore: boolean,
): Error {
  const certain = !sentBefore && !failure.ambiguous;
  if (failure.kind === "cancelled" && certain && !isCollision(failure)) {
    const codes = failure.reasons.map(({ Code, Message }) => [Code, Message].filter(Boolean).join(": "));
    const message = `DynamoDB refused a transaction on table ${requester.settings.table}: ${codes.join("; ")}`;
    const tooLarge = failure.reasons.some(({ Code }) => Code === "ItemCollectionSizeLimitExceeded");
    const details = { cause: failure.cause };
    return tooLarge
      ? new LimitExceededError(message, details)
      : new StoreMisconfiguredError(message, details);
  }
  if (failure.kind === "invalid" && certain && own.length > 0) {
    const message = `DynamoDB refused a commit with writes alongside as invalid: ${failure.message}`;
    return new InvalidArgumentError(message, { cause: failure.cause });
  }
  const tables = [...new Set([requester.settings.table, ...own.map(({ table }) => table)])];
  return requester.toError(failure, "TransactWriteItems", { sentBefore, table: tables.join(" or ") });
}

function checkBytes(operations: readonly Operation[], own: readonly OwnWrite[]): void {
  let bytes = own.reduce((sum, write) => sum + write.bytes, 0);
  for (const operation of operations) {
    bytes += operation.key.length + (operation.kind === "put" ? operation.value.length : 0);
  }
  if (bytes > transactionBytesMax) {
    throw new LimitExceededError(
      `the dynamodb backend commits at most ${transactionBytesMax} bytes of keys and values at once; got ${bytes}`,
      { limit: transactionBytesMax, size: bytes },
    );
  }
}
