import type { StoredRecord } from "../core/backend.ts";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { Entry } from "./entry.ts";
import { entryKeyPrefix } from "./entry-key.ts";
import type { EntryStore, SeenEntry } from "./entry-store.ts";
import { parseCount } from "./key-value-options.ts";
import { literalPrefix, matchesWildcard } from "./wildcard.ts";

/** Which entries a listing shows. */
export interface ListingOptions<T> {
  /** Keys that begin with this. */
  readonly prefix?: string;
  /** Keys of this form: `*` stands for any characters, `?` for one. */
  readonly match?: string;
  /** Entries of which this is true. Looked at here, after they were read. */
  readonly filter?: (entry: Entry<T>) => boolean;
  /** Entries in a page, at most: 1 to 10,000. With `filter`, a page may have fewer, even none, and more follow. Default: 100. */
  readonly pageSize?: number;
  /** Go on after the page with this cursor, of the same namespace, prefix and form; also after a restart. */
  readonly cursor?: string | undefined;
}

/** A part of a listing. */
export interface Page<E> {
  readonly items: readonly E[];
  /** For the option `cursor`. Left out on the last page, and only there. */
  readonly cursor?: string;
}

/** What is listed: one after the other, or page by page. */
export interface Listing<E> extends AsyncIterable<E> {
  /** One page: the first one, or the one after `cursor`. Reads it anew each time; for one after the other: {@link Listing.pages}. */
  page(): Promise<Page<E>>;
  /** One page after the other. */
  pages(): AsyncIterable<Page<E>>;
}

const pageSizeDefault = 100;
const pageSizeMax = 10_000;
/** Pages of the store that are read for one of ours, when most of what stands there is not wanted. It may then be short. */
const readsMax = 50;
const optionNames = ["prefix", "match", "filter", "pageSize", "cursor"];

/** One entry that a scan found, under the key that its user knows. */
export interface Scanned extends SeenEntry {
  readonly key: string;
}

/** Which keys are wanted. */
export interface KeyFilter {
  readonly prefix: string;
  readonly match: string | undefined;
}

/** @throws InvalidArgumentError for what is no text. */
export function parseKeyFilter({
  prefix = "",
  match,
}: Pick<ListingOptions<never>, "prefix" | "match">): KeyFilter {
  for (const [option, value] of Object.entries({ prefix, match })) {
    if (value !== undefined && (typeof value !== "string" || !value.isWellFormed()))
      throw new InvalidArgumentError(
        `${option} must be a string of well-formed Unicode; got ${describe(value)}`,
      );
  }
  return { prefix, match };
}

/** What every wanted key begins with, as far as the store can look for it. */
export function scanPrefix(store: EntryStore, { prefix, match = "" }: KeyFilter): string {
  const literal = literalPrefix(match);
  return entryKeyPrefix(store.place, literal.length > prefix.length ? literal : prefix);
}

/** Whether a key is wanted. */
export function isWanted(key: string, { prefix, match }: KeyFilter): boolean {
  return key.startsWith(prefix) && (match === undefined || matchesWildcard(match, key));
}

/** One page of what stands in the store, deleted and expired entries included. */
export async function scanEntries(
  store: EntryStore,
  filter: KeyFilter,
  page: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly found: readonly Scanned[]; readonly cursor: string | undefined }> {
  const { limit, cursor: position } = page;
  const from = position === undefined ? {} : { cursor: position };
  const { records, cursor } = await store.host.backend.scan(scanPrefix(store, filter), { limit, ...from });
  const found = records.map((record) => scanned(store, record)).filter(({ key }) => isWanted(key, filter));
  return { found, cursor };
}

function scanned(store: EntryStore, stored: StoredRecord): Scanned {
  const seen = store.seen(stored, stored.key);
  return { ...seen, key: seen.record?.key ?? "" };
}

/** Makes a {@link Listing}. `show` answers `undefined` for what cannot be seen. @throws InvalidArgumentError */
export function createListing<T, E>(
  store: EntryStore,
  options: ListingOptions<T> | undefined,
  show: (scanned: Scanned) => Promise<E | undefined>,
): Listing<E> {
  checkOptions("kv.list", options, optionNames);
  const { pageSize, cursor, filter } = options ?? {};
  const wanted = parseKeyFilter(options ?? {});
  if (filter !== undefined && typeof filter !== "function")
    throw new InvalidArgumentError(`filter must be a function of an entry; got ${describe(filter)}`);
  const limit = parseCount("pageSize", pageSize, pageSizeDefault, pageSizeMax);
  const identity = [scanPrefix(store, wanted), wanted.prefix, wanted.match ?? ""];
  const first = cursor === undefined ? undefined : decodeCursor("list", identity, cursor);

  async function pageFrom(
    start: string | undefined,
  ): Promise<{ page: Page<E>; position: string | undefined }> {
    const items: E[] = [];
    let position = start;
    for (let reads = 0; reads < readsMax && items.length < limit; reads += 1) {
      const read = await scanEntries(store, wanted, { limit: limit - items.length, cursor: position });
      const shown = await Promise.all(read.found.map(show));
      for (const item of shown) if (item !== undefined) items.push(item);
      position = read.cursor;
      if (position === undefined) return { page: { items }, position };
    }
    const next = position === undefined ? {} : { cursor: encodeCursor(identity, position) };
    return { page: { items, ...next }, position };
  }

  async function* pages(): AsyncGenerator<Page<E>> {
    let start = first;
    do {
      const { page, position } = await pageFrom(start);
      yield page;
      start = position;
    } while (start !== undefined);
  }

  return {
    page: async () => (await pageFrom(first)).page,
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const { items } of pages()) yield* items;
    },
  };
}
