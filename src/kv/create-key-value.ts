import type { Codec } from "../codecs/codec.ts";
import { resolveCompression } from "../codecs/compression.ts";
import { jsonCodec } from "../codecs/json-codec.ts";
import { schemaCodec } from "../codecs/schema-codec.ts";
import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { Change, PastEntry, WatchOptions } from "./change.ts";
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
import { checkPlace, nameOf } from "./entry-key.ts";
import { valueRoom } from "./entry-rules.ts";
import { EntryStore } from "./entry-store.ts";
import { eraseAll, eraseEntry } from "./erase.ts";
import { inParallel } from "./in-parallel.ts";
import { addend, sumOf } from "./increment.ts";
import type { KeyValue, KeyValueOptions, KeyValueStatus } from "./key-value.ts";
import {
  answerNow,
  checkCall,
  checkCodec,
  checkList,
  checkNewEntries,
  parseCount,
  parseLife,
} from "./key-value-options.ts";
import { createListing, type Listing, type ListingOptions } from "./listing.ts";
import { type KeyValueHost, type Settings, TypedEntries } from "./typed-entries.ts";
import { createWatch } from "./watch.ts";

const historyMax = 64;
const optionNames = ["codec", "schema", "compression", "ttl", "history"];
const writeOptions = ["ttl", "signal"];
const conditionOptions = ["ifVersion", "if", "signal"];

/**
 * Makes a {@link KeyValue}. It holds no state: two of the same name show the same entries.
 *
 * @throws InvalidArgumentError for an illegal name or option.
 */
export function createKeyValue<T, In = T>(
  host: KeyValueHost,
  path: readonly string[],
  options?: KeyValueOptions<T, In>,
  outer?: Settings<never, never>,
): KeyValue<T, In> {
  checkOptions("kv", options, optionNames);
  const place = { coordinator: host.records.namespace, path };
  checkPlace(place);
  const { schema } = options ?? {};
  const plain = options?.codec ?? ((outer?.plain ?? jsonCodec()) as unknown as Codec<T, In>);
  checkCodec(plain);
  const inherited = options?.codec ?? ((outer?.codec ?? plain) as unknown as Codec<T, In>);
  // A schema takes the place of the outer one, and keeps the codec beneath it.
  const codec =
    schema === undefined ? inherited : (schemaCodec(schema, plain as Codec<unknown, In>) as Codec<T, In>);
  const compression =
    options?.compression === undefined ? outer?.compression : resolveCompression(options.compression);
  const history = parseCount("history", options?.history, outer?.history ?? 1, historyMax);
  const life = options?.ttl === undefined ? outer?.life : parseLife(options.ttl);
  return new KeyValueStore(
    host,
    path,
    new TypedEntries(host, new EntryStore(host.records, place), { codec, plain, compression, life, history }),
  );
}

/** What is behind a {@link KeyValue} of ours; `undefined`: it is none. */
export function entriesOf<T, In>(store: KeyValue<T, In>): TypedEntries<T, In> | undefined {
  return KeyValueStore.entriesOf(store) as TypedEntries<T, In> | undefined;
}

class KeyValueStore<T, In> implements KeyValue<T, In> {
  readonly name: string;
  readonly #host: KeyValueHost;
  readonly #path: readonly string[];
  readonly #entries: TypedEntries<T, In>;

  constructor(host: KeyValueHost, path: readonly string[], entries: TypedEntries<T, In>) {
    this.name = nameOf(path);
    this.#host = host;
    this.#path = path;
    this.#entries = entries;
  }

  static entriesOf(store: object): TypedEntries<unknown, unknown> | undefined {
    return #entries in store ? store.#entries : undefined;
  }

  async get(key: string): Promise<Entry<T> | undefined> {
    return this.#entries.show(key, await this.#entries.store.read(key));
  }

