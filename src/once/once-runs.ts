import { AbortedError, AcquireTimeoutError, ClosedError, OutcomeUnknownError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Pooled } from "../records/record-pool.ts";
import { type Patience, PendingAnswer } from "../roster/pending-answer.ts";
import type { Roster } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import type { OnceCall } from "./once.ts";
import { checkFingerprint, inProgress, isOtherRequest } from "./once-failures.ts";
import { encodeNote, idleTtlMs, noteIn, type OnceNote, type OnceResult } from "./once-note.ts";
import { type ClaimedRun, readResult, runWork } from "./once-work.ts";

/** What `coordinator.once` needs from its coordinator. */
export interface OnceHost {
  readonly rosters: RosterHost;
  readonly records: RecordHost;
}

/** A call of this process that runs the work of a key, or is about to. */
interface Effort {
  readonly fingerprint: string | undefined;
  /** Whether the work is its own. */
  readonly claimed: PromiseWithResolvers<boolean>;
  /** Resolves with the result, if there is one. */
  readonly over: PromiseWithResolvers<OnceResult | undefined>;
}

type Queue = ReturnType<RosterHost["queue"]>;

/** Claims without an answer, until the caller is told that nobody knows. */
const claimsMax = 3;

/** All calls of once of one coordinator: those of the same key ride together. */
export class OnceRuns implements Pooled {
  readonly #host: OnceHost;
  readonly #efforts = new Map<string, Effort>();
  readonly #looks = new Map<string, Promise<Roster>>();
  readonly #riders = new Set<PendingAnswer<OnceResult | undefined>>();

  #calls = 0;
  #isClosed = false;

  constructor(host: OnceHost) {
    this.#host = host;
  }

  get isBusy(): boolean {
    return this.#calls > 0;
  }

