import type { Duration } from "../../../core/durations.ts";
import { checkOptions } from "../../../core/options.ts";
import type { Runtime } from "../../../core/runtime.ts";
import type { FenceablePut } from "../fence-expressions.ts";
import type { DynamodbClient } from "../options.ts";
import { fromAttributes, refused } from "./attribute-values.ts";
import type { ItemCondition } from "./conditions.ts";
import { Expression, type ItemPath, projection } from "./expression.ts";
import { checkList, type ItemBatchResult, readMany, writeMany } from "./item-batches.ts";
import { type ItemKey, type KeyNames, toKey, toKeyNames } from "./item-key.ts";
import { type ItemPages, type ItemQueryOptions, type ItemScanOptions, itemPages } from "./item-pages.ts";
import { guard, type ItemTable, type ItemWrite, readItem, requesterOf, toItem, write } from "./item-table.ts";
import { type ItemTransactionEntry, type ItemUpdate, itemUpdate } from "./item-update.ts";
import type { EnvironmentTable } from "./table-from-environment.ts";

const writeOptions = ["when", "returning"];

/** Options of {@link dynamodbItems}. */
export interface DynamodbItemsOptions {
  /** Stays yours, and open. */
  readonly client: DynamodbClient;
  /** The name or ARN of the table, or what {@link tableFromEnvironment} found. */
  readonly table: string | EnvironmentTable;
  /** The names of the attributes that are the table's key. */
  readonly key: string | KeyNames;
  /** How long one request may take; 50 ms to 60 s. Default: 5 s. */
  readonly requestTimeout?: Duration;
  readonly runtime?: Runtime;
}

/** How items are read. */
export interface ItemReadOptions {
  /** Sees every write that was answered before, at twice the price. Default: true. */
  readonly consistent?: boolean;
  /** The attributes that come out. Default: all. */
  readonly project?: readonly ItemPath[];
}

/** How an item is put or deleted. */
export interface ItemPutOptions {
  /** The write applies only where this holds of what stands there. */
  readonly when?: ItemCondition;
}

/** {@link ItemPutOptions}, and what the answer holds. */
export interface ItemWriteOptions extends ItemPutOptions {
  /** `old`: what stood there. Default: what stands there after the write. */
  readonly returning?: "old";
}

/** What a read gives: with a projection, a part. */
export type ItemRead<T, Options> = Options extends { readonly project: readonly ItemPath[] } ? Partial<T> : T;

/**
 * The items of a table of your own, as plain JavaScript values: strings, numbers, booleans, null, arrays, plain objects,
 * Sets, Uint8Arrays, bigints. Whole numbers beyond the safe ones come back as bigint. Nobody checks that what is stored
 * is a `T`.
 *
 * Reads are repeated when they get no answer, and so are a `put`, a `delete` and an `update` that leave the same when they
 * are applied twice. Every other write is sent once, whatever the client's `maxAttempts`: it rejects with
 * `OutcomeUnknownError` (`OUTCOME_UNKNOWN`) when no answer comes. Bad values, keys and paths are refused with
 * `InvalidArgumentError`, and what is too large with `LimitExceededError`, before anything is sent.
 */
export interface DynamodbItems<T extends object> {
  readonly client: DynamodbClient;
  readonly table: string;
  get<const Options extends ItemReadOptions>(
    key: ItemKey,
    options?: Options,
  ): Promise<ItemRead<T, Options> | null>;
  /** In the order of `keys`: a request for every 100, and more where DynamoDB leaves some unprocessed. */
  getMany<const Options extends ItemReadOptions>(
    keys: readonly ItemKey[],
    options?: Options,
  ): Promise<readonly (ItemRead<T, Options> | null)[]>;
  exists(key: ItemKey, options?: Pick<ItemReadOptions, "consistent">): Promise<boolean>;
  put(item: T, options?: ItemWriteOptions): Promise<ItemWrite<T>>;
  delete(key: ItemKey, options?: ItemWriteOptions): Promise<ItemWrite<T>>;
  /** A request for every 25. Not atomic, and without conditions: see `failed` of the result. */
  putMany(items: readonly T[]): Promise<ItemBatchResult>;
  /** As {@link DynamodbItems.putMany}. */
  deleteMany(keys: readonly ItemKey[]): Promise<ItemBatchResult>;
  update(key: ItemKey): ItemUpdate<T>;
  /** Items of one partition, of the table or of an index, in order. */
  query<const Options extends ItemQueryOptions>(options: Options): ItemPages<ItemRead<T, Options>>;
  /** All items, in no order. Reads, and pays for, the whole table. */
  scan<const Options extends ItemScanOptions>(options?: Options): ItemPages<ItemRead<T, Options>>;
  /** Entries for {@link dynamodbTransaction}, and for other transactions: nothing is sent. */
  transactPut(item: T, options?: ItemPutOptions): { readonly Put: FenceablePut };
  transactDelete(key: ItemKey, options?: ItemPutOptions): ItemTransactionEntry;
  transactCheck(key: ItemKey, when: ItemCondition): ItemTransactionEntry;
  transactGet(key: ItemKey, options?: Pick<ItemReadOptions, "project">): object;
}

