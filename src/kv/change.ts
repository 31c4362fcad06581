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
  /** That of the record that says so; `null`: there is none. */
  readonly version: Version | null;
  /** When that was, on the store's clock, as far as it is known. */
  readonly updatedAt: Date;
}

/** Options of `watch`. */
export interface WatchOptions {
  /** Keys that begin with this. */
  readonly prefix?: string;
  /** Keys of this form: `*` stands for any characters, `?` for one. */
  readonly match?: string;
  /** Only changes from now on, not the entries that are there. Default: false. */
  readonly updatesOnly?: boolean;
  /** Go on after the change with this cursor, also in another process. */
  readonly since?: string;
  /** Tell removals as well. Default: true. */
  readonly removals?: boolean;
  /** Called once, when all entries that were there have been told. */
  readonly onReady?: () => void;
  /**
   * How often everything is read again, to find what no hint told. From 100 ms. Default: 30 s where the store tells
   * changes, 2 s where it does not.
   */
  readonly resync?: Duration;
  readonly signal?: AbortSignal;
}
