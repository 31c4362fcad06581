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
   * Begins a request behind those that came before it: at once, except behind somebody who looks at what is free.
   * `looks`: whether this one does; it begins when those before it are granted, or known to wait.
   */
  begin<R>(request: LocalRequest, looks: boolean, start: () => Promise<R>): Promise<R> {
    const { name, target } = request;
    const before = this.#gates.get(name);
    const isFirst = ![...(this.#byName.get(name) ?? [])].some((it) => it !== request && !it.isHeld);
    if (before === undefined && (!looks || isFirst)) return start();
    if (!looks && before !== undefined) return before.then(start);
    const opened = this.#decided(before, target);
    this.#gates.set(name, opened);
    const started = opened.then(start);
    const forget = (): void => {
      if (this.#gates.get(name) === opened) this.#gates.delete(name);
    };
    opened.then(forget, forget);
    return started;
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
