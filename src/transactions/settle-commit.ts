import type { Operation } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { OutcomeUnknownError, UnavailableError, UnsupportedError } from "../core/errors.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { decodeEntry } from "../kv/entry-record.ts";
import { unresolved } from "../records/record-failures.ts";
import type { Stamps } from "../records/record-rules.ts";
import type { CommitPlan } from "./commit-plan.ts";
import type { Sightings } from "./sightings.ts";

/** What {@link settleCommit} works on. */
export interface CommitToSettle {
  readonly runtime: Runtime;
  readonly sightings: Sightings;
  readonly plan: CommitPlan;
  readonly alongside: readonly object[];
  /** Whether the mark of this plan is among these. */
  isStamped(stamps: Stamps): boolean;
}

/** Times that one commit is sent while no answer comes. */
const copiesMax = 4;
const copyPause = { firstMs: 10, maxMs: 250 };
const subject = "the keys of a transaction";

/**
 * Sends a commit until it is known what became of it. `true`: it was applied, once. `false`: it was not, and never will be,
 * because something is not as it expects.
 *
 * A commit whose answer was lost is sent again as it was: whichever copy comes first shuts the others out, since each
 * expects the versions that the first one replaces. When a copy is refused, the mark in the records that were written says
 * whether an earlier one was applied; where it was not, and a version has moved on, no copy can ever be.
 *
 * @throws OutcomeUnknownError when it could not be found out.
 */
export async function settleCommit(commit: CommitToSettle): Promise<boolean> {
  const { runtime, sightings, plan, alongside } = commit;
  const operations = [...plan.puts, ...plan.checks];
  const options = alongside.length > 0 ? { alongside } : {};
  let failure: unknown;
  for (let copies = 1; copies <= copiesMax; copies += 1) {
    try {
      const { committed } = await sightings.commit(operations, options);
      if (committed) return true;
      if (failure === undefined) return false;
      const isApplied = await findOut(commit);
      if (isApplied !== undefined) return isApplied;
    } catch (error) {
      const isUnknown = error instanceof OutcomeUnknownError;
      if (failure === undefined && !isUnknown) throw explained(error, plan);
      // Without a record that carries its mark, a second copy could do it twice.
      if (plan.puts.length === 0) throw error;
      failure = isUnknown ? error : (failure ?? error);
      if (!isUnknown && !(error instanceof UnavailableError)) return lastWord(commit, error);
    }
    await sleep(runtime, backoffMs(runtime, copies, copyPause), { holdsProcessOpen: true });
  }
  return lastWord(commit, failure);
}

/** What the records tell of a commit that may have been applied. `undefined`: it may still be. */
async function findOut({
  sightings,
  plan: { puts, checks },
  isStamped,
}: CommitToSettle): Promise<boolean | undefined> {
  const keys = puts.map(({ key }) => key);
  const hasMoved = ({ key, expect }: Operation): boolean => {
    return (sightings.get(key)?.record?.version ?? null) !== expect;
  };
  const isMarked = (): boolean =>
    keys.some((key) => {
      const record = sightings.get(key)?.record ?? null;
      return record !== null && isStamped(decodeEntry(key, record.value).stamps);
    });
  await sightings.read([...keys, ...checks.map(({ key }) => key)]);
  if (isMarked()) return true;
  // One that it writes has another state, and not by it.
  if (puts.some(hasMoved)) return false;
  if (!checks.some(hasMoved)) return undefined;
  // It may have been applied after they were read, and before what it checks moved on. From now on it cannot.
  await sightings.read(keys);
  return isMarked();
}

async function lastWord(commit: CommitToSettle, failure: unknown): Promise<boolean> {
  const isApplied = await findOut(commit).catch(() => undefined);
  if (isApplied === undefined) throw unresolved(subject, failure);
  const mayTryAgain = failure instanceof OutcomeUnknownError || failure instanceof UnavailableError;
  if (isApplied || mayTryAgain) return isApplied;
  throw failure;
}

function explained(error: unknown, { puts, checks }: CommitPlan): unknown {
  if (!(error instanceof UnsupportedError) || checks.length === 0 || puts.length === 0) return error;
  return new UnsupportedError(
    `${error.message}. Nothing was sent. In a transaction, write the keys that are only read as well, or read them with the ` +
      'isolation "read-committed", and guard it by no grant',
    { cause: error },
  );
}
