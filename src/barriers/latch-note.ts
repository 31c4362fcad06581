import { CorruptRecordError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Roster } from "../roster/roster.ts";

/** What a latch remembers in its roster's note. */
export interface LatchNote {
  /** Rises with each reset. From 1. */
  readonly round: number;
  /** Who has counted in this round, each once. Empty when it is open: then nobody needs to know any more. */
  readonly counted: readonly string[];
  readonly isOpen: boolean;
}

/** A latch that nobody counted yet. */
const untouched: LatchNote = { round: 1, counted: [], isOpen: false };

/** @throws CorruptRecordError when the note is not that of a latch. */
export function latchIn(name: string, roster: Roster): LatchNote {
  if (roster.note === undefined) return untouched;
  const note = roster.note as Partial<LatchNote> | null;
  const isLatch =
    Number.isSafeInteger(note?.round) &&
    typeof note?.isOpen === "boolean" &&
    Array.isArray(note.counted) &&
    note.counted.every((id) => typeof id === "string");
  if (isLatch) return note as LatchNote;
  throw new CorruptRecordError(
    `the record of the latch ${JSON.stringify(name)} holds something else. Something else wrote to it, or a newer ` +
      "leasehold did. Nothing was changed; use another name, or upgrade",
  );
}

/** Counts once for each id. The count that makes it complete opens it. */
export function count(latch: LatchNote, id: string, total: number): LatchNote {
  if (latch.isOpen || latch.counted.includes(id)) return latch;
  const counted = [...latch.counted, id];
  return counted.length < total ? { ...latch, counted } : { ...latch, counted: [], isOpen: true };
}

/** Closes an open latch for another round. Not open: no change. */
export function close(latch: LatchNote): LatchNote {
  return latch.isOpen ? { round: latch.round + 1, counted: [], isOpen: false } : latch;
}

/** How many counts are missing. */
export function missing(latch: LatchNote, total: number): number {
  return latch.isOpen ? 0 : total - latch.counted.length;
}

/** The roster with this note. */
export function withLatch(roster: Roster, { round, counted, isOpen }: LatchNote): Roster {
  const note: Json = { round, counted, isOpen };
  return { ...roster, note };
}
