import { invariant } from "../../core/invariant.ts";
import type { HistoryEntry, SequentialModel } from "../linearizability.ts";
import { InternedStates } from "./interned-states.ts";
import { LinkedLists } from "./linked-lists.ts";
import type { Timeline } from "./timeline.ts";
import { Visited } from "./visited.ts";

/** What came of a search. */
export type SearchResult<State, Operation> = { readonly steps: number } & (
  | { readonly outcome: "linearizable"; readonly order: readonly HistoryEntry<Operation>[] }
  | {
      readonly outcome: "not linearizable";
      readonly blocked: HistoryEntry<Operation>;
      readonly prefix: readonly HistoryEntry<Operation>[];
      readonly state: State;
    }
  | { readonly outcome: "exhausted" }
);

/** Looks for an order of the operations that explains all results. */
export function search<State, Operation>(
  model: SequentialModel<State, Operation>,
  timeline: Timeline<Operation>,
  stepsMax: number,
): SearchResult<State, Operation> {
  return new Search(model, timeline).run(stepsMax);
}

/** Words of a configuration that come before the bits of operations. */
const stateWord = 0;
const frontierWord = 1;
const slotsStart = 2;

/**
 * A depth-first search through the configurations: which operations have taken effect, and the state they led to.
 *
 * Which required operations have taken effect needs few bits. The frontier is the first return of an operation
 * that has not; all that returned before have, nothing that was called later has, and the rest overlap, so that
 * their slots tell them apart. A slot's bit flips whenever one of its operations takes effect: how often those
 * before the frontier did is known.
 */
class Search<State, Operation> {
  readonly #timeline: Timeline<Operation>;
  readonly #states: InternedStates<State, Operation>;
  /** Operations that have not taken effect, by their calls: reads, other required ones, and possible ones. */
  readonly #waiting: LinkedLists;
  /** Required operations that have not taken effect, by their returns. */
  readonly #unreturned: LinkedLists;
  readonly #visited: Visited;
  readonly #configuration: Int32Array;
  readonly #possibleStart: number;
  /** The operations that have taken effect, in their order, and the state before each. */
  readonly #order: Int32Array;
  readonly #statesBefore: Int32Array;
  #depth = 0;
  #required = 0;
  #modelSteps = 0;
  #furthest: { frontier: number; order: Int32Array; state: number } | undefined;

  constructor(model: SequentialModel<State, Operation>, timeline: Timeline<Operation>) {
    const { entries, readsEnd, requiredEnd, slotCount } = timeline;
    const count = entries.length;
    this.#timeline = timeline;
    this.#states = new InternedStates(model);
    this.#waiting = new LinkedLists(count, 3);
    for (let operation = 0; operation < count; operation += 1) {
      const group = operation < readsEnd ? 0 : operation < requiredEnd ? 1 : 2;
      this.#waiting.append(count + group, operation);
    }
    this.#unreturned = new LinkedLists(requiredEnd, 1);
    for (const operation of timeline.returnOrder) this.#unreturned.append(requiredEnd, operation);
    this.#possibleStart = slotsStart + wordsFor(slotCount);
    const possibleWords = wordsFor(count - requiredEnd);
    this.#configuration = new Int32Array(this.#possibleStart + possibleWords);
    this.#visited = new Visited(this.#possibleStart, possibleWords);
    this.#order = new Int32Array(count);
    this.#statesBefore = new Int32Array(count);
  }

  run(stepsMax: number): SearchResult<State, Operation> {
    const { requiredEnd, entries } = this.#timeline;
    this.#moveFrontier();
    let from = this.#firstOf(0);
    while (this.#required < requiredEnd) {
      if (this.#steps > stepsMax) return { outcome: "exhausted", steps: this.#steps };
      if (this.#advance(from)) {
        from = this.#firstOf(0);
        continue;
      }
      this.#noteFurthest();
      from = this.#retreat();
      if (from < 0) return this.#failure();
    }
    const order = this.#entriesOf(this.#order.subarray(0, this.#depth));
    invariant(order.length <= entries.length, "an operation takes effect once");
    return { outcome: "linearizable", order, steps: this.#steps };
  }

  get #steps(): number {
    return this.#modelSteps + this.#visited.comparisons;
  }

  #firstOf(group: number): number {
    const list = this.#timeline.entries.length + group;
    return this.#waiting.nexts[list] ?? list;
  }

  /** Lets an operation take effect: `from`, or one behind it. `false`: none leads anywhere new. */
  #advance(from: number): boolean {
    const { entries, callPositions, requiredEnd } = this.#timeline;
    const count = entries.length;
    const { nexts } = this.#waiting;
    const frontier = this.#configuration[frontierWord] ?? 0;
    let operation = from;
    for (;;) {
      if (operation >= count) {
        // The end of a list: on to the next one.
        if (operation === count + 2) return false;
        operation = nexts[operation + 1] ?? 0;
        continue;
      }
      if ((callPositions[operation] ?? 0) > frontier) {
        // Called after something returned that has not taken effect; so is all that follows.
        operation = this.#endOfList(operation);
        continue;
      }
      if ((operation < requiredEnd || this.#isNextAlike(operation)) && this.#take(operation)) return true;
      operation = nexts[operation] ?? 0;
    }
  }

  #endOfList(operation: number): number {
    const { entries, readsEnd, requiredEnd } = this.#timeline;
    return entries.length + (operation < readsEnd ? 0 : operation < requiredEnd ? 1 : 2);
  }

