import type { Version } from "../core/backend.ts";
import type { Duration } from "../core/durations.ts";

/** A value under a key. */
export interface Entry<T> {
  readonly operation: "put";
  readonly key: string;
  readonly value: T;
  /** Names this state of the entry; for `ifVersion`. Compared by equality only. */
  readonly version: Version;
  /** When the entry came into being, on the store's clock. */
  readonly createdAt: Date;
  /** When this value was written, on the store's clock. Later than that of every write to this key before. */
  readonly updatedAt: Date;
  /** How much longer the value can be seen, at most; `null`: until it is changed. */
  readonly ttlMs: number | null;
}

/** What became of a write: done, or another state than the expected one stands there, and nothing was changed. */
export type Written<T> =
  | { readonly committed: true; readonly version: Version }
  | { readonly committed: false; readonly current: Entry<T> | undefined };

/** What became of a deletion. */
export type Deleted<T> =
  /** `existed`: whether there was anything to delete. */
  | { readonly committed: true; readonly existed: boolean }
  | { readonly committed: false; readonly current: Entry<T> | undefined };

/** What became of one key of a batch: each stands for itself. */
export type BatchResult<R> = { readonly key: string } & (R | { readonly error: Error });

/** What became of an update. `value`: as `change` gave it, before a schema reads it. `tries`: how often `change` was asked. */
export type Updated<T> =
  | { readonly committed: true; readonly value: T; readonly version: Version; readonly tries: number }
  /** The change said {@link leave}. */
  | { readonly committed: false; readonly current: Entry<T> | undefined; readonly tries: number };

/** The answer of a change that wants nothing changed. See {@link leave}. */
export type Leave = typeof leave;

/**
 * Returned by the function of an `update`: leave the entry as it is.
 *
 * @example
 * ```ts
 * import { connect, leave } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const stock = coordinator.kv<number>("stock");
 * await stock.set("apples", 1);
 * const take = (left = 0) => (left === 0 ? leave : left - 1);
 * console.log((await stock.update("apples", take)).committed, (await stock.update("apples", take)).committed); // true false
 * ```
 */
export const leave: unique symbol = Symbol.for("leasehold.leave") as never;

/** How long a value can be seen. */
export interface LifeOptions {
  /** From 1 ms. `null`: until it is changed. Default: that of the store, if it has one. Never seen after it is over. */
  readonly ttl?: Duration | null;
}

/** Options of a write without conditions. */
export interface WriteOptions extends LifeOptions {
  readonly signal?: AbortSignal;
}

/** What must stand there for a write to be done. */
export interface Conditions<T> {
  /** This version, as an entry or a write told it. Given and `undefined` it is refused: see `setIfAbsent` for where there is no entry. */
  readonly ifVersion?: Version;
  /** What this says of the current entry; it may be asked more than once. */
  readonly if?: (current: Entry<T> | undefined) => boolean;
}

/** Options of `set`. */
export interface SetOptions<T> extends WriteOptions, Conditions<T> {}

/** Options of `delete`. */
export interface DeleteOptions<T> extends Conditions<T> {
  readonly signal?: AbortSignal;
}

/** Options of `update`. `ttl` left out: the entry keeps what is left of its time. */
export interface UpdateOptions extends WriteOptions {
  /** How often the change may be asked for. Default: 100. */
  readonly attempts?: number;
  /**
   * After this many tries that others came in between, the lock of this entry is taken first: those who want it as well
   * wait in line. Default: never.
   */
  readonly lockAfter?: number;
}

/** Options of `increment`. */
export interface IncrementOptions {
  /** What is added to where there is no entry. Default: 0. */
  readonly initial?: number;
  /** Time to live of an entry that this call creates; one that is there keeps its own. */
  readonly ttl?: Duration | null;
  readonly signal?: AbortSignal;
}

/** One entry of `setMany`. */
export interface NewEntry<T> {
  readonly key: string;
  readonly value: T;
  readonly ttl?: Duration | null;
}