  /** Work that runs is waited for elsewhere. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const rider of this.#riders) rider.reject(new ClosedError("the coordinator was closed"));
  }

  /** The result of the key: the one that is there, the one that others come to, or that of the call's own work. */
  async answer(call: OnceCall): Promise<unknown> {
    const { key } = call;
    const queue = this.#host.rosters.queue({ kind: "once", name: key, isShared: false, idleTtlMs });
    this.#calls += 1;
    try {
      return await readResult(call, await this.#settle(call, queue));
    } finally {
      this.#calls -= 1;
      // There may be many keys, and large results.
      queue.board.forget();
    }
  }

  async #settle(call: OnceCall, queue: Queue): Promise<OnceResult> {
    for (let doubts = 0; ; ) {
      checkAborted(call);
      const effort = this.#efforts.get(call.recordKey);
      const found = effort === undefined ? await this.#seek(call, queue) : await this.#ride(call, effort);
      if (found !== undefined) return found;
      // Begun meanwhile by another call of this process.
      if (this.#efforts.has(call.recordKey)) continue;
      try {
        const result = await this.#attempt(call, queue);
        if (result !== undefined) return result;
      } catch (error) {
        doubts += 1;
        if (!(error instanceof ClaimInDoubt)) throw error;
        if (doubts >= claimsMax) throw error.cause;
        continue;
      }
      if (call.waitMs > 0) continue;
      const seen = await this.#visible(call, queue.board.known ?? (await this.#look(call, queue)));
      if (seen?.result !== undefined) return seen.result;
      throw inProgress(call);
    }
  }

  /** The result if it is there, or comes while others are at work. `undefined`: nobody is. */
  async #seek(call: OnceCall, queue: Queue): Promise<OnceResult | undefined> {
    const roster = await this.#look(call, queue);
    const note = await this.#visible(call, roster);
    const isFree = roster.holders.length === 0;
    if (note?.result !== undefined || isFree || call.waitMs === 0) return note?.result;
    const changed = await inTime(
      call,
      queue.board.until({
        ...{ ...this.#patience(call), ttlMs: call.ttlMs },
        find: (seen) =>
          noteIn(call.key, seen.note)?.result !== undefined || seen.holders.length === 0 ? seen : undefined,
        watched: ({ holders }) => ({ near: holders, further: [] }),
      }),
    );
    return (await this.#visible(call, changed))?.result;
  }

  async #ride(call: OnceCall, effort: Effort): Promise<OnceResult | undefined> {
    checkFingerprint(call, effort);
    if (call.waitMs === 0) {
      if (await effort.claimed.promise) throw inProgress(call);
      return undefined;
    }
    const rider = new PendingAnswer<OnceResult | undefined>(
      this.#host.rosters.runtime,
      this.#patience(call),
      false,
    );
    this.#riders.add(rider);
    rider.onAnswered(() => this.#riders.delete(rider));
    if (this.#isClosed) void this.close();
    void effort.over.promise.then((result) => rider.resolve(result));
    return inTime(call, rider.promise);
  }

  /** Runs the work, if it can be had now. `undefined`: others were faster. */
  async #attempt(call: OnceCall, queue: Queue): Promise<OnceResult | undefined> {
    const { fingerprint, recordKey } = call;
    const effort: Effort = {
      fingerprint,
      claimed: Promise.withResolvers(),
      over: Promise.withResolvers(),
    };
    this.#efforts.set(recordKey, effort);
    let result: OnceResult | undefined;
    try {
      const run = this.#host.rosters.runtime.id();
      const claimed = await this.#claim(call, queue, run);
      effort.claimed.resolve(claimed !== null);
      if (claimed !== null) result = await runWork(this.#host, { call, queue, run, ...claimed });
      return result;
    } finally {
      this.#efforts.delete(recordKey);
      effort.claimed.resolve(false);
      effort.over.resolve(result);
    }
  }

  async #claim(
    call: OnceCall,
    queue: Queue,
    run: string,
  ): Promise<Pick<ClaimedRun, "grant" | "note" | "beganMs"> | null> {
    const { key, fingerprint, signal, ttlMs } = call;
    const now = await this.#host.records.clock.now();
    const beganMs = now.earliestMs;
    const retentionMs = Number.isFinite(call.retentionMs) ? call.retentionMs : null;
    let note: OnceNote | undefined;
    const claim = (before: Json | undefined): Json | null => {
      const found = this.#alive(noteIn(key, before), now.latestMs);
      if (found?.result !== undefined || isOtherRequest(call, found)) return null;
      const kept = fingerprint ?? found?.fingerprint;
      note = {
        ...{ run, attempt: (found?.attempt ?? 0) + 1, retentionMs },
        endsAtMs: retentionMs === null ? null : Math.floor(beganMs + retentionMs),
        ...(kept !== undefined && { fingerprint: kept }),
      };
      return encodeNote(note);
    };
    const request = { name: key, ttlMs, weight: 1, capacity: 1, waitMs: 0, metadata: undefined };
    try {
      const grant = await queue.tryAcquire({ ...request, signal, claim });
      return grant === null || note === undefined ? null : { grant, note, beganMs };
    } catch (error) {
      throw error instanceof OutcomeUnknownError ? new ClaimInDoubt("", { cause: error }) : error;
    }
  }

  /** What the record shows, as one read that callers of the same time share. */
  #look({ recordKey }: OnceCall, queue: Queue): Promise<Roster> {
    const looking = this.#looks.get(recordKey);
    if (looking !== undefined) return looking;
    const look = queue.board.read().finally(() => this.#looks.delete(recordKey));
    this.#looks.set(recordKey, look);
    return look;
  }

  /** What of it is not over by now. @throws FingerprintMismatchError when it is of another request. */
  async #visible(call: OnceCall, roster: Roster): Promise<OnceNote | undefined> {
    const note = noteIn(call.key, roster.note);
    if (note === undefined) return undefined;
    const found =
      note.endsAtMs === null ? note : this.#alive(note, (await this.#host.records.clock.now()).latestMs);
    if (found !== undefined) checkFingerprint(call, found);
    return found;
  }

  #alive(note: OnceNote | undefined, latestMs: number): OnceNote | undefined {
    return note === undefined || latestMs >= (note.endsAtMs ?? Number.POSITIVE_INFINITY) ? undefined : note;
  }

  #patience({ key, deadlineMs, signal }: OnceCall): Patience {
    const waitMs = Math.max(0, deadlineMs - this.#host.rosters.runtime.monotonicMs());
    return { failing: `the result of once ${JSON.stringify(key)} did not come`, waitMs, signal };
  }
}

/** No answer came to the write that claims a run, which is being taken back. Never reaches a user. */
class ClaimInDoubt extends Error {}

async function inTime<R>(call: OnceCall, waiting: Promise<R>): Promise<R> {
  try {
    return await waiting;
  } catch (error) {
    throw error instanceof AcquireTimeoutError ? inProgress(call, error.cause) : error;
  }
}

function checkAborted({ key, signal }: OnceCall): void {
  if (signal?.aborted !== true) return;
  throw new AbortedError(`once ${JSON.stringify(key)}: the caller aborted it before any work began`, {
    cause: signal.reason,
  });
}
