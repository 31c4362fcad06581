import { InvalidArgumentError } from "../core/errors.ts";
import { checkName, encodeName, encodeNamePrefix } from "../core/names.ts";

/** The encoded path of a namespace, nested ones included, has at most this many characters. */
const pathCharsMax = 120;

/** Where the entries of one key-value namespace stand: its own name after those that it is nested in. */
export interface EntryPlace {
  /** The namespace of the coordinator. */
  readonly coordinator: string;
  readonly path: readonly string[];
}

/** @throws InvalidArgumentError for an empty or malformed name, or a path that has become too long. */
export function checkPlace({ path }: EntryPlace): void {
  for (const name of path) checkName("the namespace of a key-value store", name);
  const { length } = encodedPath(path);
  if (length <= pathCharsMax) return;
  throw new InvalidArgumentError(
    `a key-value namespace and those that it is nested in may have at most ${pathCharsMax} characters together, where ` +
      `characters other than letters, digits, - and _ count three for each byte; ${nameOf(path)} has ${length}`,
  );
}

/** For people, and the command line: the names, outermost first, with `/` between, and `%2F` for one within a name. */
export function nameOf(path: readonly string[]): string {
  return path.map((name) => name.replace(/[%/]/g, encodeURIComponent)).join("/");
}

/**
 * The key of an entry's record. The empty token before its last segment keeps the entries of a namespace apart from
 * those of the namespaces nested in it.
 */
export function entryKey(place: EntryPlace, key: string): string {
  return entryKeyPrefix(place) + encodeName(key);
}

/** What the record keys of all entries of the namespace begin with, or of those whose keys begin with `keyPrefix`. */
export function entryKeyPrefix(place: EntryPlace, keyPrefix = ""): string {
  return `${treePrefix(place)}.${encodeNamePrefix(keyPrefix)}`;
}

/** What the record keys of the namespace and of all that are nested in it begin with. */
export function treePrefix({ coordinator, path }: EntryPlace): string {
  return `${encodeName(coordinator)}.kv.${encodedPath(path)}.`;
}

function encodedPath(path: readonly string[]): string {
  return path.map(encodeName).join(".");
}
