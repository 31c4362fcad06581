import type { AddOperation } from "../../core/backend.ts";
import { backoffMs } from "../../core/backoff.ts";
import { applyAdd, decodeCounter, receiptsMax } from "../../core/counter-record.ts";
import { ClosedError, LimitExceededError, OutcomeUnknownError, UnavailableError } from "../../core/errors.ts";
import { ForgottenError } from "../../core/forgotten-error.ts";
import { invariant } from "../../core/invariant.ts";
import { sleep } from "../../core/runtime.ts";
import { type Add, addRequest, pruneRequest } from "./add-request.ts";
import { Failure } from "./failure.ts";
import {
  decodeItem,
  encodeCounterItem,
  type Item,
  isCounter,
  receiptOf,
  receiptsOf,
  versionChain,
} from "./item-codec.ts";
import { groupOf, noVersion } from "./item-layout.ts";
import { readItem } from "./read-records.ts";
import type { Requester } from "./requester.ts";
import { expectation } from "./write-request.ts";

/** Copies of one add that may go unanswered before the caller is told that its outcome is unknown. */
const copiesMax = 3;
/** Tries altogether, with those refused for a reason that was gone when the item was looked at. */
const attemptsMax = 16;
/** After the second try: others are in a hurry as well. */
const tryPause = { firstMs: 4, maxMs: 250 };
/** Receipts that one write removes: a condition may have so many parts, and no more. */
const pruneMax = 100;
/** Receipts beyond the limit before they are pruned, so that not every add of a new writer pays for a second write. */
const pruneSlack = 16;

/** What is known of the copies of one add that were sent so far. */
interface Progress {
  /** Copies without an answer: one of them may have been applied, or may still be. */
  unanswered: number;
  /** As {@link addRequest} takes it. */
  clearAt: bigint;
}

/** After how many adds an operation was seen not to be among them, for as long as somebody may repeat it. */
const seenClear = new WeakMap<AddOperation, bigint>();

/**
 * Adds once, with one write. An add that got no answer is sent again: the receipt in the item refuses every copy
 * after the first.
 *
 * @throws LimitExceededError when the sum would leave the safe integers; nothing was added.
 * @throws CorruptRecordError when the key holds a record that is not a counter.
 */
export async function addToCounter(requester: Requester, add: Add): Promise<number> {
  const { table, layout } = requester.settings;
  const { key, operation } = add;
  invariant(Number.isSafeInteger(add.delta), "a counter adds safe integers");
  invariant(/^[-\w]{1,40}$/.test(operation.writer), "a writer is 1 to 40 characters [A-Za-z0-9_-]");
  invariant(Number.isSafeInteger(operation.sequence) && operation.sequence > 0, "sequences rise from 1");
  const progress: Progress = { unanswered: 0, clearAt: seenClear.get(operation) ?? 0n };
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (attempt > 1) {
      await sleep(requester.runtime, backoffMs(requester.runtime, attempt, tryPause), {
        holdsProcessOpen: true,
      });
    }
    try {
      const request = addRequest(table, layout, add, requester.runtime.id(), progress.clearAt);
      const { Attributes } = await requester.request("UpdateItem", request);
      await prune(requester, key, Attributes ?? {});
      return Number(Attributes?.[layout.sum]?.N);
    } catch (error) {
      const sum = await answerFailure(requester, add, progress, error);
      if (sum !== null) return sum;
    }
  }
  const tried =
    `an add to key ${key} on table ${table} was tried ${attemptsMax} times, and refused for a reason that was gone a moment ` +
    "later";
  if (isDoubtful(add, progress)) throw new OutcomeUnknownError(`${tried}, or without an answer`);
  throw new UnavailableError(`${tried}; nothing was added`);
}

/** Whether an earlier copy may have been applied, or may still be. */
function isDoubtful({ operation }: Add, { unanswered }: Progress): boolean {
  return operation.again === true || unanswered > 0;
}

