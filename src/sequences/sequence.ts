import type { Duration } from "../core/durations.ts";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { Pooled } from "../records/record-pool.ts";
import { checkAcquireOptions } from "../roster/acquirer.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { blockSizes } from "./block-size.ts";
import { blocksKey, CounterSource, gapFreeKey } from "./counter-source.ts";
import { GapFreeRegister } from "./gap-free-register.ts";
import { type BlockRule, NumberDispenser } from "./number-dispenser.ts";

/** Options of `coordinator.sequence`. */
export interface SequenceOptions {
  /**
   * How many numbers a process takes at a time, from 1 to 65,536. `1`: numbers rise in real time over all processes, at
   * the cost of a request for each. Default: as many as the process uses in about a second; it begins with 16.
   */
  readonly block?: number;
  /** No number is left out. See {@link GapFreeSequence}. Not together with `block`. Default: false. */
  readonly gapFree?: boolean;
  /**
   * The first number, where the sequence is new: a whole number from 0. Whoever uses the sequence first decides.
   * Default: 1.
   */
  readonly start?: number;
}

/** Options of {@link Sequence.next} and {@link Sequence.take}. */
export interface NextOptions {
  /** Gives up with an `AbortedError` when it fires. */
  readonly signal?: AbortSignal;
}

/**
 * Unique numbers for all processes that use the same name.
 *
 * - Nobody ever gets a number that somebody else got, whatever is lost, killed or closed.
 * - In one process they rise, in the order of the calls. Over several processes they do not: each hands out a block of its
 *   own. With `block: 1` they do: who asks after somebody got a number gets a larger one, wherever both are.
 * - Some are never handed out: the rest of the block of a process that dies. See {@link GapFreeSequence}.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const tickets = coordinator.sequence("tickets");
 * console.log(await tickets.next(), await tickets.take(3)); // 1 [ 2, 3, 4 ]
 * ```
 */
export interface Sequence {
  readonly name: string;
  /**
   * The next number. Mostly without any request: the next block is asked for while there is something left of the last.
   *
   * @throws UnavailableError (`UNAVAILABLE`) when the store failed for ten seconds.
   * @throws LimitExceededError (`LIMIT_EXCEEDED`) after the last number, 2^53 - 1.
   * @throws AbortedError, ClosedError; InvalidArgumentError where others use the name with another `gapFree`.
   */
  next(options?: NextOptions): Promise<number>;
  /** So many numbers at once, 1 to 100,000, rising; not always without a gap between them. Throws as `next` does. */
  take(count: number, options?: NextOptions): Promise<readonly number[]>;
}

/** Options of {@link GapFreeSequence.issue}. */
export interface IssueOptions {
  /** How long to wait for the turn. Default: `Infinity`. */
  readonly wait?: Duration;
  /** Gives up waiting with an `AbortedError` when it fires. Does not stop work that has begun. */
  readonly signal?: AbortSignal;
  /** Shown to those who inspect it. JSON of at most 1,024 bytes. */
  readonly metadata?: Json;
}

/** What the work of {@link GapFreeSequence.issue} is given beside its number. */
export interface IssueContext {
  /** Aborts when the lease is lost: somebody else is given the same number then. */
  readonly signal: AbortSignal;
  /** The fencing token of this turn. */
  readonly fence: number;
}

/** Numbers without gaps, one after the other. */
export interface GapFreeSequence extends Sequence {
  /**
   * Runs work with the next number, one work at a time in all processes, in order of arrival. The number counts as used
   * when the work has returned and that is written down. Work that throws, or a process that dies, leaves the number to
   * the next one, who may see what the one before wrote with it: the work must write conditionally (insert if absent).
   * Answers what the work answers.
   *
   * @throws what the work throws.
   * @throws LeaseLostError (`LEASE_LOST`) when the lease was lost, and the number does not, or may not, count as used.
   * @throws AcquireTimeoutError, AbortedError and the rest as `Lock.acquire` does; LimitExceededError after 2^53 - 1.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const orders = new Map<number, string>(); // a table with a unique number
   * const numbers = coordinator.sequence("orders", { gapFree: true });
   *
   * async function place(order: string): Promise<number> {
   *   for (;;) {
   *     const number = await numbers.issue(async (number) => {
   *       if (!orders.has(number)) orders.set(number, order); // insert if absent
   *       return number;
   *     });
   *     // Somebody died right after the insert: that number is theirs, and this order gets the next one.
   *     if (orders.get(number) === order) return number;
   *   }
   * }
   * console.log(await place("apples"), await place("pears")); // 1 2
   * ```
   */
  issue<R>(
    work: (number: number, context: IssueContext) => Promise<R> | R,
    options?: IssueOptions,
  ): Promise<R>;
  /** The last number that counts as used; the one before the first, if none does. One read; may be stale. */
  last(): Promise<number>;
}

