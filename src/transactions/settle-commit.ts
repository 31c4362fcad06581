import type { Conflict, StoredRecord } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { OutcomeUnknownError, UnavailableError, UnsupportedError } from "../core/errors.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { fateOf, type Stamp } from "../core/stamps.ts";
import { decodeEntry } from "../kv/entry-record.ts";
import { unresolved } from "../records/record-failures.ts";
import type { CommitPlan } from "./commit-plan.ts";
import type { Sightings } from "./sightings.ts";

/** What {@link settleCommit} works on. */
export interface CommitToSettle {
  readonly runtime: Runtime;
  readonly sightings: Sightings;
  readonly plan: CommitPlan;
  readonly alongside: readonly object[];
  /** The mark that the plan puts into each record. */
  readonly write: Stamp;
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
      const result = await sightings.commit(operations, options);
      if (result.committed) return true;
      if (failure === undefined) return false;
      const isApplied = await findOut(commit, result.conflicts);
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

/**
 * What the records tell of a commit that may have been applied, once a copy of it was refused over these conflicts.
 * `undefined`: it may still be applied, or nothing is left that tells.
 */
async function findOut(commit: CommitToSettle, conflicts: readonly Conflict[]): Promise<boolean | undefined> {
  const { sightings, plan } = commit;
  const keys = plan.puts.map(({ key }) => key);
  const found = conflicts.flatMap(({ current }) => current ?? []).filter(({ key }) => keys.includes(key));
  const isTold = judge(commit, found);
  if (isTold !== undefined) return isTold;
  await sightings.read(keys);
  const isSeen = judge(
    commit,
    keys.flatMap((key) => sightings.get(key)?.record ?? []),
  );
  if (isSeen !== undefined) return isSeen;
  // A copy was refused over what it names, so something had moved on. What stands there as it was to be replaced afterwards was
  // not written by it, and cannot be now; reads may be old, and only a commit decides.
  const isUntouched = ({ key, expect = null }: (typeof plan.puts)[number]): boolean =>
    (sightings.get(key)?.record?.version ?? null) === expect;
  // What is not there may have been, and been erased since: only where nothing else is written does it tell.
  const rewritten = plan.puts.filter((put) => typeof put.expect === "string");
  const telling = rewritten.length > 0 ? rewritten : plan.puts;
  const first = telling.find(isUntouched) ?? telling[0];
  if (first === undefined || conflicts.every(({ current }) => current === undefined)) return undefined;
  const { key, expect = null } = first;
  try {
    const result = await sightings.commit([{ kind: "check", key, expect }], {});
    const records = result.committed ? [] : result.conflicts.flatMap(({ current }) => current ?? []);
    return result.committed ? false : judge(commit, records, true);
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

/**
 * A record with its mark: applied. Another one that is younger than what it was to replace, and would show the mark if it
 * had ever been there: it is shut out for ever.
 */
function judge(
  { plan: { puts, replaced }, write }: CommitToSettle,
  records: readonly StoredRecord[],
  isCertain = false,
): boolean | undefined {
  const entries = records.map(({ key, value, version }) => ({
    key,
    version,
    entry: decodeEntry(key, value),
  }));
  const fates = entries.map(({ key, version, entry: { stamps, newest } }) => {
    const { atMs = 0, stamps: before = [] } = replaced.get(key) ?? {};
    const fate = fateOf(stamps, write, before);
    const isOther = puts.some((put) => put.key === key && put.expect !== version);
    // An old read may show what was there before; also what was erased before, which is younger than nothing.
    const isLater = isOther && newest.updatedAtMs > atMs && (isCertain || atMs > 0);
    return fate === "shut out" && !isLater ? undefined : fate;
  });
  if (fates.includes("applied")) return true;
  return fates.includes("shut out") ? false : undefined;
}

async function lastWord(commit: CommitToSettle, failure: unknown): Promise<boolean> {
  const isApplied = await findOut(commit, []).catch(() => undefined);
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
