import { bytesCodec } from "../codecs/plain-codecs.ts";
import type { Coordinator } from "../coordinator.ts";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { KeyValue } from "../kv/key-value.ts";

/** Options of {@link unstorageDriver}. */
export interface UnstorageDriverOptions {
  /** The key-value namespace that holds the items. Default: `unstorage`. */
  readonly name?: string;
}

/** Options of one call, as unstorage passes them on. */
interface ItemOptions {
  /** Seconds that the item lives. */
  readonly ttl?: number;
}

/** What unstorage asks of a driver. */
export interface UnstorageDriver {
  readonly name: string;
  readonly flags: { readonly ttl: true };
  readonly options: UnstorageDriverOptions;
  /** The key-value namespace itself. */
  getInstance(): KeyValue<Uint8Array>;
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<string | null>;
  getItems(items: { readonly key: string }[]): Promise<{ key: string; value: string | null }[]>;
  getItemRaw(key: string): Promise<Uint8Array | null>;
  setItem(key: string, value: string, options?: ItemOptions): Promise<void>;
  setItemRaw(key: string, value: unknown, options?: ItemOptions): Promise<void>;
  removeItem(key: string): Promise<void>;
  getMeta(key: string): Promise<{ mtime: Date; birthtime: Date; size: number; ttl?: number } | null>;
  getKeys(base: string): Promise<string[]>;
  clear(base: string): Promise<void>;
  dispose(): void;
  /** Resolves once the watch has begun. */
  watch(callback: (event: "update" | "remove", key: string) => void): Promise<() => void>;
}

/**
 * A driver for unstorage: all processes that use the name share the items, over whatever backend the coordinator has.
 *
 * `ttl` of `setItem` is in seconds, exact on reading, by the store's clock. Raw items are bytes or text. The coordinator stays
 * open when the storage is disposed of. Keys have 1 to 1,024 bytes.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or an unknown option.
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * import { unstorageDriver } from "leasehold/unstorage";
 * import { createStorage } from "unstorage";
 *
 * await using coordinator = await connect("memory:");
 * const storage = createStorage({ driver: unstorageDriver(coordinator, { name: "site" }) });
 * await storage.setItem("pages:home", { title: "Hello" }, { ttl: 60 });
 * console.log(await storage.getKeys("pages"), await storage.getItem("pages:home")); // [ 'pages:home' ] { title: 'Hello' }
 * ```
 */
export function unstorageDriver(
  coordinator: Coordinator,
  options: UnstorageDriverOptions = {},
): UnstorageDriver {
  checkOptions("unstorageDriver", options, ["name"]);
  const kv = coordinator.kv(options.name ?? "unstorage", { codec: bytesCodec });
  const watches = new Set<AbortController>();
  const write = async (key: string, value: Uint8Array, { ttl }: ItemOptions = {}): Promise<void> => {
    await kv.set(key, value, ttl === undefined ? {} : { ttl: 1_000 * ttl });
  };
  const keys = async (base: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const key of kv.keys({ prefix: base })) found.push(key);
    return found;
  };
  return {
    ...{ name: "leasehold", flags: { ttl: true }, options },
    getInstance: () => kv,
    hasItem: (key) => kv.has(key),
    getItem: async (key) => textOf(await kv.get(key)),
    async getItems(items) {
      const entries = await kv.getMany(items.map(({ key }) => key));
      return items.map(({ key }, index) => ({ key, value: textOf(entries[index]) }));
    },
    getItemRaw: async (key) => (await kv.get(key))?.value ?? null,
    setItem: (key, value, how) => write(key, Buffer.from(value), how),
    setItemRaw: (key, value, how) => write(key, bytesOf(value), how),
    async removeItem(key) {
      await kv.delete(key);
    },
    async getMeta(key) {
      const entry = await kv.get(key);
      if (entry === undefined) return null;
      const { createdAt: birthtime, updatedAt: mtime, value, ttlMs } = entry;
      return {
        mtime,
        birthtime,
        size: value.length,
        ...(ttlMs === null ? {} : { ttl: Math.ceil(ttlMs / 1_000) }),
      };
    },
    getKeys: keys,
    async clear(base) {
      for (const result of await kv.deleteMany(await keys(base))) if ("error" in result) throw result.error;
    },
    dispose() {
      for (const aborter of watches) aborter.abort();
    },
    watch(callback) {
      const aborter = new AbortController();
      watches.add(aborter);
      const ready = Promise.withResolvers<() => void>();
      const begin = (): void => ready.resolve(() => aborter.abort());
      follow(kv, aborter.signal, callback, begin)
        .then(begin)
        .finally(() => watches.delete(aborter))
        .catch((error: Error) => {
          ready.reject(error);
          // unstorage has no place for an error of a watch that has begun.
          process.emitWarning(error);
        });
      return ready.promise;
    },
  };
}

/** Until the signal fires. */
async function follow(
  kv: KeyValue<Uint8Array>,
  signal: AbortSignal,
  callback: (event: "update" | "remove", key: string) => void,
  onReady: () => void,
): Promise<void> {
  for await (const change of kv.watch({ updatesOnly: true, signal, onReady })) {
    callback(change.operation === "put" ? "update" : "remove", change.key);
  }
}

function textOf(entry: { readonly value: Uint8Array } | undefined): string | null {
  return entry === undefined ? null : Buffer.from(entry.value).toString("utf8");
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value);
  throw new InvalidArgumentError(`a raw item must be a Uint8Array or a string; got ${describe(value)}`);
}
