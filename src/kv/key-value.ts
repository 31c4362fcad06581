import type { Codec } from "../codecs/codec.ts";
import type { CompressionOptions } from "../codecs/compression.ts";
import type { StandardSchema } from "../codecs/standard-schema.ts";
import type { Duration } from "../core/durations.ts";
import type { Change, PastEntry, Reset, WatchOptions } from "./change.ts";
import type {
  BatchResult,
  Deleted,
  DeleteOptions,
  Entry,
  IncrementOptions,
  Leave,
  NewEntry,
  SetOptions,
  Updated,
  UpdateOptions,
  WriteOptions,
  Written,
} from "./entry.ts";
import type { Listing, ListingOptions } from "./listing.ts";

/** Options of `coordinator.kv`. */
export interface KeyValueOptions<T, In = T> {
  /** How values become bytes. Default: `jsonCodec()`. */
  readonly codec?: Codec<T, In>;
  /** What values must be: any Standard Schema, of zod, valibot, arktype and others. Checked on writing and on reading. */
  readonly schema?: StandardSchema<In, T>;
  /** Compress what becomes smaller by it. `true`: gzip from 1 KB on. Values are read however they were written. */
  readonly compression?: boolean | CompressionOptions;
  /** Time to live of what is written without one. Default: for ever. */
  readonly ttl?: Duration;
  /** How many values of each key are kept, the current one included, as far as they fit into a record. 1 to 64, default 1. */
  readonly history?: number;
}

/** {@link KeyValueOptions} with a codec and no schema: the types are those of the codec. */
export interface KeyValueCodecOptions<T, In = T> extends Omit<KeyValueOptions<T, In>, "schema"> {
  readonly codec: Codec<T, In>;
  readonly schema?: never;
}

/** {@link KeyValueOptions} with a schema: the types come from it, whatever the codec beneath it is. */
export interface KeyValueSchemaOptions<T, In = T> extends Omit<KeyValueOptions<T, In>, "codec"> {
  readonly schema: StandardSchema<In, T>;
  /** How what the schema takes becomes bytes. Default: `jsonCodec()`. */
  readonly codec?: Codec<unknown, NoInfer<In>>;
}

/** {@link KeyValueOptions} of a namespace within another, whose codec and schema it keeps, and so its types. */
export interface NestedKeyValueOptions extends Omit<KeyValueOptions<never>, "codec" | "schema"> {
  readonly codec?: never;
  readonly schema?: never;
}

/** What a namespace is, and what stands in it. */
export interface KeyValueStatus {
  readonly name: string;
  /** `memory`, `sqlite`, `nats`, `dynamodb`, or another. */
  readonly backend: string;
  /** Entries that can be seen, and the bytes of their values as they are stored. */
  readonly entries: number;
  readonly bytes: number;
  readonly history: number;
  readonly ttlMs: number | null;
  /** Largest value, in bytes, under a key of one byte: the key takes from the same room. */
  readonly valueBytesMax: number;
  /** How many keys one transaction may touch. */
  readonly transactionKeysMax: number;
  /** Whether changes are told by the store, or found by reading again and again. */
  readonly watch: "push" | "none";
}

/** `never` where no value of this type is a number. */
export type IfNumbers<T> = unknown extends T
  ? unknown
  : [Extract<T, number>] extends [never]
    ? never
    : unknown;

/**
 * Values under keys, in a namespace of their own. Any Unicode string of 1 to 1,024 bytes is a key.
 *
 * Every write is a compare-and-set, also one without conditions: it is done once, also when its answer was lost, and a
 * copy that comes late finds that it is too late. Writes of one process to one key that are made at once ride together.
 * Reads show what was written and acknowledged before, as far as the backend's reads do (`docs/kv.md`). A value whose time
 * is over is never seen; it may be over earlier by as much as the store's clock is not known.
 */
