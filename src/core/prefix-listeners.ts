import type { ChangeHint, Unsubscribe } from "./backend.ts";

type Listener = (hint: ChangeHint) => void;

/**
 * The listeners of a backend's `watch` within one process, found by the keys they wait for: a change costs at
 * most one lookup for each character of its key, however many watchers there are.
 *
 * A listener is called in a microtask of its own, never from within the commit that caused it, and not after it
 * unsubscribed. One that throws surfaces as an uncaught exception, like any bug, and does not keep the hint from
 * the others.
 */
export class PrefixListeners {
  readonly #byPrefix = new Map<string, Set<Listener>>();

  /** Whether anybody listens. */
  get isEmpty(): boolean {
    return this.#byPrefix.size === 0;
  }

  add(prefix: string, listener: Listener): Unsubscribe {
    // The same function may be passed twice; each subscription stands for itself.
    const subscription: Listener = (hint) => listener(hint);
    const listeners = this.#byPrefix.get(prefix) ?? new Set();
    this.#byPrefix.set(prefix, listeners.add(subscription));
    return () => {
      listeners.delete(subscription);
      if (listeners.size === 0 && this.#byPrefix.get(prefix) === listeners) this.#byPrefix.delete(prefix);
    };
  }

  /** Whether anybody waits for changes of `key`. */
  hears(key: string): boolean {
    for (const _listeners of this.#waitingFor(key)) return true;
    return false;
  }

  /** Passes a hint to everybody who waits for its key. */
  notify(hint: ChangeHint): void {
    for (const listeners of this.#waitingFor(hint.key)) deliver(listeners, hint);
  }

  clear(): void {
    for (const listeners of this.#byPrefix.values()) listeners.clear();
    this.#byPrefix.clear();
  }

  *#waitingFor(key: string): Generator<ReadonlySet<Listener>> {
    if (this.#byPrefix.size <= key.length) {
      for (const [prefix, listeners] of this.#byPrefix) if (key.startsWith(prefix)) yield listeners;
      return;
    }
    for (let length = 0; length <= key.length; length += 1) {
      const listeners = this.#byPrefix.get(key.slice(0, length));
      if (listeners !== undefined) yield listeners;
    }
  }
}

function deliver(listeners: ReadonlySet<Listener>, hint: ChangeHint): void {
  for (const listener of listeners) {
    queueMicrotask(() => {
      if (listeners.has(listener)) listener(hint);
    });
  }
}
