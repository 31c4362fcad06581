import type { ScanPage, StoredRecord } from "../../core/backend.ts";
import { invariant } from "../../core/invariant.ts";
import { decodeKeyCursor, encodeKeyCursor } from "../../core/key-cursor.ts";
import type { StreamInfo } from "./bucket-config.ts";
import { prefixWildcard, subjectToKey } from "./key-subjects.ts";
import { readKeys } from "./read-records.ts";
import type { RecentKeys } from "./recent-keys.ts";
import type { StreamClient } from "./stream-client.ts";

const limitDefault = 100;
const limitMax = 1_000;
/** A server hands out 100,000 subjects at a time; this many pages end a listing that grows as fast as we read. */
const listingPagesMax = 100;

/** The keys that a scan has not handed out yet, by prefix and cursor, so that the next page need not list again. */
export type ScanRests = RecentKeys<readonly string[]>;

/**
 * One page of the records under `prefix`, in key order: one listing of the subjects, at the first page, and one read
 * for each record.
 *
 * @throws InvalidArgumentError for a cursor of another scan.
 */
export async function scanRecords(
  client: StreamClient,
  rests: ScanRests,
  prefix: string,
  page: { readonly limit?: number; readonly cursor?: string },
): Promise<ScanPage> {
  const limit = Math.min(page.limit ?? limitDefault, limitMax);
  invariant(limit >= 1, `a page holds at least one record; got a limit of ${limit}`);
  invariant(/^[-=.\w]*$/.test(prefix), `prefixes are made of [A-Za-z0-9_=.-]; got ${JSON.stringify(prefix)}`);
  const afterKey = page.cursor === undefined ? "" : decodeKeyCursor(prefix, page.cursor);
  const name = (key: string): string => `${prefix} ${key}`;
  let keys = rests.get(name(afterKey)) ?? (await listKeys(client, prefix, afterKey));
  rests.delete(name(afterKey));
  const records: StoredRecord[] = [];
  while (records.length < limit && keys.length > 0) {
    const part = keys.slice(0, limit - records.length);
    keys = keys.slice(part.length);
    for (const { record } of await readKeys(client, part)) if (record !== null) records.push(record);
  }
  const lastKey = records.at(-1)?.key;
  if (keys.length === 0 || lastKey === undefined) return { records };
  rests.set(name(lastKey), keys);
  return { records, cursor: encodeKeyCursor(lastKey) };
}

/** Keys behind `afterKey`, in order, those with a delete marker included. */
async function listKeys(client: StreamClient, prefix: string, afterKey: string): Promise<readonly string[]> {
  const filter = client.subjectPrefix + prefixWildcard(prefix);
  const keys: string[] = [];
  let offset = 0;
  for (let listingPage = 0; listingPage < listingPagesMax; listingPage += 1) {
    const info = await client.ask<StreamInfo>("STREAM.INFO", { subjects_filter: filter, offset });
    if (info.error !== undefined) throw client.unexpected("STREAM.INFO", info.error);
    const subjects = Object.keys(info.state.subjects ?? {});
    for (const subject of subjects) {
      const key = subjectToKey(subject.slice(client.subjectPrefix.length));
      if (key?.startsWith(prefix) === true && key > afterKey) keys.push(key);
    }
    offset += subjects.length;
    if (subjects.length === 0 || offset >= (info.total ?? 0)) break;
  }
  return keys.sort();
}
