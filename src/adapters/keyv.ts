import { jsonCodec } from "../codecs/json-codec.ts";
import type { Coordinator } from "../coordinator.ts";
import { checkOptions } from "../core/options.ts";
import type { KeyValue } from "../kv/key-value.ts";

/** Options of {@link keyvStore}. */
export interface KeyvStoreOptions {
  /** The key-value namespace that holds the values. Default: `keyv`. */
  readonly name?: string;
}

/** What Keyv asks of a store. */
export interface KeyvStore {
  /** Set by Keyv, which puts it before every key. */
  namespace?: string | undefined;
  readonly opts: object;
  get<Value>(key: string): Promise<Value | undefined>;
  getMany<Value>(keys: string[]): Promise<(Value | undefined)[]>;
  has(key: string): Promise<boolean>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  /** Deletes what is in the namespace; everything, without one. */
  clear(): Promise<void>;
  iterator<Value>(namespace?: string): AsyncGenerator<[string, Value], void>;
}

/**
 * A store for Keyv 5 and 6: all processes that use the name share the values, over whatever backend the coordinator has.
 *
 * Times to live are counted on the store's clock, and by Keyv itself on that of this machine: a value is gone when one of
 * them says so; one of a second or less may be over at once on DynamoDB. The coordinator stays open when Keyv disconnects.
 * Keys have 1 to 1,024 bytes, the namespace included.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an illegal name or an unknown option.
 * @example
 * ```ts
 * import Keyv from "keyv";
 * import { connect } from "leasehold";
 * import { keyvStore } from "leasehold/keyv";
 *
 * await using coordinator = await connect("memory:");
 * const cache = new Keyv({ store: keyvStore(coordinator), namespace: "pages", ttl: 60_000 });
 * await cache.set("home", "<h1>hello</h1>");
 * console.log(await cache.get("home")); // <h1>hello</h1>
 * ```
 */
export function keyvStore(coordinator: Coordinator, options: KeyvStoreOptions = {}): KeyvStore {
  checkOptions("keyvStore", options, ["name"]);
  return new LeaseholdKeyvStore(
    coordinator.kv(options.name ?? "keyv", { codec: jsonCodec({ extended: true }) }),
  );
}

class LeaseholdKeyvStore implements KeyvStore {
  namespace: string | undefined;
  /** Keyv 5 iterates over the stores of a list that it has, by this name; etcd is the one of them that is most like this. */
  readonly opts = { dialect: "etcd" };
  readonly #kv: KeyValue<unknown>;

  constructor(kv: KeyValue<unknown>) {
    this.#kv = kv;
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    return (await this.#kv.get(key))?.value as Value | undefined;
  }

  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return (await this.#kv.getMany(keys)).map((entry) => entry?.value as Value | undefined);
  }

  async has(key: string): Promise<boolean> {
    return this.#kv.has(key);
  }

  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    if (value === undefined) return false;
    return (await this.#kv.set(key, value, ttl === undefined ? {} : { ttl })).committed;
  }

  async delete(key: string): Promise<boolean> {
    const deleted = await this.#kv.delete(key);
    return deleted.committed && deleted.existed;
  }

  async clear(): Promise<void> {
    for await (const { items } of this.#kv.keys({ prefix: prefixOf(this.namespace) }).pages()) {
      for (const result of await this.#kv.deleteMany(items)) if ("error" in result) throw result.error;
    }
  }

  async *iterator<Value>(namespace = this.namespace): AsyncGenerator<[string, Value], void> {
    for await (const { key, value } of this.#kv.list({ prefix: prefixOf(namespace) }))
      yield [key, value as Value];
  }
}

function prefixOf(namespace: string | undefined): string {
  return namespace === undefined ? "" : `${namespace}:`;
}
