import type { ScanPage, StoredRecord } from "../../core/backend.ts";
import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { fromOpaqueText, toOpaqueText } from "../../core/opaque-text.ts";
import { decodeItem } from "./item-codec.ts";
import { groupOfPrefix } from "./item-layout.ts";
import { type ListIndex, markKey } from "./list-index.ts";
import { readRecords } from "./read-records.ts";
import type { Requester } from "./requester.ts";

const limitDefault = 256;
/** Items that one request looks at, at least: a filter that rejects most would need many small requests. */
const examinedMin = 256;
/** Requests for one page. A page may then be short, even empty, and still carry a cursor. */
const requestsMax = 50;

/** What one request found, up to as many as were wanted, and where the next one goes on. */
interface Found {
  readonly records: readonly StoredRecord[];
  readonly last: string | undefined;
}

/** Where a page begins: behind this key, in the order of an index or in that of the table. */
interface Place {
  readonly key: string;
  readonly index: string | undefined;
}

/**
 * One page of the records whose key begins with `prefix`. By the index for listings, in the order of keys, where there is
 * a complete one and the prefix has two whole segments. Else in no order: DynamoDB has no index over the beginnings of
 * partition keys, so the table is read from the cursor on, and paid for, whatever the prefix.
 */
export async function scanRecords(
  requester: Requester,
  listing: ListIndex,
  prefix: string,
  page: { readonly limit?: number; readonly cursor?: string },
): Promise<ScanPage> {
  const { limit = limitDefault } = page;
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new InvalidArgumentError(`limit must be a whole number from 1; got ${describe(limit)}`);
  }
  const { listIndex } = requester.settings;
  const place = page.cursor === undefined ? undefined : decodeCursor(prefix, page.cursor, listIndex);
  const group = groupOfPrefix(prefix);
  // A listing goes on as it began: the two ways have different orders.
  const byIndex =
    place === undefined ? group !== null && (await listing.isComplete()) : place.index !== undefined;
  const index = byIndex ? listIndex : undefined;
  let position = place?.key;
  const records: StoredRecord[] = [];
  for (let requests = 0; requests < requestsMax && records.length < limit; requests++) {
    const wanted = limit - records.length;
    const found =
      index === undefined || group === null
        ? await scanOnce(requester, prefix, wanted, position)
        : await queryOnce(requester, { index, group, prefix }, wanted, position);
    records.push(...found.records);
    position = found.last;
    if (position === undefined) return { records };
  }
  return position === undefined
    ? { records }
    : { records, cursor: encodeCursor(prefix, { key: position, index }) };
}

async function scanOnce(
  requester: Requester,
  prefix: string,
  wanted: number,
  position: string | undefined,
): Promise<Found> {
  const { table, layout } = requester.settings;
  try {
    const answer = await requester.request("Scan", {
      TableName: table,
      ConsistentRead: true,
      Limit: Math.max(wanted, examinedMin),
      ...(position === undefined ? {} : { ExclusiveStartKey: { [layout.key]: { S: position } } }),
      ...(prefix === ""
        ? {}
        : {
            FilterExpression: "begins_with(#k, :prefix)",
            ExpressionAttributeNames: { "#k": layout.key },
            ExpressionAttributeValues: { ":prefix": { S: prefix } },
          }),
    });
    const items = (answer.Items ?? []).filter((item) => item[layout.key]?.S !== markKey);
    const records = items.slice(0, wanted).map((item) => decodeItem(layout, item));
    // Any key is a position to go on from, so what is too much is simply read again.
    const last = items.length > wanted ? records.at(-1)?.key : answer.LastEvaluatedKey?.[layout.key]?.S;
    return { records, last };
  } catch (error) {
    throw requester.toError(error, "Scan");
  }
}

/** The keys by the index, which may be a moment behind, and what stands under them by strongly consistent reads. */
async function queryOnce(
  requester: Requester,
  { index, group, prefix }: { readonly index: string; readonly group: string; readonly prefix: string },
  wanted: number,
  position: string | undefined,
): Promise<Found> {
  const { table, layout } = requester.settings;
  const start = position === undefined ? {} : { [layout.group]: { S: group }, [layout.key]: { S: position } };
  const answer = await requester
    .request("Query", {
      TableName: table,
      IndexName: index,
      KeyConditionExpression: "#g = :g AND begins_with(#k, :prefix)",
      ExpressionAttributeNames: { "#g": layout.group, "#k": layout.key },
      ExpressionAttributeValues: { ":g": { S: group }, ":prefix": { S: prefix } },
      Limit: wanted,
      ...(position === undefined ? {} : { ExclusiveStartKey: start }),
    })
    .catch((error: unknown) => {
      throw requester.toError(error, "Query");
    });
  const keys = (answer.Items ?? []).map((item) => item[layout.key]?.S as string);
  const records = await readRecords(requester, keys);
  return {
    records: records.filter((record) => record !== null),
    last: answer.LastEvaluatedKey?.[layout.key]?.S,
  };
}

/** The prefix is part of it: the position alone may be any key of the table. */
function encodeCursor(prefix: string, { key, index }: Place): string {
  return toOpaqueText({ dynamodb: [prefix, key, index] });
}

function decodeCursor(prefix: string, cursor: string, listIndex: string | undefined): Place {
  const parts = (fromOpaqueText(cursor) as { dynamodb?: unknown } | null)?.dynamodb;
  const [ofPrefix, key, index = null] = Array.isArray(parts) ? parts : [];
  const isKnown = index === null || (index === listIndex && groupOfPrefix(prefix) !== null);
  if (ofPrefix === prefix && typeof key === "string" && key.length > 0 && isKnown) {
    return { key, index: index ?? undefined };
  }
  throw new InvalidArgumentError(
    `the cursor ${describe(cursor)} does not belong to a scan of ${describe(prefix)} in a dynamodb store ` +
      `${listIndex === undefined ? "without listIndex" : `with listIndex ${listIndex}`}; ` +
      "pass the cursor of the page before, with the same prefix, or none to start at the beginning",
  );
}
