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

  /** Passes a hint to everybody who waits for its key. */
  notify(hint: ChangeHint): void {
    if (this.isEmpty) return;
    if (this.#byPrefix.size <= hint.key.length) {
      for (const [prefix, listeners] of this.#byPrefix) {
        if (hint.key.startsWith(prefix)) deliver(listeners, hint);
      }
      return;
    }
    for (let length = 0; length <= hint.key.length; length += 1) {
      const listeners = this.#byPrefix.get(hint.key.slice(0, length));
      if (listeners !== undefined) deliver(listeners, hint);
    }
  }

  clear(): void {
    for (const listeners of this.#byPrefix.values()) listeners.clear();
    this.#byPrefix.clear();
  }
}

function deliver(listeners: ReadonlySet<Listener>, hint: ChangeHint): void {
  for (const listener of listeners) {
    queueMicrotask(() => {
      if (listeners.has(listener)) listener(hint);
    });
  }
}
