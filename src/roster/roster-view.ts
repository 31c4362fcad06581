import type { Operation, StoredRecord, Version } from "../core/backend.ts";
import { CorruptRecordError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Roster } from "./roster.ts";
import { decodeRoster, encodeRoster } from "./roster-record.ts";

/** The roster as of some commit or read. */
export interface RosterView {
  readonly version: Version | null;
  readonly roster: Roster;
}

/** When the store may collect a roster that nobody stands in; where that depends on its note, what says so. */
export type IdleTtl = number | ((note: Json | undefined) => number);

/** When the store may collect a roster that nobody stands in. Until then its fence and version serve again. */
const emptyRosterTtlMs = 7 * 86_400_000;

/** The write of a roster over the version it was made from. */
export function putRoster(
  key: string,
  name: string,
  roster: Roster,
  expect: Version | null,
  idleTtl: IdleTtl = emptyRosterTtlMs,
): Operation {
  const put = { kind: "put", key, value: encodeRoster(name, roster), expect } as const;
  const isEmpty = roster.holders.length + roster.waiters.length === 0;
  const idleTtlMs = typeof idleTtl === "number" ? idleTtl : idleTtl(roster.note);
  return isEmpty && Number.isFinite(idleTtlMs) ? { ...put, ttlMs: idleTtlMs } : put;
}

/** The roster in a record. */
export function viewOf(record: StoredRecord): RosterView {
  return { version: record.version, roster: decodeRoster(record.key, record.value).roster };
}

/** As {@link viewOf}, for a hint: what cannot be read is left to the next request to report. */
export function viewIn(record: StoredRecord): RosterView | undefined {
  try {
    return viewOf(record);
  } catch (error) {
    if (error instanceof CorruptRecordError) return undefined;
    throw error;
  }
}
