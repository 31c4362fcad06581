import type { AddOperation, CommitResult, Operation, StoredRecord } from "../../core/backend.ts";
import { backoffMs } from "../../core/backoff.ts";
import {
  applyAdd,
  type CounterRecord,
  decodeCounter,
  emptyCounter,
  encodeCounter,
} from "../../core/counter-record.ts";
import { OutcomeUnknownError, UnavailableError } from "../../core/errors.ts";
import { isForgotten } from "../../core/forgotten-error.ts";
import { type Runtime, sleep } from "../../core/runtime.ts";
import type { RecentKeys } from "./recent-keys.ts";

/** A counter as it was last seen, and its version; null where there is none. */
export interface SeenCounter {
  readonly counter: CounterRecord;
  readonly version: string | null;
}

/** The counter to which an operation was to be applied when its answer was lost, for as long as somebody may repeat it. */
const firstSeen = new WeakMap<AddOperation, CounterRecord>();

/** What {@link addToCounter} works with. */
export interface CounterStore {
  read(key: string): Promise<StoredRecord | null>;
  commit(operation: Operation): Promise<CommitResult>;
  readonly seen: RecentKeys<SeenCounter>;
  readonly runtime: Runtime;
}

const attemptsMax = 100;
const unknownsMax = 3;
const pause = { firstMs: 4, maxMs: 250 };

/**
 * Adds by compare-and-set: one write where this process saw the counter last, else a read and a write.
 *
 * An attempt whose outcome is unknown is followed by one that expects the same version: whichever of the two
 * comes first shuts the other out, and the receipt in the record says whether it was the abandoned one.
 *
 * @throws OutcomeUnknownError when it gave up after an attempt that may still land.
 * @throws UnavailableError when others kept changing the counter for a hundred attempts.
 */
export async function addToCounter(
  store: CounterStore,
  key: string,
  delta: number,
  operation: AddOperation,
): Promise<number> {
  let unknown: unknown =
    operation.again === true ? new OutcomeUnknownError("an earlier call got no answer") : undefined;
  let unknowns = 0;
  let seen = store.seen.get(key);
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    try {
      seen ??= await readCounter(store, key);
      const again = unknown !== undefined;
      const result = applyAdd(seen.counter, delta, { ...operation, again }, firstSeen.get(operation));
      if (!again) firstSeen.set(operation, seen.counter);
      if (!result.applied) return result.sum;
      const value = encodeCounter(result.counter);
      const outcome = await store.commit({ kind: "put", key, value, expect: seen.version });
      if (outcome.committed) {
        store.seen.set(key, { counter: result.counter, version: outcome.versions[0] ?? null });
        return result.sum;
      }
    } catch (error) {
      store.seen.delete(key);
      if (isForgotten(error)) throw error;
      if (!(error instanceof OutcomeUnknownError)) throw withUnknown(key, unknown, error);
      unknown = error;
      unknowns += 1;
      if (unknowns >= unknownsMax) break;
    }
    store.seen.delete(key);
    seen = undefined;
    await sleep(store.runtime, backoffMs(store.runtime, attempt, pause), { holdsProcessOpen: true });
  }
  throw withUnknown(
    key,
    unknown,
    new UnavailableError(
      `others kept changing counter ${key} for ${attemptsMax} attempts; nothing was added`,
    ),
  );
}

async function readCounter(store: CounterStore, key: string): Promise<SeenCounter> {
  const record = await store.read(key);
  if (record === null) return { counter: emptyCounter, version: null };
  return { counter: decodeCounter(key, record.value), version: record.version };
}

/** After an attempt with an unknown outcome, no later failure may claim that nothing was applied. */
function withUnknown(key: string, unknown: unknown, error: unknown): unknown {
  if (unknown === undefined) return error;
  return new OutcomeUnknownError(
    `an add to counter ${key} was sent and may have been applied, or may still be; repeat the same operation to ` +
      "find out",
    { cause: unknown },
  );
}
