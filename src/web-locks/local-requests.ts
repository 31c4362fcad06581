import type { RosterName } from "../roster/roster-host.ts";
import type { RosterQueue } from "../roster/roster-queue.ts";
import type { WebLockMode } from "./lock-manager.ts";

/** One request of this process, until it is over. */
export interface LocalRequest {
  /** Stands in the roster, so that a snapshot tells it from others. */
  readonly identity: string;
  readonly name: string;
  readonly target: RosterName;
  readonly mode: WebLockMode;
  isHeld: boolean;
}

/** The requests of one lock manager, in order of arrival; those for one name begin in that order. */
export class LocalRequests {
  readonly #queueOf: (target: RosterName) => RosterQueue;
  readonly #byName = new Map<string, Set<LocalRequest>>();
  /** Where somebody must know first what becomes of those before him; who comes later stands behind. */
  readonly #gates = new Map<string, Promise<void>>();

  constructor(queueOf: (target: RosterName) => RosterQueue) {
    this.#queueOf = queueOf;
  }

  add(request: LocalRequest): void {
    const all = this.#byName.get(request.name) ?? new Set();
    this.#byName.set(request.name, all.add(request));
  }

  delete(request: LocalRequest): void {
    const all = this.#byName.get(request.name);
    all?.delete(request);
    if (all?.size === 0) this.#byName.delete(request.name);
  }

  /** All that are held or pending. */
  *all(): Iterable<LocalRequest> {
    for (const requests of this.#byName.values()) yield* requests;
  }

  /**
   * Begins a request behind those that came before it: at once, except behind somebody who looks at what is free. One
   * who does begins when those before it are granted, or known to wait; who comes after a try waits for its answer.
   */
  begin<R>(request: LocalRequest, kind: "plain" | "try" | "theft", start: () => Promise<R>): Promise<R> {
    const { name, target } = request;
    const before = this.#gates.get(name);
    const isFirst = ![...(this.#byName.get(name) ?? [])].some((it) => it !== request && !it.isHeld);
    const looks = kind !== "plain" && (before !== undefined || !isFirst);
    const opened = looks ? this.#decided(before, target) : before;
    const { promise: started, resolve, reject } = Promise.withResolvers<R>();
    // As many steps either way: those who are granted in one write are called back in order.
    const run = (): void => void start().then(resolve, reject);
    if (opened === undefined) run();
    else opened.then(run, reject);
    if (kind === "try") this.#close(name, started);
    else if (looks && opened !== undefined) this.#close(name, opened);
    return started;
  }

  /** Whoever comes later begins when `until` is settled. */
  #close(name: string, until: Promise<unknown>): void {
    const open = (): void => {
      if (this.#gates.get(name) === gate) this.#gates.delete(name);
    };
    const gate: Promise<void> = until.then(open, open);
    this.#gates.set(name, gate);
  }

  /** Resolves when each request that was made before is granted, or known to wait. */
  async decided(): Promise<void> {
    const pending = [...this.all()].filter(({ isHeld }) => !isHeld);
    const targets = new Map(pending.map(({ name, target }) => [name, target]));
    await Promise.all([...targets].map(([name, target]) => this.#decided(this.#gates.get(name), target)));
  }

  async #decided(before: Promise<void> | undefined, target: RosterName): Promise<void> {
    await before;
    await this.#queueOf(target).decided();
  }
}
