import { GrowingInts, StateTable } from "./state-table.ts";

/** Thrown by a world when a step or a state breaks a rule. */
export class Violation extends Error {
  override readonly name = "Violation";
  /** Which rule, in a few words that do not change. */
  readonly rule: string;

  constructor(rule: string, details: string) {
    super(details === "" ? rule : `${rule}: ${details}`);
    this.rule = rule;
  }
}

/** Takes one step's outcome. `next` is the world's own scratch, copied before the call returns. */
export type Visit = (next: Int32Array, isProgress: boolean) => void;

/** Something with states and steps. A state is a fixed number of 32-bit words; equal states have equal words. */
export interface World {
  readonly words: number;
  /** The label of the step that is being taken, for traces. */
  readonly step: string;
  /**
   * `always`: however the steps that are no faults follow each other, all ends well. `possible`: from every state
   * there is a way to a good end by such steps.
   */
  readonly promise: "always" | "possible";
  initial(): Int32Array;
  /** The one state that stands for all that are alike. May be the world's own scratch. */
  canonical(state: Int32Array): Int32Array;
  /**
   * Visits every step from a state; throws a {@link Violation} when the state or a step breaks a rule. `isProgress`
   * says that it is a step that the protocol takes by itself, no fault and nobody's whim.
   */
  expand(state: Int32Array, visit: Visit): void;
  /** Whether everybody got what he wanted. */
  isFinished(state: Int32Array): boolean;
  describe(state: Int32Array): string;
}

/** What a search found. */
export interface Findings {
  readonly states: number;
  readonly transitions: number;
  /** Steps of the longest of the shortest ways to a state. */
  readonly depth: number;
  /** Whether every reachable state was visited. */
  readonly isComplete: boolean;
  readonly violation: FoundViolation | undefined;
}

/** A broken rule, and the shortest way to it. */
export interface FoundViolation {
  readonly rule: string;
  readonly message: string;
  /** One line for each step: what happened, and the state after it. */
  readonly trace: readonly string[];
}

/**
 * Visits every reachable state, the nearest first, and then looks whether all of them can end well. States are
 * compared in full, not by a hash. Ends at the first violation, which is therefore one with a shortest trace.
 */
export function search(world: World, statesMax = Number.POSITIVE_INFINITY): Findings {
  return new Search(world, statesMax).run();
}

const never = 0xffff_ffff;

class Search {
  readonly #world: World;
  readonly #statesMax: number;
  readonly #table: StateTable;
  readonly #parents = new GrowingInts();
  readonly #edges = new GrowingInts();
  readonly #edgesEnd = new GrowingInts();
  #transitions = 0;
  #depth = 0;

  constructor(world: World, statesMax: number) {
    this.#world = world;
    this.#statesMax = statesMax;
    this.#table = new StateTable(world.words);
  }

  run(): Findings {
    const world = this.#world;
    const table = this.#table;
    table.add(world.canonical(world.initial()));
    this.#parents.push(never);
    let levelEnd = 1;
    let index = 0;
    const visit: Visit = (next, isProgress) => {
      const target = table.add(world.canonical(next));
      if (target === this.#parents.length) this.#parents.push(index);
      this.#transitions += 1;
      // A step that changes nothing helps nobody.
      if (isProgress && target !== index) this.#edges.push(target);
    };
    for (; index < table.size && table.size <= this.#statesMax; index += 1) {
      if (index === levelEnd) {
        levelEnd = table.size;
        this.#depth += 1;
      }
      try {
        world.expand(table.at(index), visit);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        return this.#findings(this.#found(error, index));
      }
      this.#edgesEnd.push(this.#edges.length);
    }
    if (index < table.size) return this.#findings(undefined, false);
    return this.#findings(this.#judgeProgress());
  }

  #findings(violation: FoundViolation | undefined, isComplete = violation === undefined): Findings {
    const { size: states } = this.#table;
    return { states, transitions: this.#transitions, depth: this.#depth, isComplete, violation };
  }

  #judgeProgress(): FoundViolation | undefined {
    const isDone = this.#finished();
    const stuck = this.#firstStuck(isDone);
    if (stuck !== undefined)
      return this.#found(new Violation("nobody is stuck", "no step leads on from here"), stuck);
    const lost = this.#firstWithoutEnd(isDone);
    if (lost !== undefined)
      return this.#found(new Violation("nobody starves", "no way leads to a good end from here"), lost);
    const turning = this.#world.promise === "always" ? this.#firstInCycle() : undefined;
    if (turning === undefined) return undefined;
    return this.#found(new Violation("nobody starves", "steps may repeat for ever from here"), turning);
  }

