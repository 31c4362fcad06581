import { describe } from "../core/durations.ts";
import { InvalidArgumentError, OutcomeUnknownError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import type { Patience } from "../roster/pending-answer.ts";
import type { Roster } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { close, count, type LatchNote, latchIn, missing, withLatch } from "./latch-note.ts";
import { type BarrierWaitOptions, checkCount, mismatch, readPatience } from "./wait-options.ts";

/** Options of {@link Latch.countDown}. */
export interface CountDownOptions extends BarrierWaitOptions {
  /**
   * Who counts: text of at most 64 bytes. The same one counts once in a round, however often it calls and from
   * wherever. Left out: each call counts.
   */
  readonly id?: string;
}

/**
 * Opens when it was counted down so many times, and lets everybody through from then on: a deploy that waits for its
 * ten migrations, a test that waits for its workers.
 *
 * Each call counts once, whatever becomes of its requests. Counts stay when the process that made them dies: who counts
 * says that something is done. For something that is only true while a process lives, use a barrier.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const migrated = coordinator.latch("migrated", 2);
 * const waiting = migrated.wait({ wait: "5s" });
 * console.log(await migrated.countDown({ id: "orders" })); // 1
 * console.log(await migrated.countDown({ id: "orders" })); // 1
 * console.log(await migrated.countDown({ id: "invoices" })); // 0
 * await waiting;
 * ```
 */
export interface Latch {
  readonly name: string;
  /**
   * Counts once, and answers how many counts are missing then. One write, and one read where the record is not known.
   * Tried until the store answers. Open already: nothing happens.
   *
   * @throws LimitMismatchError (`LIMIT_MISMATCH`) when the latch was opened with another count.
   * @throws UnavailableError, OutcomeUnknownError when the store failed for all of `wait`, AbortedError when `signal`
   * fired. It may have counted, or count yet: call again with the same `id` to be sure.
   */
  countDown(options?: CountDownOptions): Promise<number>;
  /**
   * Resolves when the latch is open, or was since this call. Writes nothing, and leaves nothing behind.
   *
   * @throws LimitMismatchError as {@link Latch.countDown}.
   * @throws AcquireTimeoutError (`ACQUIRE_TIMEOUT`) when `wait` is over, AbortedError (`ABORTED`) when `signal` fires.
   */
  wait(options?: BarrierWaitOptions): Promise<void>;
  /** How many counts are missing. One read; may be stale. */
  remaining(): Promise<number>;
  /**
   * Closes an open latch for another round, with the same count; who still waits from the last one goes through. Not
   * open: nothing happens. Answers whether it is closed by this call, or by another one at the same time. One write.
   *
   * Where a party may come late and count for the last round, use a name for each round instead.
   */
  reset(options?: BarrierWaitOptions): Promise<boolean>;
}

/** A latch as an attempt to change it met it. */
interface Meeting {
  readonly latch: LatchNote;
  /** It was known before the call, and may have changed since: then the attempt meets a conflict, and there is another. */
  readonly isFromBefore: boolean;
}

const countMax = 1_000;
const idBytesMax = 64;
const quoteBytes = 2;
/** Half a year of a deploy that nobody finishes. */
const idleTtlMs = 180 * 86_400_000;

/**
 * Makes a {@link Latch}. It holds no state: two of the same name are the same latch.
 *
 * @throws InvalidArgumentError for an illegal name or count.
 */
export function createLatch(host: RosterHost, name: string, total: number): Latch {
  checkName("a latch's name", name);
  checkCount("the count of a latch", total, countMax);
  const shown = `the latch ${JSON.stringify(name)}`;
  const { runtime, ttlMs } = host;
  const board = () => host.queue({ kind: "latch", name, isShared: true, idleTtlMs }).board;
  const opened = (roster: Roster): Roster => {
    if (roster.capacity === 0) return { ...roster, capacity: total };
    if (roster.capacity === total) return roster;
    throw mismatch(`${shown} takes`, "counts", roster.capacity, total);
  };
  const latchOf = (roster: Roster): LatchNote => latchIn(name, opened(roster));

  /**
   * Applies a step in the round that stands there, and once it may have been applied in one, in no other. Answers how
   * many counts are missing then, and whether it met an open latch.
   */
  const change = async (patience: Patience, step: (latch: LatchNote) => LatchNote) => {
    const { known } = board();
    let met: Meeting | undefined;
    let wasOpen = false;
    let doubtful: Meeting | undefined;
    const isOver = ({ round }: LatchNote): boolean => doubtful !== undefined && round > doubtful.latch.round;
    const roster = await board().change(
      {
        apply(before) {
          const latch = latchOf(before);
          if (isOver(latch)) return before;
          met = { latch, isFromBefore: met === undefined && known !== undefined };
          wasOpen ||= latch.isOpen && !met.isFromBefore;
          // The round goes on: what may have been applied was in time.
          if (doubtful !== undefined) doubtful = met;
          return withLatch(opened(before), step(latch));
        },
        isSettledIn: (before) => isOver(latchOf(before)),
        onFailure(failure) {
          if (failure instanceof OutcomeUnknownError) doubtful ??= met;
        },
      },
      patience,
    );
    const latch = latchOf(roster);
    // In a round that was read it was applied, or was not needed any more. What was known from before the call may be of
    // a round that was over long ago, and then it was not.
    const isUnknown = isOver(latch) && doubtful?.isFromBefore === true && step(latch) !== latch;
    if (isUnknown) throw overtaken(shown);
    const isLater = met !== undefined && latch.round > met.latch.round;
    return { left: isLater ? 0 : missing(latch, total), wasOpen: wasOpen || met?.latch.isOpen === true };
  };

  return {
    name,
    async countDown(options) {
      const patience = readPatience("countDown", `${shown} was not counted down`, options, ["id"]);
      const id = options?.id === undefined ? runtime.id() : checkId(options.id);
      return (await change(patience, (latch) => count(latch, id, total))).left;
    },
    async wait(options) {
      const patience = readPatience("wait", `${shown} did not open`, options);
      let round: number | undefined;
      await board().until({
        ...{ ...patience, ttlMs },
        find(roster) {
          const latch = latchOf(roster);
          round ??= latch.round;
          return latch.round > round || (latch.round === round && latch.isOpen) ? true : undefined;
        },
      });
    },
    async remaining() {
      return missing(latchOf(await board().read()), total);
    },
    async reset(options) {
      const patience = readPatience("reset", `${shown} was not reset`, options);
      return (await change(patience, close)).wasOpen;
    },
  };
}

function overtaken(shown: string): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `no answer came to a write of ${shown}, which has begun another round since: it was applied in the last one, or ` +
      "never. Look what is missing, and call again if that is one too many",
  );
}

function checkId(id: string): string {
  const isText = typeof id === "string" && id.length > 0 && id.isWellFormed();
  if (isText && Buffer.byteLength(JSON.stringify(id)) - quoteBytes <= idBytesMax) return id;
  throw new InvalidArgumentError(
    `id must be non-empty text of at most ${idBytesMax} bytes as JSON; got ${describe(id)}`,
  );
}