/**
 * The items of a table. Sends nothing, and loads nothing of the AWS SDK before the first request.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an option that cannot work.
 *
 * @example
 * ```ts
 * import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
 * import { dynamodbItems, missing } from "leasehold/dynamodb";
 *
 * const client = new DynamoDBClient({ endpoint: "http://127.0.0.1:8000" });
 * const invoices = dynamodbItems<{ id: string; amount: number }>({ client, table: "invoices", key: "id" });
 * await invoices.put({ id: "example-1", amount: 5 });
 * const second = await invoices.put({ id: "example-1", amount: 9 }, { when: missing("id") });
 * if (!second.committed) console.log(second.current?.amount); // 5
 * const { committed } = await invoices.update("example-1").increment("amount", 2).run();
 * console.log(committed, (await invoices.get("example-1"))?.amount); // true 7
 * ```
 */
export function dynamodbItems<T extends object = Record<string, unknown>>(
  options: DynamodbItemsOptions,
): DynamodbItems<T> {
  checkOptions("dynamodbItems", options, ["client", "table", "key", "requestTimeout", "runtime"]);
  const { client, table: where, key: keyNames, ...settings } = options;
  const name = typeof where === "object" ? where?.name : where;
  if (typeof name !== "string") throw refused("table", "the name or ARN of a table", where);
  const names = toKeyNames(keyNames);
  const table: ItemTable = {
    client,
    name,
    names,
    requester: requesterOf(client, { ...settings, table: name }),
  };
  const guarded = (what: string, options: ItemWriteOptions, known: readonly string[] = ["when"]) => {
    checkOptions(what, options, known);
    const { when, returning } = options;
    if (![undefined, "old"].includes(returning)) throw refused("returning", '"old", or left out', returning);
    return {
      ...guard(new Expression(), when),
      ...(returning !== undefined && { ReturnValues: "ALL_OLD" }),
    };
  };
  const repeatable = ({ when, returning }: ItemWriteOptions) => when === undefined && returning === undefined;
  const readInput = (what: string, options: ItemReadOptions, known = ["consistent", "project"]) => {
    checkOptions(what, options, known);
    const expression = new Expression();
    const ConsistentRead = options.consistent ?? true;
    return { ConsistentRead, ...projection(expression, options.project), ...expression.members };
  };

  return {
    client,
    table: name,
    async get(key: ItemKey, options: ItemReadOptions = {}) {
      const item = await readItem(table, toKey(names, key), readInput("get", options));
      return (item && fromAttributes(item)) as never;
    },
    async getMany(keys: readonly ItemKey[], options: ItemReadOptions = {}) {
      checkOptions("getMany", options, ["consistent", "project"]);
      checkList("keys", keys);
      const wanted = keys.map((key) => toKey(names, key));
      return (await readMany(table, wanted, options.consistent ?? true, options.project)) as never;
    },
    async exists(key, options = {}) {
      checkOptions("exists", options, ["consistent"]);
      const input = readInput("exists", { ...options, project: [[names.partition]] });
      return (await readItem(table, toKey(names, key), input)) !== null;
    },
    async put(item, options = {}) {
      const input = { ...guarded("put", options, writeOptions), Item: toItem(table, item) };
      const leaves = options.returning === undefined ? item : null;
      return write(table, "PutItem", input, { repeatable: repeatable(options), leaves });
    },
    async delete(key, options = {}) {
      const input = { ...guarded("delete", options, writeOptions), Key: toKey(names, key) };
      return write(table, "DeleteItem", input, { repeatable: repeatable(options) });
    },
    async putMany(items) {
      checkList("items", items);
      return writeMany(
        table,
        "Put",
        items.map((item) => toItem(table, item)),
      );
    },
    async deleteMany(keys) {
      checkList("keys", keys);
      return writeMany(
        table,
        "Delete",
        keys.map((key) => toKey(names, key)),
      );
    },
    update: (key) => itemUpdate<T>(table, toKey(names, key)),
    query: (options) => itemPages(table, "Query", options),
    scan: (options) => itemPages(table, "Scan", options ?? {}),
    transactPut: (item, options = {}) => ({
      Put: { TableName: name, Item: toItem(table, item), ...guarded("transactPut", options) },
    }),
    transactDelete: (key, options = {}) => ({
      Delete: { TableName: name, Key: toKey(names, key), ...guarded("transactDelete", options) },
    }),
    transactCheck(key, when) {
      if (when === undefined) throw refused("when", "a condition", when);
      return {
        ConditionCheck: { TableName: name, Key: toKey(names, key), ...guarded("transactCheck", { when }) },
      };
    },
    transactGet(key, options = {}) {
      const { ConsistentRead: _, ...input } = readInput("get", options, ["project"]);
      return { Get: { TableName: name, Key: toKey(names, key), ...input } };
    },
  };
}
