import { CorruptRecordError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Roster } from "../roster/roster.ts";

/** What a run left, for good. */
export type OnceResult =
  /** The work answered `undefined`. */
  | { readonly kind: "nothing" }
  /** As the codec of this type made it: as text where the bytes are that, so that people can read it. */
  | { readonly kind: "text" | "base64"; readonly type: string; readonly data: string }
  /** The work ran, and what it answered cannot be stored. */
  | { readonly kind: "refused"; readonly message: string; readonly limit?: number; readonly size?: number };

/** What the roster of a key remembers of its run. */
export interface OnceNote {
  /** Names the newest run: only that one can leave a result, and it knows its own write by it. */
  readonly run: string;
  /** How often the work was begun. From 1. */
  readonly attempt: number;
  /** When all of this is forgotten, on the store's clock. `null`: never. */
  readonly endsAtMs: number | null;
  readonly retentionMs: number | null;
  readonly fingerprint?: string;
  readonly result?: OnceResult;
}

/** Records outlive what stands in them by this much: a write that comes later is late by more. */
const graceMs = 3_600_000;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws CorruptRecordError when the note is not that of a run. */
export function noteIn(key: string, note: Json | undefined): OnceNote | undefined {
  if (note === undefined) return undefined;
  const found = note as Partial<OnceNote> | null;
  const isTime = (value: unknown): boolean => value === null || Number.isFinite(value);
  const isNote =
    typeof found?.run === "string" &&
    Number.isSafeInteger(found.attempt) &&
    isTime(found.endsAtMs) &&
    isTime(found.retentionMs) &&
    ["undefined", "string"].includes(typeof found.fingerprint) &&
    (found.result === undefined || isResult(found.result));
  if (isNote) return found as OnceNote;
  throw new CorruptRecordError(
    `the record of once ${JSON.stringify(key)} holds something else. Something else wrote to it, or a newer leasehold ` +
      "did. Nothing was changed; use another key, or upgrade",
  );
}

/** The roster with this note. */
export function withNote(roster: Roster, note: OnceNote): Roster {
  return { ...roster, note: encodeNote(note) };
}

/** The note as JSON. */
export function encodeNote(note: OnceNote): Json {
  return { ...note, ...(note.result && { result: { ...note.result } }) } as Json;
}

/** When the store may collect a record with this note once nobody stands in it. */
export function idleTtlMs(note: Json | undefined): number {
  const { retentionMs = 0 } = (note ?? {}) as Partial<OnceNote>;
  return retentionMs === null ? Number.POSITIVE_INFINITY : retentionMs + graceMs;
}

/** Bytes of a codec, for a note. */
export function resultOf(type: string, bytes: Uint8Array): OnceResult {
  try {
    return { kind: "text", type, data: decoder.decode(bytes) };
  } catch {
    // Bytes that are no text.
    return { kind: "base64", type, data: Buffer.from(bytes).toString("base64") };
  }
}

/** The bytes that {@link resultOf} was given. */
export function bytesOf({ kind, data }: Extract<OnceResult, { readonly data: string }>): Uint8Array {
  return Buffer.from(data, kind === "text" ? "utf8" : "base64");
}

function isResult(value: unknown): value is OnceResult {
  const result = value as { [name: string]: unknown } | null;
  if (result?.kind === "nothing") return true;
  if (result?.kind === "refused") return typeof result.message === "string";
  const isData = result?.kind === "text" || result?.kind === "base64";
  return isData && typeof result.type === "string" && typeof result.data === "string";
}