/** Where a sequence gets everything it needs. */
export interface SequenceHost {
  readonly rosters: RosterHost;
  readonly records: RecordHost;
}

const takeMax = 100_000;

/**
 * Makes a {@link Sequence}. It holds no state: those of the same name and options share what their coordinator knows.
 *
 * @throws InvalidArgumentError for an illegal name or options out of range.
 */
export function createSequence(
  host: SequenceHost,
  name: string,
  options: SequenceOptions & { readonly gapFree: true },
): GapFreeSequence;
export function createSequence(host: SequenceHost, name: string, options?: SequenceOptions): Sequence;
export function createSequence(
  host: SequenceHost,
  name: string,
  options: SequenceOptions = {},
): Sequence | GapFreeSequence {
  checkName("a sequence's name", name);
  const { block, gapFree, start } = readOptions(options);
  return gapFree ? gapFreeSequence(host, name, start) : blockSequence(host.records, name, block, start);
}

function blockSequence(host: RecordHost, name: string, rule: BlockRule, start: number): Sequence {
  const key = `${blocksKey(host.namespace, name)} ${rule}`;
  return sequenceOf(name, () =>
    host.pooled(key, () => new NumberDispenser(host.runtime, new CounterSource(host, name, start), rule)),
  );
}

/** All that one process keeps for a sequence without gaps. */
class GapFreeNumbers implements Pooled {
  readonly register: GapFreeRegister;
  readonly dispenser: NumberDispenser;

  constructor({ rosters, records }: SequenceHost, name: string, start: number) {
    this.register = new GapFreeRegister({ host: rosters, records, name, start });
    this.dispenser = new NumberDispenser(records.runtime, this.register, "demand");
  }

  get isBusy(): boolean {
    return this.dispenser.isBusy;
  }

  close(): Promise<void> {
    return this.dispenser.close();
  }
}

function gapFreeSequence(host: SequenceHost, name: string, start: number): GapFreeSequence {
  const { rosters, records } = host;
  const key = gapFreeKey(records.namespace, name);
  const numbers = (): GapFreeNumbers => records.pooled(key, () => new GapFreeNumbers(host, name, start));
  return {
    ...sequenceOf(name, () => numbers().dispenser),
    async issue(work, options) {
      if (typeof work !== "function") {
        throw new InvalidArgumentError(`issue needs a function to run first; got ${describe(work)}`);
      }
      const asked = checkAcquireOptions("issue", options, ["wait", "signal", "metadata"]);
      const { register } = numbers();
      const turn = await register.enter(asked);
      const { grant } = turn;
      try {
        return await rosters.whileHolding([grant], async () => {
          const number = await register.numberFor(turn);
          const result = await work(number, { signal: grant.signal, fence: grant.fence });
          await register.confirm(turn, number);
          return result;
        });
      } finally {
        // Where it was not confirmed, the number goes to the next one.
        await grant[Symbol.asyncDispose]();
      }
    },
    last: async () => numbers().register.last(),
  };
}

function sequenceOf(name: string, dispenser: () => NumberDispenser): Sequence {
  const take = async (what: string, count: number, options?: NextOptions): Promise<readonly number[]> => {
    checkOptions(what, options, ["signal"]);
    checkSignal(options?.signal);
    if (!Number.isSafeInteger(count) || count < 1 || count > takeMax) {
      throw new InvalidArgumentError(
        `take needs a number of numbers from 1 to ${takeMax}, as a whole number; got ${describe(count)}`,
      );
    }
    return dispenser().take(count, options?.signal);
  };
  return {
    name,
    async next(options) {
      const [number] = await take("next", 1, options);
      return number as number;
    },
    take: (count, options) => take("take", count, options),
  };
}

function readOptions(options: SequenceOptions): {
  readonly block: BlockRule;
  readonly gapFree: boolean;
  readonly start: number;
} {
  checkOptions("sequence", options, ["block", "gapFree", "start"]);
  const { block, gapFree = false, start = 1 } = options;
  if (typeof gapFree !== "boolean") {
    throw new InvalidArgumentError(`gapFree must be true or false; got ${describe(gapFree)}`);
  }
  if (!Number.isSafeInteger(start) || start < 0) {
    throw new InvalidArgumentError(
      `start must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}; got ${describe(start)}`,
    );
  }
  if (block === undefined) return { block: "adaptive", gapFree, start };
  if (!Number.isSafeInteger(block) || block < 1 || block > blockSizes.max) {
    throw new InvalidArgumentError(
      `block must be a whole number from 1 to ${blockSizes.max}; got ${describe(block)}`,
    );
  }
  if (gapFree) {
    throw new InvalidArgumentError(
      "a sequence without gaps takes no blocks: leave out block, or gapFree. The rest of a block is a gap when its " +
        "process dies",
    );
  }
  return { block: block === 1 ? "exact" : block, gapFree, start };
}
