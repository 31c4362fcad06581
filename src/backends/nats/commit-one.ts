import type { CommitResult, Operation, Version } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import type { BucketFeatures } from "./bucket-config.ts";
import { keyToSubject } from "./key-subjects.ts";
import { expectLine, ttlLine } from "./message-headers.ts";
import type { PublishAnswer } from "./publish-answer.ts";
import { readKey } from "./read-records.ts";
import type { RecentKeys } from "./recent-keys.ts";
import { WriteInFlightError } from "./retry-not-applied.ts";
import type { StreamClient } from "./stream-client.ts";

/** What a commit needs at hand. */
export interface CommitContext {
  readonly client: StreamClient;
  readonly features: BucketFeatures;
  /** Sequences of delete markers that were seen, so that a creation over one takes a single request. */
  readonly markers: RecentKeys<string>;
}

/** How long a delete marker stays, where the server expires single messages. */
const markerTtlMs = 60_000;
const resolutionsMax = 5;
/** Takes the messages that only carry a check of another key. No key can be named like this. */
const checkSubject = "leasehold/check";

/**
 * Commits one operation with one request.
 *
 * A creation that meets a delete marker takes two more requests, a read and the write that expects the marker.
 * It never becomes an unconditional write.
 */
export async function commitOne(context: CommitContext, operation: Operation): Promise<CommitResult> {
  const { key, expect } = operation;
  if (operation.kind === "check" && !context.features.checkElsewhere) return checkByRead(context, operation);
  if (expect !== undefined && expect !== null && !isSequence(expect)) return conflict(key);
  try {
    const expected = expectedSequence(context, operation);
    const answer = await send(context, operation, expected);
    if (answer.stored) return stored(context, operation, answer.sequence);
    if (expect !== null) {
      return answer.lastSequence === 0
        ? { committed: false, conflicts: [{ key, current: null }] }
        : conflict(key);
    }
    return await createOverMarker(context, operation, answer.lastSequence);
  } catch (error) {
    // Others kept writing to this key for as long as we tried: one of them changed what was expected.
    if (error instanceof WriteInFlightError) return conflict(key);
    throw error;
  }
}

/** Whether a version can be one of ours. Anything else fits no record, and must not get into a header. */
export function isSequence(version: Version): boolean {
  return /^[1-9]\d{0,18}$/.test(version);
}

/** The sequence that the server shall compare with: of the record, of the marker where one was seen, or none. */
export function expectedSequence(context: CommitContext, { key, expect }: Operation): string | undefined {
  return expect === null ? (context.markers.get(key) ?? "0") : expect;
}

/** The subject and headers of an operation's message. */
export function messageOf(
  { client, features }: CommitContext,
  operation: Operation,
  expected: string | undefined,
): { readonly subject: string; readonly headers: string } {
  const subject = client.subjectPrefix + keyToSubject(operation.key);
  const condition = expected === undefined ? "" : expectLine(expected);
  if (operation.kind === "put") {
    if (operation.ttlMs === undefined) return { subject, headers: condition };
    return { subject, headers: condition + ttlLine(operation.ttlMs, features.nativeTtl) };
  }
  const marker = `KV-Operation: DEL\r\n${features.nativeTtl ? ttlLine(markerTtlMs, true) : ""}`;
  if (operation.kind === "delete") return { subject, headers: condition + marker };
  const elsewhere = `Nats-Expected-Last-Subject-Sequence-Subject: ${subject}\r\n`;
  return { subject: client.subjectPrefix + checkSubject, headers: condition + elsewhere + marker };
}

/** Remembers what a stored operation left behind, and answers its version. */
export function noteStored(context: CommitContext, operation: Operation, sequence: number): Version | null {
  if (operation.kind === "check") return operation.expect;
  if (operation.kind === "delete") {
    context.markers.set(operation.key, String(sequence));
    return null;
  }
  context.markers.delete(operation.key);
  return String(sequence);
}

function send(
  context: CommitContext,
  operation: Operation,
  expected: string | undefined,
): Promise<PublishAnswer> {
  const { subject, headers } = messageOf(context, operation, expected);
  return context.client.publish(subject, operation.kind === "put" ? operation.value : undefined, headers);
}

function stored(context: CommitContext, operation: Operation, sequence: number): CommitResult {
  return { committed: true, versions: [noteStored(context, operation, sequence)] };
}

function conflict(key: string): CommitResult {
  return { committed: false, conflicts: [{ key }] };
}

/** Absence was expected, and something stands there: a record is a conflict, a delete marker is absence. */
async function createOverMarker(
  context: CommitContext,
  operation: Operation,
  firstSequence: number | undefined,
): Promise<CommitResult> {
  const { key } = operation;
  let refusedBy = firstSequence;
  for (let resolution = 0; resolution < resolutionsMax; resolution += 1) {
    const state = refusedBy === 0 ? { sequence: 0, record: null } : await readKey(context.client, key);
    const isCurrent = refusedBy === undefined || state.sequence >= refusedBy;
    if (state.record !== null) {
      return isCurrent ? { committed: false, conflicts: [{ key, current: state.record }] } : conflict(key);
    }
    rememberMarker(context, key, state.sequence);
    const answer = await send(context, operation, String(state.sequence));
    if (answer.stored) return stored(context, operation, answer.sequence);
    refusedBy = answer.lastSequence;
  }
  return conflict(key);
}

/** Notes the marker under an absent key, or that there is none. */
export function rememberMarker({ markers }: CommitContext, key: string, sequence: number): void {
  if (sequence === 0) markers.delete(key);
  else markers.set(key, String(sequence));
}

/**
 * A check where the server cannot make one message conditional on another key. The only copy of a bucket answers
 * with what is; of several copies, a deposed leader could answer with what was.
 *
 * @throws UnsupportedError when the bucket has several copies.
 */
async function checkByRead({ client, features }: CommitContext, operation: Operation): Promise<CommitResult> {
  const { key, expect } = operation;
  if (features.replicas > 1) {
    throw new UnsupportedError(
      `a commit that only checks needs NATS server 2.11.0 or newer for a bucket with ${features.replicas} replicas; ` +
        `this one is ${features.serverVersion}. Write a record in the same commit, or upgrade`,
    );
  }
  const { record } = await readKey(client, key);
  if ((record?.version ?? null) === expect) return { committed: true, versions: [expect ?? null] };
  return { committed: false, conflicts: [{ key, current: record }] };
}
