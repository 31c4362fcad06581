import type { Unsubscribe } from "../core/backend.ts";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError, type LeaseLostError } from "../core/errors.ts";
import type { Grant, GrantState } from "./grant.ts";

/** What became of a grant. */
export interface GrantChange {
  /** What it is now. `held` comes only after `uncertain`. */
  readonly state: GrantState;
  readonly grant: Grant;
  /** Why, if it is `lost`. */
  readonly reason?: LeaseLostError;
}

/** Called when a grant changes its state. What it throws is an uncaught exception, as in any event listener. */
export type GrantListener = (change: GrantChange) => void;

/** What events are about. */
export interface EventSource {
  readonly grant: Grant;
  /** Why it was lost, if it was. */
  loss(): LeaseLostError | undefined;
  /** Tells of `held` and `uncertain` until it is unsubscribed. */
  watch(tell: (state: "held" | "uncertain") => void): Unsubscribe;
}

const states: readonly GrantState[] = ["held", "uncertain", "lost", "released"];

/** The listeners of one grant. Made only for those that have any. */
export class GrantEvents {
  readonly #source: EventSource;
  readonly #listeners = new Map<GrantState, Set<GrantListener>>();
  #unwatch: Unsubscribe | undefined;

  constructor(source: EventSource) {
    this.#source = source;
  }

  /** Listens for one state. An end that has come already is told right after this call. */
  add(state: GrantState, listener: GrantListener): Unsubscribe {
    if (!states.includes(state) || typeof listener !== "function") {
      throw new InvalidArgumentError(
        `on needs one of ${states.join(", ")} and a function; got ${describe(state)} and ${describe(listener)}`,
      );
    }
    const own: GrantListener = (change) => listener(change);
    const listeners = this.#listeners.get(state) ?? new Set();
    this.#listeners.set(state, listeners.add(own));
    const now = this.#source.grant.state;
    if (isFinal(now)) {
      if (now === state) queueMicrotask(() => this.tell(now));
    } else if (!isFinal(state)) this.#unwatch ??= this.#source.watch((told) => this.tell(told));
    return () => {
      listeners.delete(own);
      if (this.#count("held") + this.#count("uncertain") === 0) this.#rest();
    };
  }

  /** Tells everybody who listens for that state. */
  tell(state: GrantState): void {
    const reason = this.#source.loss();
    const change = { state, grant: this.#source.grant, ...(reason !== undefined && { reason }) };
    const told = [...(this.#listeners.get(state) ?? [])];
    if (isFinal(state)) this.#end();
    for (const listener of told) {
      try {
        listener(change);
      } catch (error) {
        // One listener must not keep the others from hearing it.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #end(): void {
    this.#rest();
    this.#listeners.clear();
  }

  #rest(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #count(state: GrantState): number {
    return this.#listeners.get(state)?.size ?? 0;
  }
}

function isFinal(state: GrantState): boolean {
  return state === "lost" || state === "released";
}
