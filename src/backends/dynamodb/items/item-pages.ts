import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError } from "../../../core/errors.ts";
import { digest } from "../../../core/names.ts";
import { fromOpaqueText, toOpaqueText } from "../../../core/opaque-text.ts";
import { checkOptions } from "../../../core/options.ts";
import { type Attributes, fromAttributes, refused } from "./attribute-values.ts";
import { conditionText, type ItemCondition } from "./conditions.ts";
import { Expression, type ItemPath, projection } from "./expression.ts";
import { ask, type ItemTable } from "./item-table.ts";

/** What a query and a scan have in common. */
export interface ItemScanOptions {
  /** Which of the items that are read come out; all of them are paid for. */
  readonly filter?: ItemCondition;
  /** The name of a secondary index. */
  readonly index?: string;
  /** The attributes that come out. Default: all. */
  readonly project?: readonly ItemPath[];
  /** Strongly consistent, at twice the price. Default: true, but not on an index: a global one cannot. */
  readonly consistent?: boolean;
  /** Items that come out at most. Default: all. With a filter, each request reads no more than are still missing. */
  readonly limit?: number;
  /** Items that one request reads at most. Default: up to 1 MB. */
  readonly pageSize?: number;
  /** Where to carry on: the `cursor` of a page of the same query or scan. */
  readonly cursor?: string;
  /** Parts of the table that are read at the same time, for a scan without a limit. Default: 1. */
  readonly segments?: number;
}

/** Which items, in the order of the sort key. */
export interface ItemQueryOptions extends Omit<ItemScanOptions, "segments"> {
  /** The partition key equals a value, and at most one more condition, on the sort key. */
  readonly key: ItemCondition;
  /** Default: ascending. */
  readonly order?: "ascending" | "descending";
}

/** Some items, and where to carry on behind them. A page of a filter may be empty, and not be the last. */
export interface ItemPage<T> {
  readonly items: readonly T[];
  /** For the option `cursor`, also of another process; undefined at the end. */
  readonly cursor: string | undefined;
}

/** The items of a query or scan, read while they are asked for; each loop reads anew. */
export interface ItemPages<T> extends AsyncIterable<T> {
  pages(): AsyncIterable<ItemPage<T>>;
  /** All of them, in memory. */
  all(): Promise<readonly T[]>;
  /** How many there are: read and paid for like the items. */
  count(): Promise<number>;
}

const optionNames = ["filter", "index", "project", "consistent", "limit", "pageSize", "cursor"];
const segmentsMax = 1_000;

/** Where a segment stands: not begun, behind a key, or at its end. */
type Position = undefined | Attributes | null;

type Operation = "Query" | "Scan";
type AllOptions = ItemScanOptions & Partial<ItemQueryOptions>;

interface Plan {
  readonly table: ItemTable;
  readonly operation: Operation;
  readonly input: object;
  readonly identity: string;
  readonly positions: Position[];
  readonly limit: number;
  readonly pageSize: number;
}

/** @throws InvalidArgumentError for a cursor of something else. */
export function itemPages<T>(table: ItemTable, operation: Operation, options: AllOptions): ItemPages<T> {
  const plan = makePlan(table, operation, options);
  const pages = () => readPages(plan, (item) => fromAttributes(item) as T, {});
  return {
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const { items } of pages()) yield* items;
    },
    async all() {
      const all: T[] = [];
      for await (const { items } of pages()) for (const item of items) all.push(item);
      return all;
    },
    async count() {
      let count = 0;
      const { project: _, ...whole } = options;
      const counting = makePlan(table, operation, whole);
      for await (const page of readPages(counting, () => null, { Select: "COUNT" })) count += page.count;
      return count;
    },
  };
}

