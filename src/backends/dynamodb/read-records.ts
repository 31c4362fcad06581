import type { RequestOptions, StoredRecord } from "../../core/backend.ts";
import { backoffMs } from "../../core/backoff.ts";
import { UnavailableError } from "../../core/errors.ts";
import { sleep } from "../../core/runtime.ts";
import { decodeItem, type Item } from "./item-codec.ts";
import type { Requester } from "./requester.ts";

/** Most keys that DynamoDB reads in one request. */
const batchKeysMax = 100;
/** Rounds in a row in which a batch may get nothing before the read gives up. */
const emptyRoundsMax = 5;
const roundBackoff = { firstMs: 50, maxMs: 800 };

/** One item, strongly consistent, or null. */
export async function readItem(
  requester: Requester,
  key: string,
  options?: RequestOptions,
): Promise<Item | null> {
  const { table, layout } = requester.settings;
  try {
    const input = { TableName: table, Key: { [layout.key]: { S: key } }, ConsistentRead: true };
    return (await requester.request("GetItem", input, options)).Item ?? null;
  } catch (error) {
    throw requester.toError(error, "GetItem", { key });
  }
}

/** Records in the order of `keys`: one request for one key, else one for every hundred. */
export async function readRecords(
  requester: Requester,
  keys: readonly string[],
  options?: RequestOptions,
): Promise<readonly (StoredRecord | null)[]> {
  const { layout } = requester.settings;
  const [only] = keys;
  if (only !== undefined && keys.length === 1) {
    const item = await readItem(requester, only, options);
    return [item === null ? null : decodeItem(layout, item)];
  }
  const found = new Map<string, StoredRecord>();
  const distinct = [...new Set(keys)];
  for (let start = 0; start < distinct.length; start += batchKeysMax) {
    await readBatch(requester, distinct.slice(start, start + batchKeysMax), found, options);
  }
  return keys.map((key) => found.get(key) ?? null);
}

async function readBatch(
  requester: Requester,
  keys: readonly string[],
  found: Map<string, StoredRecord>,
  options: RequestOptions | undefined,
): Promise<void> {
  const { table, layout } = requester.settings;
  let pending = keys;
  for (let emptyRounds = 0; emptyRounds <= emptyRoundsMax; emptyRounds++) {
    const Keys = pending.map((key) => ({ [layout.key]: { S: key } }));
    const answer = await requester
      .request("BatchGetItem", { RequestItems: { [table]: { Keys, ConsistentRead: true } } }, options)
      .catch((error: unknown) => {
        throw requester.toError(error, "BatchGetItem");
      });
    for (const item of Object.values(answer.Responses ?? {}).flat()) {
      const record = decodeItem(layout, item);
      found.set(record.key, record);
    }
    const unprocessed = Object.values(answer.UnprocessedKeys ?? {}).flatMap((part) => part.Keys ?? []);
    if (unprocessed.length === 0) return;
    // An answer ends at 16 MB, so a round that got something is progress and not a refusal.
    if (unprocessed.length < pending.length) emptyRounds = -1;
    pending = unprocessed.map((key) => key[layout.key]?.S as string);
    await sleep(requester.runtime, backoffMs(requester.runtime, Math.max(0, emptyRounds), roundBackoff), {
      holdsProcessOpen: true,
    });
  }
  throw new UnavailableError(
    `BatchGetItem on table ${table} left ${pending.length} keys unread in ${emptyRoundsMax + 1} rounds: the table is ` +
      "at its limit of reads",
  );
}