  #finished(): Uint8Array {
    const isDone = new Uint8Array(this.#table.size);
    for (let index = 0; index < isDone.length; index += 1) {
      if (this.#world.isFinished(this.#table.at(index))) isDone[index] = 1;
    }
    return isDone;
  }

  #edgesFrom(index: number): readonly [start: number, end: number] {
    return [index === 0 ? 0 : this.#edgesEnd.at(index - 1), this.#edgesEnd.at(index)];
  }

  #firstStuck(isDone: Uint8Array): number | undefined {
    for (let index = 0; index < isDone.length; index += 1) {
      const [start, end] = this.#edgesFrom(index);
      if (isDone[index] === 0 && start === end) return index;
    }
    return undefined;
  }

  /** Spreads "ends well" backwards until nothing changes; most steps lead to higher indices, so few rounds do. */
  #firstWithoutEnd(isDone: Uint8Array): number | undefined {
    const endsWell = isDone.slice();
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (let index = endsWell.length - 1; index >= 0; index -= 1) {
        if (endsWell[index] === 1) continue;
        const [start, end] = this.#edgesFrom(index);
        for (let edge = start; edge < end; edge += 1) {
          if (endsWell[this.#edges.at(edge)] === 0) continue;
          endsWell[index] = 1;
          isChanged = true;
          break;
        }
      }
    }
    const lost = endsWell.indexOf(0);
    return lost < 0 ? undefined : lost;
  }

  /** Takes away states that no other leads to, again and again (Kahn 1962). What remains goes round in circles. */
  #firstInCycle(): number | undefined {
    const arrivals = new Uint32Array(this.#table.size);
    for (let edge = 0; edge < this.#edges.length; edge += 1) {
      const target = this.#edges.at(edge);
      arrivals[target] = (arrivals[target] ?? 0) + 1;
    }
    const free = new GrowingInts();
    for (let index = 0; index < arrivals.length; index += 1) if (arrivals[index] === 0) free.push(index);
    for (let next = 0; next < free.length; next += 1) {
      const [start, end] = this.#edgesFrom(free.at(next));
      for (let edge = start; edge < end; edge += 1) {
        const target = this.#edges.at(edge);
        const left = (arrivals[target] ?? 0) - 1;
        arrivals[target] = left;
        if (left === 0) free.push(target);
      }
    }
    if (free.length === arrivals.length) return undefined;
    return arrivals.findIndex((count) => count > 0);
  }

  /** The shortest way to a state, and what happens next if that breaks a rule. */
  #found(violation: Violation, index: number): FoundViolation {
    const world = this.#world;
    const trace = [`at first: ${world.describe(world.initial())}`];
    const last = this.#retrace(index, trace);
    const broken = takeSteps(world, last, () => {});
    const { rule, message } = broken ?? violation;
    // A state that breaks a rule does so before any step from it.
    const step = broken === undefined || world.step === "" ? "" : `${world.step}: `;
    trace.push(`${step}against the rule! ${message}`);
    return { rule, message, trace };
  }

  /**
   * Only parents are stored: which step led from one to the next is found by taking them all again. It goes from state
   * to state as they are, and not as what stands for them, so that nobody changes his name on the way.
   */
  #retrace(last: number, trace: string[]): Int32Array {
    const world = this.#world;
    const path: number[] = [];
    for (let index = last; index !== never; index = this.#parents.at(index)) path.unshift(index);
    let state = world.initial();
    for (const index of path.slice(1)) {
      const target = this.#table.at(index);
      let found: { readonly state: Int32Array; readonly step: string } | undefined;
      takeSteps(world, state, (next) => {
        if (found !== undefined || !isEqual(world.canonical(next), target)) return;
        found = { state: next.slice(), step: world.step };
      });
      if (found === undefined) throw new RangeError("a state has no step that leads to it");
      state = found.state;
      trace.push(`${found.step}: ${world.describe(state)}`);
    }
    return state;
  }
}

/** Takes the steps from a state, up to one that breaks a rule; answers how. */
function takeSteps(world: World, state: Int32Array, visit: Visit): Violation | undefined {
  try {
    world.expand(state, visit);
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

function isEqual(left: Int32Array, right: Int32Array): boolean {
  return left.every((value, index) => value === right[index]);
}
