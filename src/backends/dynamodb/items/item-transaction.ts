import type { TransactGetItem, TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { InvalidArgumentError, LimitExceededError } from "../../../core/errors.ts";
import { checkOptions } from "../../../core/options.ts";
import { ownWrites } from "../alongside.ts";
import { collisionRetries, isCollision } from "../collision.ts";
import { Failure } from "../failure.ts";
import type { DynamodbClient } from "../options.ts";
import type { Requester } from "../requester.ts";
import { retry } from "../retry.ts";
import { type Attributes, checkLimit, fromAttributes, refused } from "./attribute-values.ts";
import type { ItemCondition } from "./conditions.ts";
import type { DynamodbItems, ItemPutOptions } from "./dynamodb-items.ts";
import type { ItemPath } from "./expression.ts";
import type { ItemKey } from "./item-key.ts";
import { itemsError, requesterOf } from "./item-table.ts";
import type { ItemTransactionEntry, ItemUpdate } from "./item-update.ts";

/** A write whose condition failed in a transaction. */
export interface ItemConflict {
  /** Which write of the transaction, from 0. */
  readonly index: number;
  readonly table: string;
  /** What stands there; null: no item. */
  readonly current: Record<string, unknown> | null;
}

/** What became of a transaction: all of it, or nothing. */
export type ItemTransactionResult =
  | { readonly committed: true }
  | { readonly committed: false; readonly conflicts: readonly ItemConflict[] };

/** Writes that are applied together or not at all, put together call by call; each call gives a new one. */
export interface ItemTransaction {
  put<T extends object>(items: DynamodbItems<T>, item: T, options?: ItemPutOptions): ItemTransaction;
  /** An update without its `run()`. */
  update<T>(update: ItemUpdate<T>): ItemTransaction;
  delete<T extends object>(items: DynamodbItems<T>, key: ItemKey, options?: ItemPutOptions): ItemTransaction;
  /** The transaction applies only where this holds of an item that it does not write. */
  check<T extends object>(items: DynamodbItems<T>, key: ItemKey, when: ItemCondition): ItemTransaction;
  /** Entries of `items.transactPut` and the like, or written by hand. */
  with(...entries: readonly ItemTransactionEntry[]): ItemTransaction;
  /**
   * Sends it: in any number of copies under one token, of which DynamoDB applies one.
   *
   * @param options.token makes calls within ten minutes one, also those of another process: 1 to 36 characters. The
   *   same token with other writes is refused.
   * @throws LimitExceededError (`LIMIT_EXCEEDED`) for more than 100 writes or 4 MB; nothing was sent.
   * @throws OutcomeUnknownError (`OUTCOME_UNKNOWN`) when no copy got an answer. With a `token` of yours, the same call
   *   again finds out.
   */
  run(options?: { readonly token?: string }): Promise<ItemTransactionResult>;
}

/** Items of one moment, put together call by call. */
export interface ItemSnapshot<Read extends readonly unknown[]> {
  get<T extends object>(
    items: DynamodbItems<T>,
    key: ItemKey,
    options?: { readonly project?: readonly ItemPath[] },
  ): ItemSnapshot<readonly [...Read, T | null]>;
  /** @throws LimitExceededError (`LIMIT_EXCEEDED`) for more than 100 items. */
  run(): Promise<Read>;
}

const [entriesMax, bytesMax, tokenCharsMax] = [100, 4 * 1_024 * 1_024, 36];
/** Copies of a transaction that got no answer, and were not waited for in vain. */
const unansweredMax = 3;

/**
 * A transaction over items of any tables of one account and Region: at most 100 writes, each of another item.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for what is no client.
 */
export function dynamodbTransaction(client: DynamodbClient): ItemTransaction {
  return transaction(requesterOf(client, {}), []);
}

/** Reads up to 100 items as they are at one moment, by `TransactGetItems`; twice the price of consistent reads. */
export function dynamodbSnapshot(client: DynamodbClient): ItemSnapshot<readonly []> {
  return snapshot(requesterOf(client, {}), []);
}

function transaction(requester: Requester, entries: readonly ItemTransactionEntry[]): ItemTransaction {
  const add = (...more: readonly ItemTransactionEntry[]) => transaction(requester, [...entries, ...more]);
  return {
    put: (items, item, options) => add(items.transactPut(item, options)),
    update: (update) => add(update.entry()),
    delete: (items, key, options) => add(items.transactDelete(key, options)),
    check: (items, key, when) => add(items.transactCheck(key, when)),
    with: add,
    run: async (options = {}) => commit(requester, entries, options),
  };
}

async function commit(
  requester: Requester,
  entries: readonly ItemTransactionEntry[],
  options: { readonly token?: string },
): Promise<ItemTransactionResult> {
  checkOptions("run", options, ["token"]);
  const { runtime } = requester;
  const { token = runtime.id() } = options;
  if (typeof token !== "string" || token === "" || token.length > tokenCharsMax) {
    throw refused("token", `a text of 1 to ${tokenCharsMax} characters`, token);
  }
  checkCount("writes", entries.length);
  const writes = ownWrites(entries);
  const size = writes.reduce((sum, { bytes }) => sum + bytes, 0);
  checkLimit("transactions", "bytes", bytesMax, size);
  const TransactItems = writes.map(({ entry }) => entry as TransactWriteItem);
  const table = [...new Set(writes.map((write) => write.table))].join(", ");
  let unanswered = 0;
  const again = (error: unknown): boolean => {
    if (!(error instanceof Failure)) return false;
    if (error.kind === "cancelled") return isCollision(error);
    if (error.kind !== "unknown") return false;
    unanswered += 1;
    return unanswered < unansweredMax;
  };
  try {
    const send = () => requester.request("TransactWriteItems", { ClientRequestToken: token, TransactItems });
    await retry(runtime, collisionRetries, send, again);
    return { committed: true };
  } catch (error) {
    // A copy that got no answer may still come to be applied, whatever stood against another one.
    if (error instanceof Failure && unanswered === 0) {
      const conflicts = error.reasons.flatMap(({ Code, Item }, index) => {
        if (Code !== "ConditionalCheckFailed") return [];
        const current = Item === undefined ? null : fromAttributes(Item);
        return [{ index, table: writes[index]?.table ?? "", current }];
      });
      if (conflicts.length > 0) return { committed: false, conflicts };
      if (error.kind === "cancelled" && !isCollision(error)) throw invalid(error, table);
    }
    throw await itemsError(requester, error, "TransactWriteItems", { sentBefore: unanswered > 0, table });
  }
}

function snapshot<Read extends readonly unknown[]>(
  requester: Requester,
  gets: readonly TransactGetItem[],
): ItemSnapshot<Read> {
  return {
    get: (items, key, options) =>
      snapshot(requester, [...gets, items.transactGet(key, options) as TransactGetItem]),
    async run() {
      checkCount("reads", gets.length);
      const table = [...new Set(gets.map(({ Get }) => Get?.TableName))].join(", ");
      try {
        const send = () => requester.request("TransactGetItems", { TransactItems: [...gets] });
        const again = (error: unknown) => error instanceof Failure && isCollision(error);
        const { Responses = [] } = await retry(requester.runtime, collisionRetries, send, again);
        return Responses.map(({ Item }) =>
          Item === undefined ? null : fromAttributes(Item as Attributes),
        ) as never;
      } catch (error) {
        if (error instanceof Failure && error.kind === "cancelled" && !isCollision(error))
          throw invalid(error, table);
        throw await itemsError(requester, error, "TransactGetItems", { table });
      }
    },
  };
}

function invalid(failure: Failure, table: string): Error {
  const reasons = failure.reasons.flatMap(({ Code = "None", Message = "" }, index) =>
    Code === "None" ? [] : [`[${index}] ${Code}: ${Message}`],
  );
  const message = `DynamoDB refused a transaction on table ${table}: ${reasons.join("; ")}`;
  const details = { cause: failure.cause };
  return /item ?(size|collection)/i.test(message)
    ? new LimitExceededError(message, details)
    : new InvalidArgumentError(message, details);
}

function checkCount(what: string, size: number): void {
  if (size === 0) throw new InvalidArgumentError(`a transaction must have at least one of its ${what}`);
  checkLimit("transactions", what, entriesMax, size);
}