export interface KeyValue<T, In = T> {
  /** The namespace, after those that it is nested in, with `/` between. */
  readonly name: string;
  /** The entry of this key. Reads that are asked for at once ride together. */
  get(key: string): Promise<Entry<T> | undefined>;
  /** The entries of these keys, in their order. */
  getMany(keys: readonly string[]): Promise<readonly (Entry<T> | undefined)[]>;
  has(key: string): Promise<boolean>;
  /**
   * Writes the value. With conditions that do not hold nothing is written, and the answer says what stands there.
   *
   * @throws InvalidValueError when the codec refuses the value; LimitExceededError when it is too large. Nothing was sent.
   * @throws OutcomeUnknownError, UnavailableError as every call that writes.
   */
  set(key: string, value: In, options?: SetOptions<T>): Promise<Written<T>>;
  /** Writes the value where there is no entry. */
  setIfAbsent(key: string, value: In, options?: WriteOptions): Promise<Written<T>>;
  /** Writes the value where there is an entry. */
  setIfPresent(key: string, value: In, options?: WriteOptions): Promise<Written<T>>;
  /** Writes each entry for itself. One that fails says why, and holds up no other; for all or nothing: a transaction. */
  setMany(
    entries: readonly NewEntry<In>[],
    options?: WriteOptions,
  ): Promise<readonly BatchResult<Written<T>>[]>;
  /**
   * Reads, changes, and writes under the condition that nobody came in between; else begins anew, a bounded number of
   * times. `change` may be asked more than once; it gets `undefined` where there is no entry, and may answer
   * {@link leave}. Any number of them in one process are one write, unless they answer promises.
   *
   * @throws ContentionError when others came in between each time; whatever `change` throws. Nothing was changed.
   */
  update(
    key: string,
    change: (current: T | undefined, entry: Entry<T> | undefined) => In | Leave | Promise<In | Leave>,
    options?: UpdateOptions,
  ): Promise<Updated<In>>;
  /**
   * Adds to a number, exactly once, and answers the sum: where values may be numbers. Bounds, bigints and hot keys:
   * `coordinator.counter`.
   */
  increment(
    this: KeyValue<T, In> & IfNumbers<T>,
    key: string,
    by?: number,
    options?: IncrementOptions,
  ): Promise<number>;
  /** Deletes the entry. The store remembers for an hour that it did, so that no late write comes back in its place. */
  delete(key: string, options?: DeleteOptions<T>): Promise<Deleted<T>>;
  deleteMany(keys: readonly string[]): Promise<readonly BatchResult<Deleted<T>>[]>;
  /** Erases the entry with its history and every trace of it. Answers whether there was any. A write that is under way may still come. */
  purge(key: string): Promise<boolean>;
  /** Gives the value another time to live, from now on; `null`: none. Answers whether there was an entry. */
  expire(key: string, ttl: Duration | null): Promise<boolean>;
  /** Begins the time to live that the value was written with anew. Answers whether there was an entry. */
  touch(key: string): Promise<boolean>;
  /** For how much longer the value can be seen, at most; `null`: until it is changed; `undefined`: there is none. */
  ttl(key: string): Promise<number | null | undefined>;
  /** The entries, in the order of the store. What changes meanwhile may be missed. */
  list(options?: ListingOptions<T>): Listing<Entry<T>>;
  keys(options?: ListingOptions<T>): Listing<string>;
  /**
   * What changes, as it changes: first the entries that are there, then the newest state of each that was changed; states
   * in between may be skipped, and an older one never follows a newer one. Whatever was not told is found by reading again,
   * also after the store was away. A watch begins with the iteration, and ends with it, by `signal`, or when the coordinator
   * is closed. It throws what cannot be waited out, such as InvalidValueError for a value that the codec refuses.
   *
   * @throws InvalidArgumentError for an illegal option, and a cursor of another watch.
   */
  watch(options?: WatchOptions & { readonly since?: undefined }): AsyncIterable<Change<T>>;
  watch(options: WatchOptions): AsyncIterable<Change<T> | Reset>;
  /** What stood under the key, oldest first, as far as `history` keeps it. */
  history(key: string): Promise<readonly PastEntry<T>[]>;
  /** A namespace within this one, with a codec of its own in place of its codec and schema. */
  namespace<U, UIn = U>(name: string, options: KeyValueCodecOptions<U, UIn>): KeyValue<U, UIn>;
  /** A namespace within this one, with a schema of its own, over the codec of this one if it says none. */
  namespace<U, UIn = U>(name: string, options: KeyValueSchemaOptions<U, UIn>): KeyValue<U, UIn>;
  /** A namespace within this one, with options of its own; what it does not say it has from this one, and so its types. */
  namespace(name: string, options?: NestedKeyValueOptions): KeyValue<T, In>;
  /** A namespace within this one, with options of its own; what it does not say it has from this one. */
  namespace<U, UIn = U>(name: string, options: KeyValueOptions<U, UIn>): KeyValue<U, UIn>;
  /** Counts what stands here; reads all of it. */
  status(): Promise<KeyValueStatus>;
  /** Deletes every entry of this namespace, not of those within it. Answers how many. */
  clear(): Promise<number>;
  /** Erases every entry of this namespace and of all within it, with their history. Answers how many records that were. */
  destroy(): Promise<number>;
}
