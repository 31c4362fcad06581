import { describe } from "../../../core/durations.ts";
import {
  InvalidArgumentError,
  LimitExceededError,
  StoreMisconfiguredError,
  StoreMissingError,
} from "../../../core/errors.ts";
import { Failure } from "../failure.ts";
import { type DynamodbClient, resolveOptions } from "../options.ts";
import { Requester } from "../requester.ts";
import { type RetryLimits, retry } from "../retry.ts";
import {
  type Attributes,
  attributesBytes,
  checkLimit,
  fromAttributes,
  toAttributes,
} from "./attribute-values.ts";
import { conditionText, type ItemCondition } from "./conditions.ts";
import type { Expression } from "./expression.ts";
import { type KeyNames, keyIn } from "./item-key.ts";
import { singleAttempts } from "./single-attempts.ts";

/** A table of the user's, and what sends its requests. */
export interface ItemTable {
  readonly client: DynamodbClient;
  readonly name: string;
  readonly names: KeyNames;
  readonly requester: Requester;
}

/**
 * What became of a write. `item` is what stands there now, or what stood there before, as `returning` says; null where
 * there is none or nothing was asked for. `current` is what stood against the condition; null: no item.
 */
export type ItemWrite<T> =
  | { readonly committed: true; readonly item: T | null }
  | { readonly committed: false; readonly current: T | null };

/** Copies of a harmless request that may get no answer. */
export const copies: RetryLimits = { retriesMax: 2, firstMs: 25, maxMs: 200 };
const itemBytesMax = 400 * 1_024;

/** What sends requests to `table`, each attempt once. */
export function requesterOf(
  client: DynamodbClient,
  options: Partial<Pick<Parameters<typeof resolveOptions>[0], "table" | "requestTimeout" | "runtime">>,
): Requester {
  if (typeof (client as { send?: unknown } | null)?.send !== "function") {
    throw new InvalidArgumentError(
      `client must be a DynamoDBClient or a DynamoDBDocumentClient; got ${describe(client)}`,
    );
  }
  const once = singleAttempts(client);
  return new Requester(resolveOptions({ requestTimeout: 5_000, ...options }), once, once);
}

/** An item to put, no larger than DynamoDB takes, with a sound key. */
export function toItem(table: ItemTable, item: unknown): Attributes {
  const attributes = toAttributes("the item", item);
  keyIn(table.names, attributes);
  checkLimit("items", "bytes", itemBytesMax, attributesBytes(attributes));
  return attributes;
}

/** The condition of a write, and what it needs to tell the item that stands against it. */
export function guard(expression: Expression, when: ItemCondition | undefined): object {
  const ConditionExpression = conditionText(expression, "condition", when);
  if (ConditionExpression === undefined) return expression.members;
  return { ConditionExpression, ReturnValuesOnConditionCheckFailure: "ALL_OLD", ...expression.members };
}

/** How a write is sent. */
export interface WriteOptions {
  /** It may be sent again when no answer came: twice applied is as good as once. */
  readonly repeatable: boolean;
  /** What the write is known to leave, where DynamoDB was not asked. */
  readonly leaves?: unknown;
}

/** @throws OutcomeUnknownError when no answer came to a write that must not be repeated. */
export async function write<T>(
  table: ItemTable,
  operation: "PutItem" | "UpdateItem" | "DeleteItem",
  input: { readonly Key?: Attributes; readonly Item?: Attributes },
  { repeatable, leaves }: WriteOptions,
): Promise<ItemWrite<T>> {
  const { requester, name, names } = table;
  let unanswered = 0;
  const again = (error: unknown): boolean => {
    if (!(error instanceof Failure) || error.kind !== "unknown") return false;
    unanswered += 1;
    return repeatable && !error.timedOut;
  };
  const send = () => requester.request(operation, { TableName: name, ...input } as never);
  try {
    const { Attributes: found } = await retry(requester.runtime, copies, send, again);
    return { committed: true, item: ((found && fromAttributes(found)) ?? leaves ?? null) as T | null };
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== "condition") {
      throw await itemsError(requester, error, operation, { sentBefore: unanswered > 0 });
    }
    // What speaks the protocol and does not tell the item is asked for it.
    const current = error.item ?? (await readItem(table, input.Key ?? keyIn(names, input.Item ?? {})));
    return { committed: false, current: (current && fromAttributes(current)) as T | null };
  }
}

/** One item, strongly consistent unless told otherwise, or null. */
export async function readItem(
  table: ItemTable,
  key: Attributes,
  more: object = {},
): Promise<Attributes | null> {
  const input = { TableName: table.name, Key: key, ConsistentRead: true, ...more };
  return (await ask(table.requester, "GetItem", input)).Item ?? null;
}

/** Sends a request that may be repeated. */
export async function ask<N extends Parameters<Requester["request"]>[0]>(
  requester: Requester,
  operation: N,
  input: Parameters<typeof requester.request<N>>[1],
): ReturnType<typeof requester.request<N>> {
  try {
    return await requester.request(operation, input);
  } catch (error) {
    throw await itemsError(requester, error, operation);
  }
}

/** The error of a request of the user's own. What DynamoDB finds invalid is his argument, and not his table. */
export async function itemsError(
  requester: Requester,
  error: unknown,
  operation: Parameters<Requester["toError"]>[1],
  about: { sentBefore?: boolean; table?: string } = {},
): Promise<Error> {
  // Without a Region the message just says less.
  await requester.where().catch(() => undefined);
  const mapped = requester.toError(error, operation, about);
  if (!(error instanceof Failure)) return mapped;
  const { table } = { table: requester.settings.table, ...about };
  const details = { cause: error.cause };
  if (mapped instanceof StoreMissingError) {
    return new StoreMissingError(`the DynamoDB table ${table} does not exist (${requester.place})`, details);
  }
  if (!(mapped instanceof StoreMisconfiguredError)) return mapped;
  const message = `${operation} on table ${table} was refused as invalid: ${error.message}`;
  return /item size/i.test(message)
    ? new LimitExceededError(message, { limit: itemBytesMax, ...details })
    : new InvalidArgumentError(message, details);
}