  /** Whether those like it that were called before have taken effect. */
  #isNextAlike(operation: number): boolean {
    const elder = (this.#timeline.elders[operation] ?? -1) - this.#timeline.requiredEnd;
    return (
      elder < 0 ||
      (((this.#configuration[this.#possibleStart + (elder >> 5)] ?? 0) >> (elder & 31)) & 1) === 1
    );
  }

  /** Lets an operation take effect, if the model allows it and it leads to a new configuration. */
  #take(operation: number): boolean {
    const entry = this.#timeline.entries[operation] as HistoryEntry<Operation>;
    const before = this.#configuration[stateWord] ?? 0;
    this.#modelSteps += 1;
    const after = this.#states.step(before, entry.operation);
    if (after < 0) return false;
    const { requiredEnd, readsEnd } = this.#timeline;
    // What need not happen and changes nothing is better kept for later.
    if (after === before && operation >= requiredEnd) return false;
    invariant(
      after === before || operation >= readsEnd,
      "an operation that isRead leaves the state as it is",
    );
    this.#flip(operation, after);
    if (operation < requiredEnd) this.#moveFrontier();
    this.#order[this.#depth] = operation;
    this.#statesBefore[this.#depth] = before;
    this.#depth += 1;
    if (this.#visited.add(this.#configuration)) return true;
    this.#giveBack();
    return false;
  }

  /** Undoes the last operation that was a choice. Answers where to go on: behind it, or -1 when none is left. */
  #retreat(): number {
    while (this.#depth > 0) {
      const operation = this.#giveBack();
      // To place a read that fits is never wrong, so there is nothing to try in its stead.
      if (operation >= this.#timeline.readsEnd) return this.#waiting.nexts[operation] ?? 0;
    }
    return -1;
  }

  #giveBack(): number {
    this.#depth -= 1;
    const operation = this.#order[this.#depth] ?? 0;
    this.#waiting.unlift(operation);
    if (operation < this.#timeline.requiredEnd) {
      this.#unreturned.unlift(operation);
      this.#required -= 1;
      this.#moveFrontier();
    }
    this.#flipBit(operation);
    this.#configuration[stateWord] = this.#statesBefore[this.#depth] ?? 0;
    return operation;
  }

  #flip(operation: number, after: number): void {
    this.#waiting.lift(operation);
    if (operation < this.#timeline.requiredEnd) {
      this.#unreturned.lift(operation);
      this.#required += 1;
    }
    this.#flipBit(operation);
    this.#configuration[stateWord] = after;
  }

  #flipBit(operation: number): void {
    const { requiredEnd, slots } = this.#timeline;
    const isRequired = operation < requiredEnd;
    const bit = isRequired ? (slots[operation] ?? 0) : operation - requiredEnd;
    const word = (isRequired ? slotsStart : this.#possibleStart) + (bit >> 5);
    this.#configuration[word] = (this.#configuration[word] ?? 0) ^ (1 << (bit & 31));
  }

  #moveFrontier(): void {
    const { requiredEnd, returnPositions } = this.#timeline;
    const first = this.#unreturned.nexts[requiredEnd] ?? requiredEnd;
    this.#configuration[frontierWord] = first === requiredEnd ? 0 : (returnPositions[first] ?? 0);
  }

  #noteFurthest(): void {
    const frontier = this.#configuration[frontierWord] ?? 0;
    if (this.#furthest !== undefined && frontier <= this.#furthest.frontier) return;
    const order = this.#order.slice(0, this.#depth);
    this.#furthest = { frontier, order, state: this.#configuration[stateWord] ?? 0 };
  }

  #failure(): SearchResult<State, Operation> {
    const furthest = this.#furthest;
    invariant(furthest !== undefined, "a search that failed was somewhere");
    const { entries, returnPositions } = this.#timeline;
    const blocked = entries[returnPositions.indexOf(furthest.frontier)];
    invariant(blocked !== undefined, "a search that failed has met a return");
    return {
      outcome: "not linearizable",
      blocked,
      prefix: this.#entriesOf(furthest.order),
      state: this.#states.stateOf(furthest.state),
      steps: this.#steps,
    };
  }

  #entriesOf(order: Int32Array): readonly HistoryEntry<Operation>[] {
    return Array.from(order, (operation) => this.#timeline.entries[operation] as HistoryEntry<Operation>);
  }
}

function wordsFor(bits: number): number {
  return (bits + 31) >> 5;
}
