import { type Runtime, sleep } from "./runtime.ts";

/**
 * Keeps a store that answers without I/O events from starving the event loop: a loop of awaited requests would
 * run on microtasks alone, and no timer (a heartbeat, the user's own) would ever fire. Every so many requests one
 * of them waits for the next turn of the loop.
 */
export class TurnSharing {
  readonly #runtime: Runtime;
  readonly #requestsPerTurn: number;
  #requests = 0;

  constructor(runtime: Runtime, requestsPerTurn: number) {
    this.#runtime = runtime;
    this.#requestsPerTurn = requestsPerTurn;
  }

  /** Counts requests; answers a promise to await when it is the timers' turn. */
  take(requests: number): Promise<void> | undefined {
    this.#requests += requests;
    if (this.#requests < this.#requestsPerTurn) return undefined;
    this.#requests = 0;
    return sleep(this.#runtime, 0, { holdsProcessOpen: true });
  }
}
