import type { Version } from "../core/backend.ts";
import { CorruptRecordError } from "../core/errors.ts";
import { isStamps, type Stamps } from "../core/stamps.ts";

/** A value as it stands in a record. */
export interface StoredValue {
  /** The type of the codec that made it. */
  readonly type: string;
  readonly bytes: Uint8Array;
  /** How the bytes are compressed. Left out: they are not. */
  readonly compression?: string | undefined;
}

/** How long a value lives, and when that is over on the store's clock. */
export interface Life {
  readonly endsAtMs: number;
  readonly ttlMs: number;
}

/** One state of an entry. Times are the store's, in milliseconds since 1970. */
export interface Revision {
  /** Left out: the entry was deleted. */
  readonly value?: StoredValue | undefined;
  /** When the entry came into being. */
  readonly createdAtMs: number;
  /** Rises with every write to this key, so that it orders them. */
  readonly updatedAtMs: number;
  /** Tells it apart from every other one of this key, also of those before it was erased. */
  readonly mark: string;
  /** Left out: for ever. */
  readonly life?: Life | undefined;
}

/** What stands in the record of one entry. */
export interface EntryRecord {
  readonly key: string;
  readonly newest: Revision;
  /** Oldest first. */
  readonly past: readonly Revision[];
  /** The marks of the last writes. */
  readonly stamps: Stamps;
}

/** A revision in the header: names of one letter, since every entry carries them. */
interface Header {
  readonly c: number;
  readonly u: number;
  /** When it ends, and how long it lives altogether. */
  readonly e?: number;
  readonly d?: number;
  /** Type, compression and number of bytes of the value. */
  readonly t?: string;
  readonly z?: string;
  readonly n?: number;
  /** Mark. */
  readonly i: string;
}

interface FirstLine extends Header {
  /** Format. */
  readonly f: 1;
  readonly k: string;
  readonly s: Stamps;
  readonly h?: readonly Header[];
}

const newline = 10;

/**
 * One line of JSON, then the bytes of the values, those of past revisions last. So a record can be read by eye with the
 * tools of every store, and values take no more room than they have bytes.
 */
export function encodeEntry({ key, newest, past, stamps }: EntryRecord): Uint8Array {
  const line: FirstLine = { f: 1, k: key, ...headerOf(newest), s: stamps };
  const history = past.length === 0 ? {} : { h: past.map(headerOf) };
  const values = [newest, ...past].map(({ value }) => value?.bytes ?? new Uint8Array());
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...line, ...history })}\n`), ...values]);
}

/** @throws CorruptRecordError when something else stands there. */
export function decodeEntry(recordKey: string, bytes: Uint8Array): EntryRecord {
  const end = bytes.indexOf(newline);
  const line = parseLine(Buffer.from(bytes.subarray(0, Math.max(end, 0))).toString("utf8"));
  if (line === undefined) {
    throw new CorruptRecordError(
      `the record under key ${recordKey} is not an entry of a key-value store (${bytes.length} bytes): something else ` +
        "wrote to this key, a newer version of leasehold did, or it was damaged. Nothing was changed",
    );
  }
  let offset = end + 1;
  const revision = (header: Header): Revision => {
    const start = offset;
    offset += header.n ?? 0;
    return toRevision(header, bytes.subarray(start, offset));
  };
  const newest = revision(line);
  const past = (line.h ?? []).map(revision);
  if (offset === bytes.length) return { key: line.k, newest, past, stamps: line.s };
  throw new CorruptRecordError(
    `the record under key ${recordKey} has ${bytes.length} bytes where its first line says ${offset}: it was damaged`,
  );
}

/**
 * The version that users see. Not that of the record, which changes without a change of the entry when a write that got no
 * answer must be shut out.
 */
export function versionOf({ updatedAtMs, mark }: Revision): Version {
  return `${updatedAtMs.toString(36)}-${mark}`;
}

function headerOf({ value, createdAtMs, updatedAtMs, mark, life }: Revision): Header {
  return {
    ...{ c: createdAtMs, u: updatedAtMs, i: mark },
    ...(life === undefined ? {} : { e: life.endsAtMs, d: life.ttlMs }),
    ...(value === undefined ? {} : { t: value.type, n: value.bytes.length }),
    ...(value?.compression === undefined ? {} : { z: value.compression }),
  };
}

function toRevision({ c, u, i, e, d, t, z }: Header, bytes: Uint8Array): Revision {
  return {
    ...{ createdAtMs: c, updatedAtMs: u, mark: i },
    ...(t === undefined ? {} : { value: { type: t, bytes, ...(z === undefined ? {} : { compression: z }) } }),
    ...(e === undefined || d === undefined ? {} : { life: { endsAtMs: e, ttlMs: d } }),
  };
}

function parseLine(text: string): FirstLine | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Refused by the caller, with everything else that is no entry.
    return undefined;
  }
  const line = parsed as Partial<FirstLine> | null;
  const isEntry = line?.f === 1 && typeof line.k === "string" && isHeader(line) && isStamps(line.s);
  const past: unknown = line?.h ?? [];
  return isEntry && Array.isArray(past) && past.every(isHeader) ? (line as FirstLine) : undefined;
}

function isHeader(header: unknown): boolean {
  const { c, u, i, n = 0, e = 0, d = 0 } = (header ?? {}) as Partial<Header>;
  const isCounted = Number.isSafeInteger(n) && n >= 0;
  return [c, u, e, d].every(Number.isFinite) && typeof i === "string" && isCounted;
}
