import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { ScanPage, StoredRecord } from "../../core/backend.ts";
import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { decodeItem } from "./item-codec.ts";
import type { Requester } from "./requester.ts";

const limitDefault = 256;
/** Items that one request looks at, at least: a filter that rejects most would need many small requests. */
const examinedMin = 256;
/** Requests for one page. A page may then be short, even empty, and still carry a cursor. */
const requestsMax = 50;

/**
 * One page of the records whose key begins with `prefix`, in no order. DynamoDB has no index over the beginnings
 * of partition keys, so the table is read from the cursor on, and paid for, whatever the prefix.
 */
export async function scanRecords(
  requester: Requester,
  prefix: string,
  page: { readonly limit?: number; readonly cursor?: string },
): Promise<ScanPage> {
  const { layout } = requester.settings;
  const { limit = limitDefault } = page;
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new InvalidArgumentError(`limit must be a whole number from 1; got ${describe(limit)}`);
  }
  let position = page.cursor === undefined ? undefined : decodeCursor(prefix, page.cursor);
  const records: StoredRecord[] = [];
  for (let requests = 0; requests < requestsMax && records.length < limit; requests++) {
    const { items, last } = await scanOnce(requester, prefix, limit - records.length, position);
    const room = limit - records.length;
    for (const item of items.slice(0, room)) records.push(decodeItem(layout, item));
    // Any key is a position to go on from, so what does not fit is simply read again.
    position = items.length > room ? records.at(-1)?.key : last;
    if (position === undefined) return { records };
  }
  return position === undefined ? { records } : { records, cursor: encodeCursor(prefix, position) };
}

async function scanOnce(
  requester: Requester,
  prefix: string,
  wanted: number,
  position: string | undefined,
): Promise<{ items: readonly Record<string, AttributeValue>[]; last: string | undefined }> {
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
    return { items: answer.Items ?? [], last: answer.LastEvaluatedKey?.[layout.key]?.S };
  } catch (error) {
    throw requester.toError(error, "Scan");
  }
}

/** The prefix is part of it: the position alone may be any key of the table. */
function encodeCursor(prefix: string, key: string): string {
  return Buffer.from(JSON.stringify({ dynamodb: [prefix, key] })).toString("base64url");
}

function decodeCursor(prefix: string, cursor: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    // Refused below, with every other text that is not a cursor.
    parsed = null;
  }
  const parts = (parsed as { dynamodb?: unknown } | null)?.dynamodb;
  const [ofPrefix, key] = Array.isArray(parts) ? parts : [];
  if (ofPrefix === prefix && typeof key === "string" && key.length > 0) return key;
  throw new InvalidArgumentError(
    `the cursor ${describe(cursor)} does not belong to a scan of ${describe(prefix)} in a dynamodb store; ` +
      "pass the cursor of the page before, with the same prefix, or none to start at the beginning",
  );
}
