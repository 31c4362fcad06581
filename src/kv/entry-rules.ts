import type { Capabilities, StoreTime } from "../core/backend.ts";
import { LimitExceededError } from "../core/errors.ts";
import { addStamp } from "../core/stamps.ts";
import type { RecordRules } from "../records/record-rules.ts";
import {
  decodeEntry,
  type EntryRecord,
  encodeEntry,
  type Life,
  type Revision,
  type StoredValue,
} from "./entry-record.ts";

/** For how long a deletion is remembered, and an expired value kept, at least. A write that comes later is late by more. */
export const tombstoneMs = 3_600_000;
/** Room that is left for the first line of a record, beyond its key. */
const headerBytes = 2_048;
const headerBytesOfPast = 256;
/** Larger records are not kept in memory between two calls. */
const rememberedBytesMax = 4_096;

/** The state of one entry. */
export interface EntryState {
  /** `undefined`: nothing stands under the key. */
  readonly record: EntryRecord | undefined;
}

/** What a command makes of an entry. */
export type EntryChange =
  | { readonly kind: "keep" }
  | { readonly kind: "delete" }
  /** `life` left out: the one that the entry has. `null`: for ever. */
  | { readonly kind: "put"; readonly value: StoredValue; readonly life?: { readonly ttlMs: number } | null };

/** What a command finds: the state as it stands, and what of it can be seen now. */
export interface FoundEntry {
  readonly state: EntryState;
  /** `undefined`: there is none, it was deleted, or its time is over. */
  readonly visible: Revision | undefined;
}

/** A change of one entry, decided in view of what stands there. May be asked again, with what others made of it. */
export interface EntryCommand {
  decide(found: FoundEntry): EntryChange;
  /** How many past revisions to keep. */
  readonly pastMax: number;
  now(): StoreTime;
  /** A random text, short, for {@link Revision.mark}. */
  mark(): string;
}

/** What a command found, and what it left: the same state when it changed nothing. */
export interface EntryAnswer {
  readonly found: FoundEntry;
  readonly left: EntryState;
}

/** What of an entry can be seen at a time. A value whose time may be over is not. */
export function visibleAt(record: EntryRecord | undefined, { latestMs }: StoreTime): Revision | undefined {
  const newest = record?.newest;
  if (newest?.value === undefined) return undefined;
  return newest.life !== undefined && latestMs >= newest.life.endsAtMs ? undefined : newest;
}

/** The rules of the entry under this key. */
export function createEntryRules(
  key: string,
  limits: () => Pick<Capabilities, "valueBytesMax">,
  kind: string,
): RecordRules<EntryState, EntryCommand, EntryAnswer> {
  return {
    decode: (recordKey, bytes) => ({
      record: bytes === null ? undefined : decodeEntry(recordKey, bytes),
    }),
    encode: ({ record }) => encodeEntry(record as EntryRecord),
    apply(state, command) {
      const now = command.now();
      const found = { state, visible: visibleAt(state.record, now) };
      const change = command.decide(found);
      const isNothing = change.kind === "keep" || (change.kind === "delete" && found.visible === undefined);
      if (isNothing) return { state, answer: { found, left: state } };
      const record = recordAfter(key, found, change, {
        ...{ now, mark: command.mark(), pastMax: command.pastMax },
        ...{ kind, valueBytesMax: limits().valueBytesMax },
      });
      const left = { record };
      return { state: left, answer: { found, left } };
    },
    stamp({ record }, write) {
      // Erased meanwhile: what shuts out a write in doubt then says that there is none.
      const { stamps, ...rest } = record ?? nothingAt(key);
      return { record: { ...rest, stamps: addStamp(stamps, write) } };
    },
    stamps: ({ record }) => record?.stamps ?? [],
    ttlMs: ({ record }) => recordTtlMs(record as EntryRecord),
    isLarge: ({ record }) => record !== undefined && bytesOf(record) > rememberedBytesMax,
  };
}

