/**
 * The storage contract: ten methods and declared capabilities, and nothing that a recipe could derive for
 * itself. Everything that leasehold promises is built on {@link Backend.commit} alone; reads, watches and wakes
 * are hints.
 */

/** Names one state of one record. Opaque, compared by equality only; never repeats for the same key. */
export type Version = string;

/** One value under one key. */
export interface StoredRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: Version;
}

/** What a key must be for an operation to go through: this version, or `null` for absent. */
export type Expectation = Version | null;

/** One step of a {@link Backend.commit}. A key stands in at most one operation of a commit. */
export type Operation =
  | {
      readonly kind: "put";
      readonly key: string;
      readonly value: Uint8Array;
      /** Left out: whatever is there is replaced. */
      readonly expect?: Expectation;
      /**
       * The backend may collect the record once this long has passed since the write, by its own clock; it may
       * do so much later, and nothing may rely on it. Left out: the record stays.
       */
      readonly ttlMs?: number;
    }
  | { readonly kind: "delete"; readonly key: string; readonly expect?: Expectation }
  | { readonly kind: "check"; readonly key: string; readonly expect: Expectation };

/** An operation whose expectation did not hold, with what stands there where the backend learnt it for free. */
export interface Conflict {
  readonly key: string;
  /** The current record, `null` if there is none, left out if the backend does not know. */
  readonly current?: StoredRecord | null;
}

/** The two normal outcomes of a commit. Everything else is thrown. */
export type CommitResult =
  /** `versions[i]` is the new version of operation i's key, `null` after a delete, the expected one after a check. */
  | { readonly committed: true; readonly versions: readonly (Version | null)[] }
  | { readonly committed: false; readonly conflicts: readonly Conflict[] };

/** How a request should travel. */
export interface RequestOptions {
  /** Heartbeats: use a lane that ordinary traffic cannot block, where the backend has one. */
  readonly urgent?: boolean;
}

/** How a commit travels, and what goes with it. */
export interface CommitOptions extends RequestOptions {
  /**
   * Writes in the store's own terms, applied together with the operations or not at all; they count against
   * `commitOperationsMax`. DynamoDB takes entries of a `TransactWriteItems`, with marshalled values; the others take none.
   */
  readonly alongside?: readonly object[];
}

/**
 * Identifies one {@link Backend.add}. A writer numbers its adds to one key upwards and issues the next one only
 * when the outcome of the one before is known; that is what lets one number for each writer stand for all it did.
 */
export interface AddOperation {
  /** The writer: 1 to 40 characters `[A-Za-z0-9_-]`, drawn at random and used by one process only. */
  readonly writer: string;
  /** Rises with each add of this writer to this key. From 1. */
  readonly sequence: number;
  /**
   * Whether an earlier call with this operation had an unknown outcome. Then it is refused with an
   * {@link OutcomeUnknownError} that is not retryable where 64 or more others have written since, so that the record does
   * not tell any more whether it was applied. Set it on the very same object: a backend may know it again, and with it what
   * it saw at the first call. Default: false.
   */
  again?: boolean;
}

/** One page of {@link Backend.scan}. */
export interface ScanPage {
  readonly records: readonly StoredRecord[];
  /** Pass it to the next call; left out on the last page. Opaque, and valid after a restart. */
  readonly cursor?: string;
}

/** A committed change, as a hint: it may lag, repeat, or never come. */
export interface ChangeHint {
  readonly key: string;
  /** The new record, `null` after a delete, left out if the backend does not carry it. */
  readonly record?: StoredRecord | null;
}

