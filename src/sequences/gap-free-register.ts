import type { AddOperation } from "../core/backend.ts";
import {
  InvalidArgumentError,
  type LeaseholdError,
  LeaseLostError,
  OutcomeUnknownError,
  UnavailableError,
} from "../core/errors.ts";
import { ForgottenError } from "../core/forgotten-error.ts";
import { reachesBack } from "../core/stamps.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { AcquireRequest } from "../roster/acquisition.ts";
import type { HeldGrant } from "../roster/grant.ts";
import { type Roster, standing } from "../roster/roster.ts";
import { untilItFails } from "../roster/roster-change.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { blocksKey } from "./counter-source.ts";
import { checkRoom, type GapFreeNote, noteIn, recentMax, usedBy, withUsed } from "./gap-free-note.ts";
import type { NumberSource } from "./number-source.ts";

/** What a register works with. */
export interface RegisterContext {
  readonly host: RosterHost;
  readonly records: RecordHost;
  readonly name: string;
  readonly start: number;
}

type Asked = Pick<AcquireRequest, "waitMs" | "signal" | "metadata">;
type Queue = ReturnType<RosterHost["queue"]>;

/** A turn to work with the next number. */
export interface NumberTurn {
  readonly grant: HeldGrant;
  readonly queue: Queue;
}

const forever: Asked = { waitMs: Number.POSITIVE_INFINITY, signal: undefined, metadata: undefined };

/**
 * The register of a sequence without gaps: a roster that remembers the last number that was used. A number is used by
 * one conditional write of the record, which expects the number before it, and that whoever worked with it still stands
 * there. Whatever comes late is refused, and can neither skip a number nor use it twice.
 */
export class GapFreeRegister implements NumberSource {
  readonly subject: string;
  readonly #context: RegisterContext;
  /** The largest number that this process knows to be used: a record that was wiped does not lead below it. */
  #floor: number;
  #isOpened = false;
  #queue: Queue | undefined;
  /** What an operation whose answer was lost was to follow, for as long as somebody may repeat it. */
  readonly #doubtful = new WeakMap<AddOperation, GapFreeNote["recent"]>();

  constructor(context: RegisterContext) {
    this.#context = context;
    this.subject = `the sequence ${JSON.stringify(context.name)}`;
    this.#floor = context.start - 1;
  }

  /** The last number that counts as used, as one read shows it. */
  async last(): Promise<number> {
    const queue = await this.#open();
    return this.#noteIn(await queue.board.read()).used;
  }

  /**
   * Uses numbers at once, without any work: in one write where nobody works with a number, else when it is our turn.
   *
   * @throws OutcomeUnknownError that is not retryable when an earlier call with this operation got no answer, and so many
   * numbers were used since that nothing tells whether it used some.
   */
  async take(count: number, operation: AddOperation): Promise<number> {
    const queue = await this.#open();
    const { writer, sequence } = operation;
    const token = `${writer}:${sequence}`;
    let last: number | undefined;
    /** `undefined`: the write that was sent last uses none. */
    let tried: GapFreeNote["recent"] | undefined;
    const isWanted = (failure?: LeaseholdError): boolean => {
      const isFirst = failure instanceof OutcomeUnknownError && !this.#doubtful.has(operation);
      if (isFirst && tried !== undefined) this.#doubtful.set(operation, tried);
      return untilItFails(failure);
    };
    const use = (roster: Roster, mayUse: boolean): Roster => {
      const note = this.#noteIn(roster);
      tried = undefined;
      last = usedBy(note, token);
      if (last !== undefined || !mayUse) return roster;
      const before = this.#doubtful.get(operation);
      if (before !== undefined && !reachesBack(note.recent, before, recentMax))
        throw new ForgottenError(this.subject);
      tried = note.recent;
      last = note.used + count;
      return this.#withUsed(roster, note, count, token, `${writer}:`);
    };
    const { known } = queue.board;
    if (known === undefined || isFree(known)) {
      await queue.change((roster) => use(roster, isFree(roster)), isWanted);
      if (last !== undefined) return this.#know(last);
    }
    const grant = await this.#acquire(queue, forever);
    await changeAndRelease(queue, grant, (roster) => use(roster, isHeldBy(roster, grant)), isWanted);
    if (last !== undefined) return this.#know(last);
    throw new UnavailableError(`${this.subject} was lost before a number of it was used; nothing was used`);
  }

