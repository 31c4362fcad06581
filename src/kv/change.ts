import type { Version } from "../core/backend.ts";
import type { Duration } from "../core/durations.ts";
import type { Entry } from "./entry.ts";

/** What once stood under a key: a value, or that there was none. */
export type PastEntry<T> = Entry<T> | Removal;

/** One change of an entry. */
export type Change<T> = PastEntry<T> & {
  /** Whether it is one of the entries that were there when the watch began. */
  readonly isInitial: boolean;
  /** Where a watch can go on later: pass it as `since`. */
  readonly cursor: string;
};

/** An entry can no longer be seen. */
export interface Removal {
  /** `delete`: by a call. `expire`: its time is over. `purge`: erased, or collected by the store. */
  readonly operation: "delete" | "expire" | "purge";
  readonly key: string;
  /** Of the state that it came to; `null`: none is left. */
  readonly version: Version | null;
  /** When that was, on the store's clock; of a purge, when it was found. */
  readonly updatedAt: Date;
}

/**
 * Told first where `since` is too old to go on from: what was deleted meanwhile is not known. Forget what you have; what is
 * there follows as initial values, unless the watch is `updatesOnly`.
 */
export interface Reset {
  readonly operation: "reset";
  readonly isInitial: false;
  readonly cursor: string;
}

/** Options of `watch`. */
export interface WatchOptions {
  /** Keys that begin with this. */
  readonly prefix?: string;
  /** Keys of this form: `*` stands for any characters, `?` for one. */
  readonly match?: string;
  /** Only what changes after everything that is there was looked at, which is when `onReady` is called. Default: false. */
  readonly updatesOnly?: boolean;
  /** Go on after the change with this cursor, also in another process. Good for an hour; see {@link Reset}. */
  readonly since?: string | undefined;
  /** Tell removals as well. Default: true. */
  readonly removals?: boolean;
  /** Called once, when all entries that were there have been told, and what changed since the cursor. */
  readonly onReady?: () => void;
  /**
   * How often everything is read again, to find what no hint told. From 100 ms. Default: 30 s where the store tells
   * changes, 2 s where it does not.
   */
  readonly resync?: Duration;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}
