import type { Duration } from "../core/durations.ts";
import type { Leave, LifeOptions } from "../kv/entry.ts";
import type { IfNumbers, KeyValue } from "../kv/key-value.ts";
import type { Grant } from "../roster/grant.ts";

/**
 * What a transaction is kept from seeing, and what its commit checks; the names are etcd's.
 *
 * `serializable-snapshot`: the function sees one state of all it reads; committed only if nothing of what it read or wrote
 * has changed since. `serializable`: the same, but a key that is written and was not read may have changed.
 * `repeatable-reads`: as `serializable` once it is committed, but the function may see keys of different moments together,
 * in a run that is then not committed. `read-committed`: each `get` reads anew, and `get` and `has` are not checked.
 */
export type Isolation = "serializable-snapshot" | "serializable" | "repeatable-reads" | "read-committed";

/** Options of `coordinator.transaction`. */
export interface TransactionOptions {
  /** Default: `serializable-snapshot`. */
  readonly isolation?: Isolation;
  /** How often the function may be run. Default: 100. */
  readonly attempts?: number;
  /** Gives up with an `AbortedError`, unless the commit is under way by then. From 1 ms. Default: never. */
  readonly timeout?: Duration;
  /** The same. */
  readonly signal?: AbortSignal;
}

/**
 * The entries of one key-value namespace within a transaction. Reads show the transaction's own writes. Await what answers a
 * promise: a function that ends while one of its writes is under way is refused, and nothing is applied.
 */
export interface TransactionKeyValue<T, In = T> {
  /** The value, `undefined` where there is none. The same for the whole run, but for own writes and `read-committed`. */
  get(key: string): Promise<T | undefined>;
  /** Several values, in their order, by the fewest requests. */
  getMany(keys: readonly string[]): Promise<readonly (T | undefined)[]>;
  has(key: string): Promise<boolean>;
  /** Writes the value, when the transaction commits. What its codec refuses ends the transaction at the latest then. */
  set(key: string, value: In, options?: LifeOptions): void;
  /** Writes the value where there is none. Answers whether it does. */
  setIfAbsent(key: string, value: In, options?: LifeOptions): Promise<boolean>;
  delete(key: string): void;
  /** Writes what `change` makes of the value, unless it says {@link leave}. Its time to live stays, or begins if it is new. */
  update(
    key: string,
    change: (current: T | undefined) => In | Leave | Promise<In | Leave>,
    options?: LifeOptions,
  ): Promise<void>;
  /** Adds to a number, and answers the sum: where values may be numbers. `initial` is what is added to where there is none. */
  increment(
    this: TransactionKeyValue<T, In> & IfNumbers<T>,
    key: string,
    by?: number,
    options?: LifeOptions & { readonly initial?: number },
  ): Promise<number>;
}

/**
 * One run of the function of a transaction: over when the function has ended, and its methods then throw a `ClosedError`.
 * Plain keys are those of the key-value namespace `default`.
 */
export interface Transaction {
  /** Which run of the function this is, from 1. */
  readonly attempt: number;
  /** As those of {@link TransactionKeyValue}. */
  get<T = unknown>(key: string): Promise<T | undefined>;
  getMany<T = unknown>(keys: readonly string[]): Promise<readonly (T | undefined)[]>;
  has(key: string): Promise<boolean>;
  set(key: string, value: unknown, options?: LifeOptions): void;
  setIfAbsent(key: string, value: unknown, options?: LifeOptions): Promise<boolean>;
  delete(key: string): void;
  update<T = unknown>(
    key: string,
    change: (current: T | undefined) => T | Leave | Promise<T | Leave>,
    options?: LifeOptions,
  ): Promise<void>;
  increment(key: string, by?: number, options?: LifeOptions & { readonly initial?: number }): Promise<number>;
  /**
   * The entries of another namespace: of a store with its codec and options, or of a namespace by its name.
   *
   * @throws InvalidArgumentError for a store of another coordinator.
   */
  kv<T = unknown, In = T>(store: string | KeyValue<T, In>): TransactionKeyValue<T, In>;
  /**
   * Commit only while this grant is held: of a lock, several locks, a semaphore, a read-write lock or an election of this
   * coordinator. The commit checks that nobody has taken it away; then it rejects with a `LeaseLostError`, and nothing is
   * applied. Who joins the queue meanwhile does not make the function run again.
   *
   * @throws LeaseLostError when it is not held now. InvalidArgumentError for a grant of another coordinator.
   */
  guard(grant: Grant): void;
  /**
   * A write in the store's own terms that commits together with the rest, or not at all. DynamoDB takes the entries of a
   * `TransactWriteItems`; the other stores take none (`UnsupportedError`). When its condition fails, the transaction rejects
   * with a `ConditionFailedError`, nothing is applied, and nothing is tried again.
   */
  alongside(write: object): void;
}