/** Between which two instants a store's clock stands, in milliseconds since 1970. `earliestMs <= latestMs`. */
export interface StoreTime {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** Ends a subscription. Idempotent. */
export type Unsubscribe = () => void;

/** What a backend can do, and its limits. Checked before sending, never found out by failing. */
export interface Capabilities {
  /** Who can share it: threads of one process, processes of one machine, machines. */
  readonly scope: "process" | "machine" | "network";
  /** Most operations in one commit. 1: only single keys. */
  readonly commitOperationsMax: number;
  /** Whether {@link Backend.wake} reaches other clients. */
  readonly wake: boolean;
  /**
   * `push`: changes of other clients are reported within about a round trip. `none`: never; poll.
   */
  readonly watch: "push" | "none";
  /** Whether {@link Backend.scan} yields keys in order. */
  readonly orderedScan: boolean;
  /** Largest key, in bytes. At least 640. */
  readonly keyBytesMax: number;
  /** Largest value, in bytes. At least 131,072: a full roster with metadata fits. */
  readonly valueBytesMax: number;
  /** Whether a commit takes writes in the store's own terms ({@link CommitOptions.alongside}). Default: false. */
  readonly alongside?: boolean;
}

/**
 * A store that offers the contract. Implementations pass the suite of `leasehold/testing`.
 *
 * Every method rejects with a `LeaseholdError`: `UnavailableError` when nothing was applied and a later try may
 * succeed; `OutcomeUnknownError` (writes only) when a request left and no answer came; `StoreMissingError`,
 * `PermissionDeniedError`, `LimitExceededError`, `UnsupportedError`, `CorruptRecordError`, `ClosedError` as named.
 * A retry inside a backend never reports a conflict for a write of its own that was applied. Every call settles in
 * bounded time, a few seconds at most: one that hung for ever would hold back everything its client does with that key.
 */
export interface Backend {
  /** The kind, for messages: `memory`, `sqlite`, `nats`, `dynamodb`, or another. */
  readonly kind: string;
  /** Fixed once {@link Backend.setup} or the first request has succeeded. */
  readonly capabilities: Capabilities;
  /**
   * Creates the bucket, table or file if it is missing, and validates it if it is there.
   * `create: false` only validates.
   */
  setup(options?: { readonly create?: boolean }): Promise<void>;
  /** The newest records, in the order of `keys`; `null` where there is none. A hint: may be stale. */
  get(keys: readonly string[], options?: RequestOptions): Promise<readonly (StoredRecord | null)[]>;
  /** Records whose key begins with `prefix`, a page at a time. A hint: may miss what changes meanwhile. */
  scan(prefix: string, page?: { readonly limit?: number; readonly cursor?: string }): Promise<ScanPage>;
  /**
   * All or nothing, under every operation's expectation. The only thing that decides. Rejects with
   * `ConditionFailedError` when the condition of a write of {@link CommitOptions.alongside} fails, and no expectation.
   */
  commit(operations: readonly Operation[], options?: CommitOptions): Promise<CommitResult>;
  /**
   * Adds `delta` to the counter under `key` (absent: 0) and answers the sum after it. Applies each operation
   * once: the same operation again changes nothing and gets the same answer. A key holds either records of
   * `commit` or a counter; reading a counter gives a value for `decodeCounter`.
   */
  add(key: string, delta: number, operation: AddOperation): Promise<number>;
  /**
   * Bounds of the store's clock at the moment this call settles. Rate limits and times to live are counted on that
   * clock: clients never compare their own wall clocks, so a machine whose clock is wrong or jumps neither refills a
   * limit twice nor lets anything end too early. How far the bounds are apart is up to the store: nothing for one on
   * this machine, a round trip where the answer carries the time, a second and a round trip where it carries whole
   * seconds. The clock is one of the world and may be set: it can step in both directions.
   */
  time(): Promise<StoreTime>;
  /** Calls `listener` for changes of keys that begin with `prefix`. */
  watch(prefix: string, listener: (hint: ChangeHint) => void): Unsubscribe;
  /** Nudges the client that listens as `clientId`. Fire and forget; may be lost. */
  wake(clientId: string, hint: string): void;
  /** Listens for nudges sent to `clientId`. */
  onWake(clientId: string, listener: (hint: string) => void): Unsubscribe;
  /** Ends what this backend opened itself; a connection that was handed in stays open. */
  close(): Promise<void>;
}
