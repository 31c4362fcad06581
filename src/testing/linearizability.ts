import { InvalidArgumentError } from "../core/errors.ts";
import { search } from "./linearizability/search.ts";
import { layOut } from "./linearizability/timeline.ts";

/**
 * What a correct object does when it is asked one thing after the other: the specification that a history is
 * judged by. Pure: `step` changes nothing, and answers the same every time.
 *
 * An operation carries its arguments and what its caller was told. A result that nobody learned is left out of it
 * (`undefined`); `step` then takes the one step that the state allows.
 */
export interface SequentialModel<State, Operation> {
  /** The state before the first operation. */
  readonly initial: State;
  /** The state after `operation`; `undefined` when its result cannot come from `state`. */
  step(state: State, operation: Operation): State | undefined;
  /** The same for equal states, and for no others. Short ones are fast. */
  key(state: State): string | number;
  /**
   * Whether an operation never changes any state. Makes the search faster: such an operation is placed as soon as
   * its result fits, and nothing else is tried in its stead. Default: nothing is known to be a read.
   */
  isRead?(operation: Operation): boolean;
  /**
   * The same for operations that do the same in every state, such as two adds of 1; `undefined` for one that is
   * like no other. Asked only of operations of unknown outcome, of which one that changes nothing is the same as one
   * that is not allowed. Makes the search faster: of those that are alike, the first to be called is tried first.
   */
  likeness?(operation: Operation): string | number | undefined;
}

/**
 * One operation of a history, with the time it was called and the time its caller had the answer, on one clock for
 * the whole history. Of two operations, the one that returned *before* the other was called came first; everything
 * else overlaps, equal times included. Where the order of events is known, number them instead of timing them.
 */
export interface HistoryEntry<Operation> {
  readonly operation: Operation;
  readonly calledAt: number;
  /**
   * `Infinity`: the outcome is unknown. The operation takes effect at any time after its call, or never. That is
   * also how a step that nobody asked for is written down, such as the expiry of a lease: called at the earliest
   * instant at which it may happen.
   */
  readonly returnedAt: number;
}

/** Options of {@link checkLinearizability}. */
export interface LinearizabilityOptions<Operation> {
  /**
   * Splits the history into parts that have nothing to do with each other, such as one for each key: operations
   * with the same answer belong together. Each part begins in the model's initial state. Default: one part.
   */
  readonly partition?: (operation: Operation) => string | number;
  /**
   * How much may be tried for each part, at least 1: calls of the model's `step`, and comparisons with what was
   * tried before. Bounds time and memory: up to some 100 bytes for each, and a state. Default: 5,000,000.
   */
  readonly stepsMax?: number;
}

/** What {@link checkLinearizability} found out. Only `linearizable` is good news. */
export type LinearizabilityVerdict<State, Operation> =
  | {
      readonly verdict: "linearizable";
      /** One order that explains every result, part after part. Leaves out what need not have happened. */
      readonly order: readonly HistoryEntry<Operation>[];
      readonly steps: number;
    }
  | {
      readonly verdict: "not linearizable";
      /** The part that has no explanation; `undefined` without `partition`. */
      readonly part: string | number | undefined;
      /**
       * The earliest operation that cannot be explained: up to the moment just before it returned there is an
       * order that explains every result, and with its result there is none.
       */
      readonly blocked: HistoryEntry<Operation>;
      /** Such an order up to there. */
      readonly prefix: readonly HistoryEntry<Operation>[];
      /** The state after `prefix`. */
      readonly state: State;
      readonly steps: number;
    }
  | {
      /** Neither was found within `stepsMax`. Nothing is known: count it as a failure. */
      readonly verdict: "exhausted";
      readonly part: string | number | undefined;
      readonly steps: number;
    };

const stepsMaxDefault = 5_000_000;

/**
 * Decides whether a history of concurrent operations is linearizable: whether each of them can have taken effect at
 * one instant between its call and its return, so that all results are those of `model`. Black box: it sees what
 * callers saw and nothing else.
 *
 * Guarantee: `linearizable` and `not linearizable` are exact, whatever the order of `history`. Limits: the problem
 * is NP-complete, so a search has a budget, and running out of it is a verdict of its own. A few clients with some
 * hundred operations for each part take some milliseconds; many operations that overlap, each leading to another
 * state, may take more than anybody has.
 *
 * Source: Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with the memory of configurations of
 * Lowe, "Testing for Linearizability" (2017), extended by operations that need not happen.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) when a time is not a number, when an operation returned before
 * it was called, or when `stepsMax` is not a whole number from 1 on.
 * @example
 * ```ts
 * import { checkLinearizability, counterModel } from "leasehold/testing";
 * const add = { operation: { kind: "add", delta: 1, sum: undefined }, calledAt: 1, returnedAt: Infinity } as const;
 * const get = { operation: { kind: "get", sum: 1 }, calledAt: 2, returnedAt: 3 } as const;
 * const late = { operation: { kind: "get", sum: 0 }, calledAt: 4, returnedAt: 5 } as const;
 * console.log(checkLinearizability(counterModel(), [add, get]).verdict); // linearizable
 * const found = checkLinearizability(counterModel(), [add, get, late]);
 * console.log(found.verdict, found.verdict === "not linearizable" && found.blocked === late); // not linearizable true
 * ```
 */
export function checkLinearizability<State, Operation>(
  model: SequentialModel<State, Operation>,
  history: readonly HistoryEntry<Operation>[],
  options: LinearizabilityOptions<Operation> = {},
): LinearizabilityVerdict<State, Operation> {
  const { partition, stepsMax = stepsMaxDefault } = options;
  if (!Number.isSafeInteger(stepsMax) || stepsMax < 1) {
    throw new InvalidArgumentError(`stepsMax must be a whole number from 1 on; got ${stepsMax}`);
  }
  for (const entry of history) checkTimes(entry);
  const order: HistoryEntry<Operation>[] = [];
  let steps = 0;
  let exhausted: string | number | undefined | null = null;
  for (const [part, entries] of split(history, partition)) {
    const found = search(model, layOut(model, entries), stepsMax);
    steps += found.steps;
    if (found.outcome === "not linearizable") {
      const { blocked, prefix, state } = found;
      return { verdict: "not linearizable", part, blocked, prefix, state, steps };
    }
    if (found.outcome === "exhausted") exhausted = part;
    else for (const entry of found.order) order.push(entry);
  }
  if (exhausted !== null) return { verdict: "exhausted", part: exhausted, steps };
  return { verdict: "linearizable", order, steps };
}

function split<Operation>(
  history: readonly HistoryEntry<Operation>[],
  partition: ((operation: Operation) => string | number) | undefined,
): ReadonlyMap<string | number | undefined, readonly HistoryEntry<Operation>[]> {
  if (partition === undefined) return new Map([[undefined, history]]);
  const parts = new Map<string | number | undefined, HistoryEntry<Operation>[]>();
  for (const entry of history) {
    const part = partition(entry.operation);
    const entries = parts.get(part);
    if (entries === undefined) parts.set(part, [entry]);
    else entries.push(entry);
  }
  return parts;
}

function checkTimes({ operation, calledAt, returnedAt }: HistoryEntry<unknown>): void {
  // A comparison with NaN is false.
  if (Number.isFinite(calledAt) && returnedAt >= calledAt) return;
  throw new InvalidArgumentError(
    `an operation must be called at a finite time and return no earlier; got ${calledAt} and ${returnedAt} for ` +
      (JSON.stringify(operation) ?? String(operation)),
  );
}
