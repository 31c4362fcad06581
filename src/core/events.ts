import { channel } from "node:diagnostics_channel";
import type { Unsubscribe } from "./backend.ts";
import { describe } from "./durations.ts";
import { InvalidArgumentError, type LeaseholdError, type LeaseLostError } from "./errors.ts";

/** Which thing an event is about. */
export interface EventSubject {
  /** `lock`, `semaphore`, `read-write`, `election` and so on. */
  readonly kind: string;
  readonly name: string;
}

/**
 * What a coordinator tells, by name. Each is also published on the `node:diagnostics_channel` named
 * `leasehold:` and the name of the event. All durations are milliseconds on this process's monotonic clock.
 */
export interface CoordinatorEvents {
  /** A caller got a grant. */
  readonly acquired: EventSubject & {
    readonly fence: number;
    /** From the call to the answer. */
    readonly waitMs: number;
    /** Whether it had to stand in line behind others. */
    readonly isContended: boolean;
  };
  /** A caller got none: `HELD` for a try, else the code of the error it got. */
  readonly refused: EventSubject & { readonly waitMs: number; readonly code: string };
  /** A grant was given back by its holder. */
  readonly released: EventSubject & { readonly fence: number; readonly heldMs: number };
  /** A grant was lost. */
  readonly lost: EventSubject & {
    readonly fence: number;
    readonly heldMs: number;
    readonly reason: LeaseLostError;
  };
  /** A heartbeat was answered, or failed. */
  readonly heartbeat: {
    readonly session: string;
    readonly ttlMs: number;
    readonly roundTripMs: number;
    /** How much later it was sent than it should have been: a busy event loop shows here first. */
    readonly lateMs: number;
    readonly error: LeaseholdError | undefined;
  };
  /** This client declared somebody else's session dead: what that held is free. */
  readonly takeover: { readonly session: string };
}

/** The names of {@link CoordinatorEvents}. */
export type CoordinatorEvent = keyof CoordinatorEvents;

/** Runs the work of a `hold`; an adapter puts itself around it, for a span for example. */
export type HoldWrapper = <R>(
  subject: EventSubject & { readonly fence: number },
  work: () => Promise<R>,
) => Promise<R>;

const channels = {
  acquired: channel("leasehold:acquired"),
  refused: channel("leasehold:refused"),
  released: channel("leasehold:released"),
  lost: channel("leasehold:lost"),
  heartbeat: channel("leasehold:heartbeat"),
  takeover: channel("leasehold:takeover"),
} satisfies Record<CoordinatorEvent, unknown>;

type Listener = (event: never) => void;

/** Who listens to one coordinator. Nothing is measured, and no event is made, where nobody does. */
export class Events {
  readonly #listeners = new Map<CoordinatorEvent, Set<Listener>>();
  readonly #wrappers = new Set<HoldWrapper>();

  /**
   * Calls `listener` for every event of this name from now on.
   *
   * @throws InvalidArgumentError for a name that there is not, or a listener that is no function.
   */
  on<E extends CoordinatorEvent>(event: E, listener: (event: CoordinatorEvents[E]) => void): Unsubscribe {
    if (!Object.hasOwn(channels, event)) {
      const known = Object.keys(channels).join(", ");
      throw new InvalidArgumentError(`there is no event ${describe(event)}; there are ${known}`);
    }
    if (typeof listener !== "function") {
      throw new InvalidArgumentError(`an event needs a function to listen; got ${describe(listener)}`);
    }
    // The same function twice is two listeners.
    const told: Listener = (happened: CoordinatorEvents[E]) => listener(happened);
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(told));
    return () => listeners.delete(told);
  }

  /** Whether anybody wants to know. */
  listens(event: CoordinatorEvent): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0 || channels[event].hasSubscribers;
  }

  /** Tells whoever listens. A listener that throws breaks nothing: its error is thrown where nobody waits for it. */
  emit<E extends CoordinatorEvent>(event: E, make: () => CoordinatorEvents[E]): void {
    if (!this.listens(event)) return;
    const happened = make();
    channels[event].publish(happened);
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        (listener as (event: CoordinatorEvents[E]) => void)(happened);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Puts a wrapper around the work of every `hold` from now on. */
  wrap(wrapper: HoldWrapper): Unsubscribe {
    this.#wrappers.add(wrapper);
    return () => this.#wrappers.delete(wrapper);
  }

  /** Runs the work of a `hold` inside of every wrapper. */
  run<R>(subject: EventSubject & { readonly fence: number }, work: () => Promise<R>): Promise<R> {
    let wrapped = work;
    for (const wrapper of this.#wrappers) {
      const inner = wrapped;
      wrapped = () => wrapper(subject, inner);
    }
    return wrapped();
  }
}