  async giveBack(first: number, last: number, writer: string): Promise<void> {
    await this.#queue?.change((roster) => {
      const note = this.#noteIn(roster);
      const isLast = note.used === last && note.recent.at(-1)?.[0].startsWith(`${writer}:`) === true;
      if (!isLast || !isFree(roster)) return roster;
      this.#floor = Math.min(this.#floor, first - 1);
      return { ...roster, note: { used: first - 1, recent: note.recent } };
    });
  }

  /** Waits for the turn to work with the next number. */
  async enter(asked: Asked): Promise<NumberTurn> {
    const queue = await this.#open();
    return { queue, grant: await this.#acquire(queue, asked) };
  }

  /** The number that a holder is to work with. It changes by nobody else's doing while the holder stands there. */
  async numberFor({ grant, queue }: NumberTurn): Promise<number> {
    let roster = queue.board.known;
    if (roster === undefined || !isHeldBy(roster, grant)) roster = await queue.board.read();
    // A read may be stale; a write is not.
    if (!isHeldBy(roster, grant)) roster = await queue.change((current) => current);
    if (!isHeldBy(roster, grant)) {
      throw new LeaseLostError(`${this.subject} was taken from its holder before any work began`);
    }
    const note = this.#noteIn(roster);
    checkRoom(this.subject, note, 1);
    return note.used + 1;
  }

  /**
   * Uses the number that a holder has worked with, and gives the turn to the next one, in one write. Again while the
   * store fails, until the lease ends.
   *
   * @throws LeaseLostError when the number does not count as used by this work.
   */
  async confirm({ grant, queue }: NumberTurn, number: number): Promise<void> {
    const { holder, session } = grant;
    const token = `${holder.session}:${holder.ticket}`;
    let outcome = "refused" as "used" | "refused" | "forgotten";
    let tried: GapFreeNote["recent"] | undefined;
    let doubtful: GapFreeNote["recent"] | undefined;
    const change = (roster: Roster): Roster => {
      const note = this.#noteIn(roster);
      tried = undefined;
      if (usedBy(note, token) === number) outcome = "used";
      else if (isHeldBy(roster, grant) && note.used === number - 1) {
        outcome = "used";
        tried = note.recent;
        return this.#withUsed(roster, note, 1, token);
      } else
        outcome =
          doubtful !== undefined && !reachesBack(note.recent, doubtful, recentMax) ? "forgotten" : "refused";
      return roster;
    };
    const isWanted = (failure?: LeaseholdError): boolean => {
      if (failure instanceof OutcomeUnknownError) doubtful ??= tried;
      return failure === undefined || session.lost === undefined;
    };
    try {
      await changeAndRelease(queue, grant, change, isWanted);
    } catch (error) {
      if (session.lost === undefined) throw error;
      throw unconfirmed(this.subject, number, doubtful !== undefined ? "may" : "does", error);
    }
    if (outcome !== "used") {
      throw unconfirmed(this.subject, number, outcome === "forgotten" ? "may" : "does", session.lost);
    }
    this.#know(number);
  }

  #acquire(queue: Queue, asked: Asked): Promise<HeldGrant> {
    const { host, name } = this.#context;
    return queue.acquire({ name, ttlMs: host.ttlMs, weight: 1, capacity: 1, ...asked });
  }

  async #open(): Promise<Queue> {
    const { host, records, name } = this.#context;
    if (!this.#isOpened) {
      const [blocks] = await records.backend.get([blocksKey(host.namespace, name)]);
      if (blocks != null) {
        throw new InvalidArgumentError(
          `${this.subject} is one that may have gaps: open it without gapFree, or use another name. Its numbers and ` +
            "those of a sequence without gaps would be the same ones",
        );
      }
      this.#isOpened = true;
    }
    this.#queue = host.queue(targetOf(name));
    return this.#queue;
  }

  #noteIn(roster: Roster): GapFreeNote {
    const note = noteIn(this.subject, roster, this.#context.start);
    return note.used >= this.#floor ? note : { ...note, used: this.#floor };
  }

  #withUsed(roster: Roster, note: GapFreeNote, count: number, token: string, over?: string): Roster {
    checkRoom(this.subject, note, count);
    return withUsed(roster, note, count, token, over);
  }

  #know(used: number): number {
    this.#floor = Math.max(this.#floor, used);
    return used;
  }
}

/** The roster of a sequence without gaps. Its note must never be collected. */
export function targetOf(name: string) {
  return { kind: "sequence", name, isShared: false, idleTtlMs: Number.POSITIVE_INFINITY } as const;
}

function isFree({ holders, waiters }: Roster): boolean {
  return holders.length + waiters.length === 0;
}

function isHeldBy(roster: Roster, { holder }: HeldGrant): boolean {
  return standing(roster, holder).place === "holder";
}

/** A change, and the release after it: given in the same turn, they ride in the same write, and again after a failure. */
async function changeAndRelease(
  queue: Queue,
  grant: HeldGrant,
  change: (roster: Roster) => Roster,
  isWanted = untilItFails,
): Promise<void> {
  const changing = queue.change(change, isWanted);
  const [changed] = await Promise.allSettled([changing, grant.release()]);
  if (changed.status === "rejected") throw changed.reason;
}

function unconfirmed(subject: string, number: number, doubt: "may" | "does", cause: unknown): LeaseLostError {
  const what =
    doubt === "may"
      ? "Nobody can say whether it counts as used"
      : "It does not count as used by this work, and is given to somebody else";
  return new LeaseLostError(
    `the lease on ${subject} was lost before number ${number} could be confirmed. ${what}: look at what the work wrote ` +
      "with this number before you write it again with another",
    { cause },
  );
}
