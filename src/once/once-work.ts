import {
  type LeaseholdError,
  LeaseLostError,
  LimitExceededError,
  OutcomeUnknownError,
} from "../core/errors.ts";
import { InvalidValueError } from "../core/invalid-value-error.ts";
import type { HeldGrant } from "../roster/grant.ts";
import type { Roster } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import type { OnceCall } from "./once.ts";
import { isOtherRequest } from "./once-failures.ts";
import { bytesOf, noteIn, type OnceNote, type OnceResult, resultOf, withNote } from "./once-note.ts";
import type { OnceHost } from "./once-runs.ts";

/** A run that has been claimed. */
export interface ClaimedRun {
  readonly call: OnceCall;
  readonly queue: ReturnType<RosterHost["queue"]>;
  readonly run: string;
  readonly grant: HeldGrant;
  readonly note: OnceNote;
  /** When, on the store's clock, at the earliest. */
  readonly beganMs: number;
}

/** Room in the record for what else stands there. */
const reservedBytes = 8_192;

/** Runs the work, and leaves its result. Answers the one that counts. */
export async function runWork(host: OnceHost, claimed: ClaimedRun): Promise<OnceResult> {
  const { grant, note, call } = claimed;
  const { key, signal, work } = call;
  let hasBegun = false;
  try {
    return await host.rosters.whileHolding([grant], async () => {
      hasBegun = true;
      let value: unknown;
      try {
        const signals = signal === undefined ? grant.signal : AbortSignal.any([grant.signal, signal]);
        value = await work({ key, fence: grant.fence, attempt: note.attempt, signal: signals });
      } catch (error) {
        await grant[Symbol.asyncDispose]();
        throw error;
      }
      return storeResult(host, claimed, value);
    });
  } finally {
    // The coordinator was closed in between, or a wrapper failed before it called the work.
    if (!hasBegun) await grant[Symbol.asyncDispose]();
  }
}

/** What a caller gets of a result. @throws what the first one got where it could not be stored. */
export async function readResult({ key, coder }: OnceCall, result: OnceResult): Promise<unknown> {
  if (result.kind === "nothing") return undefined;
  if (result.kind !== "refused") return coder.decode(key, { type: result.type, bytes: bytesOf(result) });
  const { message, limit, size } = result;
  if (limit !== undefined && size !== undefined) throw new LimitExceededError(message, { limit, size });
  throw new InvalidValueError(message, { issues: [{ path: [], message }], key });
}

/**
 * Stores a result and gives the lease back, in one write. It goes by the run that stands in the record: as long as that
 * is ours, nobody has begun since, whatever became of the lease; and once it is another, ours is refused.
 */
async function storeResult(
  { rosters, records }: OnceHost,
  { call, queue, run, grant, note, beganMs }: ClaimedRun,
  value: unknown,
): Promise<OnceResult> {
  const { key } = call;
  const result = await encodeResult(call, value, rosters.backend.capabilities.valueBytesMax);
  // Where the store does not tell the time, it counts from when the run began.
  const { earliestMs } = await records.clock.now().catch(() => ({ earliestMs: beganMs }));
  const endsAtMs = note.retentionMs === null ? null : Math.floor(earliestMs + note.retentionMs);
  let standing: OnceNote | undefined;
  let isDoubtful = false;
  const change = (roster: Roster): Roster => {
    standing = noteIn(key, roster.note);
    if (standing?.run !== run || standing.result !== undefined) return roster;
    standing = { ...standing, endsAtMs, result };
    return withNote(roster, standing);
  };
  const isWanted = (failure?: LeaseholdError): boolean => {
    isDoubtful ||= failure instanceof OutcomeUnknownError;
    return failure === undefined || grant.session.lost === undefined;
  };
  // In one turn, so that both ride in one write.
  const [stored] = await Promise.allSettled([queue.change(change, isWanted), grant.release()]);
  if (stored.status === "rejected") {
    if (grant.session.lost === undefined) throw stored.reason;
    throw notStored(key, isDoubtful, stored.reason);
  }
  if (standing?.run === run) return result;
  // Of whoever took over.
  if (standing?.result !== undefined && !isOtherRequest(call, standing)) return standing.result;
  throw notStored(key, isDoubtful, grant.session.lost);
}

async function encodeResult(
  { key, coder }: OnceCall,
  value: unknown,
  valueBytesMax: number,
): Promise<OnceResult> {
  if (value === undefined) return { kind: "nothing" };
  const ran = `the work of once ${JSON.stringify(key)} has run, and is not run again, but its result cannot be stored:`;
  let result: OnceResult;
  try {
    const { type, bytes } = await coder.encode(key, value);
    result = resultOf(type, bytes);
  } catch (error) {
    return { kind: "refused", message: `${ran} ${error instanceof Error ? error.message : String(error)}` };
  }
  const size = Buffer.byteLength(JSON.stringify(result));
  const limit = valueBytesMax - reservedBytes;
  if (size <= limit) return result;
  const message = `${ran} it takes ${size} bytes, and the store at most ${limit}. Store it elsewhere, and answer where it is`;
  return { kind: "refused", message, limit, size };
}

function notStored(key: string, isDoubtful: boolean, cause: unknown): LeaseLostError {
  const what = isDoubtful ? "nobody can say whether its result was stored" : "its result was not stored";
  return new LeaseLostError(
    `the work of once ${JSON.stringify(key)} has run to its end, but its lease was lost before, and ${what}. Another call ` +
      "may run it again, or has begun to; call again for the result that counts",
    { cause },
  );
}