/** The sum for an add that failed, or null when it should be tried again. */
async function answerFailure(
  requester: Requester,
  add: Add,
  progress: Progress,
  error: unknown,
): Promise<number | null> {
  const { key } = add;
  const toError = (cause: unknown): Error =>
    requester.toError(cause, "UpdateItem", { key, sentBefore: progress.unanswered > 0 });
  if (!(error instanceof Failure)) throw toError(error);
  if (error.kind === "unknown") {
    progress.unanswered += 1;
    if (progress.unanswered < copiesMax) return null;
  }
  if (error.kind !== "condition") throw toError(error);
  if (error.ambiguous) progress.unanswered += 1;
  try {
    const item = error.item ?? (await readItem(requester, key));
    return item === null ? null : await answerFromItem(requester, add, progress, item);
  } catch (failure) {
    throw toError(failure);
  }
}

/** The sum for an add whose condition failed, or null when it should be tried again. */
async function answerFromItem(
  requester: Requester,
  add: Add,
  progress: Progress,
  item: Item,
): Promise<number | null> {
  const { layout } = requester.settings;
  const { key, delta, operation } = add;
  if (item[layout.value] !== undefined || !isCounter(layout, item)) {
    return convert(requester, add, progress, item);
  }
  const receipt = receiptOf(item, operation.writer);
  if (receipt !== null && receipt.sequence >= operation.sequence) {
    invariant(receipt.sequence === operation.sequence, "a writer's adds are issued in order");
    return receipt.sum;
  }
  if (receipt === null) {
    const mayBeGone = numberOf(item, layout.pruned) > progress.clearAt;
    if (mayBeGone && isDoubtful(add, progress)) throw new ForgottenError(`the counter under key ${key}`);
    progress.clearAt = numberOf(item, layout.adds);
    seenClear.set(operation, progress.clearAt);
  }
  const sum = Number(item[layout.sum]?.N);
  if (!Number.isSafeInteger(sum + delta)) throw outOfRange(key, sum, delta);
  return null;
}

/** Turns a counter that `commit` wrote as a value into one that can be added to, and applies the add. */
async function convert(
  requester: Requester,
  add: Add,
  progress: Progress,
  item: Item,
): Promise<number | null> {
  const { table, layout } = requester.settings;
  const { key, delta, operation } = add;
  const { value, version } = decodeItem(layout, item);
  const before = decodeCounter(key, value);
  const adds = numberOf(item, layout.adds);
  // Where nobody has added since, this one was not applied either.
  const again = isDoubtful(add, progress) && adds > progress.clearAt;
  const { counter, sum, applied } = applyAdd(before, delta, { ...operation, again });
  if (!applied) return sum;
  const [v1 = noVersion, v2 = noVersion, v3 = noVersion] = versionChain(layout, item);
  const [first, second, third] = layout.earlier;
  const Item = {
    ...encodeCounterItem(layout, counter, adds),
    // Writes of another kind may have removed any receipt.
    ...(adds > 0n ? { [layout.pruned]: { N: String(adds) } } : {}),
    [layout.key]: { S: key },
    [layout.version]: { S: requester.runtime.id() },
    ...{ [first]: { S: v1 }, [second]: { S: v2 }, [third]: { S: v3 } },
    ...(layout.indexed ? { [layout.group]: { S: groupOf(key) } } : {}),
  };
  try {
    await requester.request("PutItem", { TableName: table, Item, ...expectation(layout, version) });
    return sum;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // Changed meanwhile, or perhaps applied: the next add finds the receipt if it was.
    if (error.kind === "unknown" || error.ambiguous) progress.unanswered += 1;
    const again = error.kind === "unknown" && progress.unanswered < copiesMax;
    if (error.kind === "condition" || again) return null;
    throw error;
  }
}

async function prune(requester: Requester, key: string, item: Item): Promise<void> {
  const receipts = receiptsOf(item);
  if (receipts.length <= receiptsMax + pruneSlack) return;
  const { table, layout } = requester.settings;
  const oldest = receipts.slice(0, Math.min(pruneMax, receipts.length - receiptsMax));
  try {
    await requester.request("UpdateItem", pruneRequest(table, layout, key, oldest, requester.runtime.id()));
  } catch (error) {
    // The add is done; the next add of a new writer prunes again.
    if (!(error instanceof Failure || error instanceof ClosedError)) throw error;
  }
}

function outOfRange(key: string, sum: number, delta: number): LimitExceededError {
  return new LimitExceededError(
    `adding ${delta} to the counter under key ${key}, which is ${sum}, would leave the safe integers ` +
      `(${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}). Nothing was added`,
  );
}

function numberOf(item: Item, attribute: string): bigint {
  return BigInt(item[attribute]?.N ?? 0);
}