function nothingAt(key: string): EntryRecord {
  return { key, newest: { createdAtMs: 0, updatedAtMs: 0, mark: "" }, past: [], stamps: [] };
}

/** The record after a change. @throws LimitExceededError for a value that is too large. */
export function recordAfter(
  key: string,
  found: FoundEntry,
  change: Exclude<EntryChange, { readonly kind: "keep" }>,
  how: {
    readonly now: StoreTime;
    readonly mark: string;
    readonly pastMax: number;
    readonly kind: string;
    readonly valueBytesMax: number;
  },
): EntryRecord {
  const room = valueRoom(how.valueBytesMax, key);
  const size = change.kind === "put" ? change.value.bytes.length : 0;
  if (size > room) throw tooLarge(how.kind, key, size, room);
  return { ...follow(key, found, change, how.now, how.mark), ...keptPast(found, how, how.now, room - size) };
}

/** How many bytes the value under this key may have, where a record takes so many. */
export function valueRoom(valueBytesMax: number, key: string): number {
  return valueBytesMax - headerBytes - Buffer.byteLength(JSON.stringify(key));
}

/** When the store may collect the record. */
export function recordTtlMs({ newest: { value, life } }: EntryRecord): number | undefined {
  if (value === undefined) return tombstoneMs;
  return life === undefined ? undefined : life.ttlMs + tombstoneMs;
}

function bytesOf({ newest, past }: EntryRecord): number {
  return [newest, ...past].reduce((sum, { value }) => sum + (value?.bytes.length ?? 0), 0);
}

/** The record after a change, without its past. */
function follow(
  key: string,
  { state: { record }, visible }: FoundEntry,
  change: Exclude<EntryChange, { readonly kind: "keep" }>,
  { earliestMs }: StoreTime,
  mark: string,
): Omit<EntryRecord, "past"> {
  const stamps = record?.stamps ?? [];
  const updatedAtMs = Math.max(Math.floor(earliestMs), (record?.newest.updatedAtMs ?? 0) + 1);
  const createdAtMs = visible?.createdAtMs ?? updatedAtMs;
  if (change.kind === "delete") return { key, stamps, newest: { createdAtMs, updatedAtMs, mark } };
  const life = change.life === undefined ? visible?.life : lifeFrom(earliestMs, change.life);
  return { key, stamps, newest: { createdAtMs, updatedAtMs, mark, value: change.value, life } };
}

/** It counts from the earliest moment that it can be now, so that nothing outlives its time. */
function lifeFrom(earliestMs: number, life: { readonly ttlMs: number } | null): Life | undefined {
  return life === null ? undefined : { endsAtMs: Math.floor(earliestMs + life.ttlMs), ttlMs: life.ttlMs };
}

/** The past of the next revision: what is over, and what there is no room for, is left out. */
function keptPast(
  { state: { record } }: FoundEntry,
  { pastMax }: Pick<EntryCommand, "pastMax">,
  { latestMs }: StoreTime,
  roomBytes: number,
): Pick<EntryRecord, "past"> {
  if (pastMax === 0 || record === undefined) return { past: [] };
  const all = [...record.past, record.newest].filter(
    ({ life }) => life === undefined || latestMs < life.endsAtMs,
  );
  const past = [];
  let room = roomBytes;
  for (const revision of all.slice(-pastMax).reverse()) {
    room -= headerBytesOfPast + (revision.value?.bytes.length ?? 0);
    if (room < 0) break;
    past.push(revision);
  }
  return { past: past.reverse() };
}

function tooLarge(kind: string, key: string, size: number, limit: number): LimitExceededError {
  return new LimitExceededError(
    `the value for ${JSON.stringify(key.slice(0, 80))} has ${size} bytes, and the ${kind} backend takes at most ` +
      `${limit}. Nothing was sent; split the value, compress it (option compression), or keep it elsewhere and store ` +
      "where it is",
    { limit, size },
  );
}