function makePlan(table: ItemTable, operation: Operation, options: AllOptions): Plan {
  const isQuery = operation === "Query";
  checkOptions(operation.toLowerCase(), options, [
    ...optionNames,
    ...(isQuery ? ["key", "order"] : ["segments"]),
  ]);
  const { key, filter, index, project, order = "ascending", cursor, segments = 1 } = options;
  const { consistent = index === undefined, limit = Number.POSITIVE_INFINITY, pageSize = limit } = options;
  checkCount("limit", limit);
  checkCount("pageSize", pageSize);
  checkCount("segments", segments);
  if (segments > segmentsMax || (segments > 1 && limit !== Number.POSITIVE_INFINITY)) {
    throw refused("segments", `a number up to ${segmentsMax}, and 1 for a scan with a limit`, segments);
  }
  if (!["ascending", "descending"].includes(order))
    throw refused("order", '"ascending" or "descending"', order);
  const expression = new Expression();
  const conditions = {
    ...(isQuery && {
      KeyConditionExpression: conditionText(expression, "key condition", key ?? (null as never)),
      ScanIndexForward: order === "ascending",
    }),
    ...(filter !== undefined && { FilterExpression: conditionText(expression, "filter", filter) }),
    ...(index !== undefined && { IndexName: index }),
  };
  // Everything that decides which items come out, and in what order.
  const identity = digest(encode([table.name, operation, conditions, expression.members, segments]));
  return {
    table,
    operation,
    identity,
    limit,
    pageSize,
    positions:
      cursor === undefined ? new Array(segments).fill(undefined) : decodeCursor(identity, segments, cursor),
    input: {
      TableName: table.name,
      ConsistentRead: consistent,
      ...conditions,
      ...projection(expression, project),
      ...expression.members,
    },
  };
}

interface Answer {
  readonly segment: number;
  readonly items: readonly Attributes[];
  readonly count: number;
  readonly last: Attributes | undefined;
}

async function* readPages<T>(
  { table, operation, input, identity, limit, pageSize, positions: start }: Plan,
  decode: (item: Attributes) => T,
  more: object,
): AsyncGenerator<ItemPage<T> & { readonly count: number }> {
  const positions = [...start];
  let room = limit;
  const read = async (segment: number): Promise<Answer> => {
    const Limit = Math.min(pageSize, room);
    const {
      Items = [],
      Count = 0,
      LastEvaluatedKey,
    } = await ask(table.requester, operation, {
      ...input,
      ...more,
      // Never more than may come out: a cursor can only stand behind all that a request has read.
      ...(Number.isFinite(Limit) && { Limit }),
      ...(positions[segment] && { ExclusiveStartKey: positions[segment] }),
      ...(positions.length > 1 && { Segment: segment, TotalSegments: positions.length }),
    } as never);
    return { segment, items: Items, count: Count, last: LastEvaluatedKey };
  };
  const underWay = new Map<number, Promise<Answer>>();
  const begin = (segment: number): void => {
    if (positions[segment] === null || room <= 0) return;
    const answer = read(segment);
    // Whoever leaves the loop early does not hear of the other segments.
    answer.catch(() => undefined);
    underWay.set(segment, answer);
  };
  for (const segment of positions.keys()) begin(segment);
  while (underWay.size > 0) {
    const { segment, items, count, last } = await Promise.race(underWay.values());
    underWay.delete(segment);
    positions[segment] = last ?? null;
    room -= count;
    const isOver = positions.every((position) => position === null);
    yield {
      items: items.map(decode),
      count,
      cursor: isOver ? undefined : encode([identity, positions.map(toStart)]),
    };
    // Not earlier: nothing is read, and paid for, before it is asked for.
    begin(segment);
  }
}

/** JSON has no undefined in an array, and null is the end. */
function toStart(position: Position): Attributes | null | 0 {
  return position === undefined ? 0 : position;
}

/** Bytes become objects that no attribute is. */
function encode(value: unknown): string {
  return toOpaqueText(value, function (name, each) {
    // As it is there: a Buffer comes as what its toJSON makes of it.
    const raw = this[name];
    return raw instanceof Uint8Array ? { bytes: Buffer.from(raw).toString("base64") } : each;
  });
}

function decodeCursor(identity: string, segments: number, cursor: string): Position[] {
  const parsed = fromOpaqueText(cursor, (_, each: { readonly bytes?: unknown } | null) =>
    typeof each?.bytes === "string" ? new Uint8Array(Buffer.from(each.bytes, "base64")) : each,
  );
  const [ofIdentity, positions] = Array.isArray(parsed) ? parsed : [];
  if (ofIdentity === identity && Array.isArray(positions) && positions.length === segments) {
    return positions.map((position: AttributeValue | null | 0) =>
      position === 0 ? undefined : position,
    ) as Position[];
  }
  throw new InvalidArgumentError(
    `the cursor ${describe(cursor)} does not belong to this query or scan; pass the cursor of the page before, with the ` +
      "same key, filter, index, order and segments, or none to start at the beginning",
  );
}

function checkCount(option: string, value: number): void {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= 1)) return;
  throw refused(option, "a whole number from 1", value);
}
