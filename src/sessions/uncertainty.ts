import type { Unsubscribe } from "../core/backend.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";

/** What an {@link Uncertainty} asks its session. */
export interface CertaintySource {
  /** The state now, after a look at the clocks. */
  state(): "held" | "uncertain" | "lost";
  /** How long it stays certain unless it is renewed. */
  untilUncertainMs(): number;
}

type Listener = (state: "held" | "uncertain") => void;

/** Tells those who listen when a session becomes uncertain, and when it is held again. One timer for all of them. */
export class Uncertainty {
  readonly #runtime: Runtime;
  readonly #source: CertaintySource;
  readonly #listeners = new Set<Listener>();
  #isTold = false;
  #cancel: CancelTimer = () => {};

  constructor(runtime: Runtime, source: CertaintySource) {
    this.#runtime = runtime;
    this.#source = source;
  }

  add(listener: Listener): Unsubscribe {
    const own: Listener = (state) => listener(state);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.end();
    };
  }

  /** The session was renewed. */
  renewed(): void {
    if (this.#listeners.size > 0) this.#look();
  }

  /** Nobody listens any more, or there is nothing left to tell. */
  end(): void {
    this.#cancel();
    this.#listeners.clear();
  }

  #begin(): void {
    this.#isTold = this.#source.state() === "uncertain";
    this.#arm();
  }

  #look(): void {
    const state = this.#source.state();
    if (state === "lost") return;
    const isUncertain = state === "uncertain";
    if (isUncertain !== this.#isTold) {
      this.#isTold = isUncertain;
      for (const listener of [...this.#listeners]) listener(state);
    }
    this.#arm();
  }

  #arm(): void {
    this.#cancel();
    // Once it is uncertain only a renewal can change that, or the deadline.
    if (this.#isTold || this.#listeners.size === 0) return;
    const delayMs = Math.max(1, Math.ceil(this.#source.untilUncertainMs()) + 1);
    this.#cancel = this.#runtime.schedule(delayMs, () => this.#look());
  }
}