  async getMany(keys: readonly string[]): Promise<readonly (Entry<T> | undefined)[]> {
    checkList("kv.getMany", keys);
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async has(key: string): Promise<boolean> {
    const { store } = this.#entries;
    return (await store.visible(await store.read(key))) !== undefined;
  }

  async set(key: string, value: In, options?: SetOptions<T>): Promise<Written<T>> {
    checkCall("set", options, [...writeOptions, "ifVersion", "if"]);
    const { ifVersion, if: condition } = options ?? {};
    return this.#entries.write(key, value, options, { ifVersion, condition });
  }

  async setIfAbsent(key: string, value: In, options?: WriteOptions): Promise<Written<T>> {
    checkCall("setIfAbsent", options, writeOptions);
    return this.#entries.write(key, value, options, { isPresent: false });
  }

  async setIfPresent(key: string, value: In, options?: WriteOptions): Promise<Written<T>> {
    checkCall("setIfPresent", options, writeOptions);
    return this.#entries.write(key, value, options, { isPresent: true });
  }

  async setMany(
    entries: readonly NewEntry<In>[],
    options?: WriteOptions,
  ): Promise<readonly BatchResult<Written<T>>[]> {
    checkList("kv.setMany", entries);
    checkNewEntries(entries);
    checkCall("setMany", options, writeOptions);
    return inParallel(entries, ({ key, value, ttl }) => {
      return this.set(key, value, ttl === undefined ? options : { ...options, ttl });
    });
  }

  async update(
    key: string,
    change: (current: T | undefined, entry: Entry<T> | undefined) => In | Leave | Promise<In | Leave>,
    options?: UpdateOptions,
  ): Promise<Updated<In>> {
    checkCall("update", options, [...writeOptions, "attempts", "lockAfter"]);
    if (typeof change !== "function") {
      throw new InvalidArgumentError(
        `change must be a function of the current value; got ${describe(change)}`,
      );
    }
    return this.#entries.update(key, change, options) as Promise<Updated<In>>;
  }

  async increment(key: string, by = 1, options?: IncrementOptions): Promise<number> {
    checkCall("increment", options, [...writeOptions, "initial"]);
    addend("by", by);
    const initial = addend("initial", options?.initial ?? 0);
    const add = (current: T | undefined) => sumOf(key, current ?? initial, by) as In;
    const updated = await this.#entries.update(key, add, options, true);
    return (updated as unknown as { readonly value: number }).value;
  }

  async delete(key: string, options?: DeleteOptions<T>): Promise<Deleted<T>> {
    checkCall("delete", options, conditionOptions);
    return this.#entries.delete(key, options);
  }

  async deleteMany(keys: readonly string[]): Promise<readonly BatchResult<Deleted<T>>[]> {
    checkList("kv.deleteMany", keys);
    return inParallel(
      keys.map((key) => ({ key })),
      ({ key }) => this.delete(key),
    );
  }

  async purge(key: string): Promise<boolean> {
    return eraseEntry(this.#entries.store, key);
  }

  async expire(key: string, ttl: Duration | null): Promise<boolean> {
    const life = parseLife(ttl);
    return this.#entries.prolong(key, () => life);
  }

  async touch(key: string): Promise<boolean> {
    return this.#entries.prolong(key, ({ life }) => (life === undefined ? undefined : { ttlMs: life.ttlMs }));
  }

  async ttl(key: string): Promise<number | null | undefined> {
    const { store } = this.#entries;
    const visible = await store.visible(await store.read(key));
    if (visible?.life === undefined) return visible === undefined ? undefined : null;
    return Math.ceil(visible.life.endsAtMs - (await store.now()).earliestMs);
  }

  list(options?: ListingOptions<T>): Listing<Entry<T>> {
    const { filter } = options ?? {};
    return createListing(this.#entries.store, options, async (scanned) => {
      const entry = await this.#entries.show(scanned.key, scanned);
      return entry === undefined || (filter && !passes(filter, entry)) ? undefined : entry;
    });
  }

  keys(options?: ListingOptions<T>): Listing<string> {
    const { store } = this.#entries;
    return createListing(store, options, async (scanned) => {
      if (options?.filter === undefined) return (await store.visible(scanned)) && scanned.key;
      const entry = await this.#entries.show(scanned.key, scanned);
      return entry !== undefined && passes(options.filter, entry) ? entry.key : undefined;
    });
  }

  watch(options?: WatchOptions): AsyncIterable<Change<T>> {
    // Whether there can be a reset, the signature in KeyValue says.
    return createWatch<T>(this.#entries as TypedEntries<T, never>, options) as AsyncIterable<Change<T>>;
  }

  async history(key: string): Promise<readonly PastEntry<T>[]> {
    return this.#entries.history(key);
  }

  namespace<U = T, UIn = U>(name: string, options?: KeyValueOptions<U, UIn>): KeyValue<U, UIn> {
    const { settings } = this.#entries;
    return createKeyValue<U, UIn>(
      this.#host,
      [...this.#path, name],
      options,
      settings as Settings<never, never>,
    );
  }

  async status(): Promise<KeyValueStatus> {
    const { store, settings } = this.#entries;
    const sizes = createListing(
      store,
      {},
      async (scanned) => (await store.visible(scanned))?.value?.bytes.length,
    );
    let [entries, bytes] = [0, 0];
    for await (const size of sizes) [entries, bytes] = [entries + 1, bytes + size];
    const { kind, capabilities } = store.host.backend;
    const { valueBytesMax, commitOperationsMax: transactionKeysMax, watch } = capabilities;
    const { history, life } = settings;
    const kept = { history, ttlMs: life?.ttlMs ?? null };
    return {
      name: this.name,
      backend: kind,
      entries,
      bytes,
      ...kept,
      valueBytesMax: valueRoom(valueBytesMax, "-"),
      transactionKeysMax,
      watch,
    };
  }

  async clear(): Promise<number> {
    let cleared = 0;
    for await (const { items } of this.keys({ pageSize: 1_000 }).pages()) {
      for (const result of await this.deleteMany(items)) {
        if ("error" in result) throw result.error;
        if (result.committed && result.existed) cleared += 1;
      }
    }
    return cleared;
  }

  async destroy(): Promise<number> {
    return eraseAll(this.#entries.store);
  }
}

function passes<T>(filter: NonNullable<ListingOptions<T>["filter"]>, entry: Entry<T>): boolean {
  return answerNow("filter", filter(entry), "List the entries, and look at each");
}
