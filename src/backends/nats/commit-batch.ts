import type { CommitResult, Conflict, Operation } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import {
  type CommitContext,
  expectedSequence,
  isSequence,
  messageOf,
  noteStored,
  rememberMarker,
} from "./commit-one.ts";
import type { PublishAnswer } from "./publish-answer.ts";
import { readKeys } from "./read-records.ts";
import { isRepeatable, retryNotApplied, WriteInFlightError } from "./retry-not-applied.ts";

const resolutionsMax = 5;

/**
 * Commits several operations as one atomic batch: all messages but the last go without an answer, the last one
 * commits them, so that it takes one round trip. A refused batch stores nothing; the server does not say which
 * expectation failed, so the keys are read to find out.
 *
 * @throws UnsupportedError for a check within a batch where the server is known to look at the wrong key.
 */
export async function commitBatch(
  context: CommitContext,
  operations: readonly Operation[],
  newId: () => string,
): Promise<CommitResult> {
  requireChecks(context, operations);
  const foreign = operations.filter(({ expect }) => typeof expect === "string" && !isSequence(expect));
  if (foreign.length > 0) return { committed: false, conflicts: foreign.map(({ key }) => ({ key })) };
  try {
    for (let resolution = 0; resolution < resolutionsMax; resolution += 1) {
      const answer = await sendBatch(context, operations, newId);
      if (answer.stored) {
        const first = answer.sequence - operations.length + 1;
        const versions = operations.map((operation, index) => noteStored(context, operation, first + index));
        return { committed: true, versions };
      }
      const conflicts = await findConflicts(context, operations);
      if (conflicts.length > 0) return { committed: false, conflicts };
    }
  } catch (error) {
    if (!(error instanceof WriteInFlightError)) throw error;
  }
  // Others kept changing these keys for as long as we tried.
  const conditional = operations.filter(({ expect }) => expect !== undefined);
  return { committed: false, conflicts: conditional.map(({ key }) => ({ key })) };
}

async function sendBatch(
  context: CommitContext,
  operations: readonly Operation[],
  newId: () => string,
): Promise<PublishAnswer> {
  const attempt = () => sendBatchOnce(context, operations, newId());
  try {
    return await attempt();
  } catch (error) {
    if (!isRepeatable(error)) throw error;
    return retryNotApplied(error, attempt);
  }
}

async function sendBatchOnce(
  context: CommitContext,
  operations: readonly Operation[],
  batchId: string,
): Promise<PublishAnswer> {
  const { client } = context;
  for (const [index, operation] of operations.entries()) {
    const { subject, headers } = messageOf(context, operation, expectedSequence(context, operation));
    const payload = operation.kind === "put" ? operation.value : undefined;
    const place = `Nats-Batch-Id: ${batchId}\r\nNats-Batch-Sequence: ${index + 1}\r\n${headers}`;
    if (index === operations.length - 1) {
      return client.publishOnce(subject, payload, `${place}Nats-Batch-Commit: 1\r\n`);
    }
    client.publishUnanswered(subject, payload, place);
  }
  throw new RangeError("a batch holds at least one operation");
}

/** The operations whose expectation does not hold. Remembers the markers of those that expect absence. */
async function findConflicts(
  context: CommitContext,
  operations: readonly Operation[],
): Promise<readonly Conflict[]> {
  const conditional = operations.filter(({ expect }) => expect !== undefined);
  const states = await readKeys(
    context.client,
    conditional.map(({ key }) => key),
  );
  const conflicts: Conflict[] = [];
  for (const [index, { key, expect }] of conditional.entries()) {
    const { record = null, sequence = 0 } = states[index] ?? {};
    if (record === null) rememberMarker(context, key, sequence);
    if ((record?.version ?? null) !== expect) conflicts.push({ key, current: record });
  }
  return conflicts;
}

function requireChecks({ features }: CommitContext, operations: readonly Operation[]): void {
  if (features.checkInBatch || !operations.some(({ kind }) => kind === "check")) return;
  throw new UnsupportedError(
    "a check together with other operations needs NATS server 2.12.14, 2.14.4 or 2.15.0 and newer: before, it could " +
      `look at the wrong key (nats-server issue 8377). This server is ${features.serverVersion}`,
  );
}
