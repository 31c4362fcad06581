import type { StoreTime } from "../core/backend.ts";
import type { Removal } from "./change.ts";
import { type EntryRecord, versionOf } from "./entry-record.ts";
import { visibleAt } from "./entry-rules.ts";

/** What is to be told. */
export type News =
  | { readonly kind: "put"; readonly key: string; readonly record: EntryRecord; readonly isInitial: boolean }
  | { readonly kind: "removal"; readonly removal: Removal }
  | { readonly kind: "reset" };

/** How the entry in a record came to an end, `undefined`: it can be seen. */
export function endOf(record: EntryRecord, now: StoreTime): Removal | undefined {
  if (visibleAt(record, now) !== undefined) return undefined;
  const { value, updatedAtMs } = record.newest;
  if (value !== undefined) return expiryOf(record);
  const version = versionOf(record.newest);
  return { operation: "delete", key: record.key, version, updatedAt: new Date(updatedAtMs) };
}

/** That its time is over. */
export function expiryOf({ key, newest }: EntryRecord): Removal {
  const updatedAt = new Date(newest.life?.endsAtMs ?? newest.updatedAtMs);
  return { operation: "expire", key, version: versionOf(newest), updatedAt };
}
