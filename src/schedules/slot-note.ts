import { CorruptRecordError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Roster } from "../roster/roster.ts";

/** How far a slot has come. `failed`: its work threw, or was told to stop and given up. */
export type SlotState = "begun" | "finished" | "failed";

/** What a schedule remembers in its roster's note: the run that began last. */
export interface SlotNote {
  /** Names the run, so that its own later writes, and a write whose answer was lost, are known again. */
  readonly run: string;
  /** The newest slot that was ever begun; `null`: none had a time. */
  readonly slotMs: number | null;
  /** Whether the run was for that slot, and not for none. */
  readonly isTimed: boolean;
  readonly state: SlotState;
  /** How often the slot was begun. From 1. */
  readonly attempt: number;
  /** Wall clock of the client that began it. */
  readonly begunAtMs: number;
  /** How long from its beginning other slots must wait. 0: not any more. */
  readonly closedForMs: number;
}

/** Why a slot is not begun now. */
export type Refusal = "taken" | "older" | "closed";

/** Who wants to begin what. */
export interface SlotWish {
  readonly run: string;
  /** `null`: now, whatever slot that is. */
  readonly slotMs: number | null;
  readonly attemptsMax: number;
  readonly closedForMs: number;
  readonly wallMs: number;
}

/**
 * What the note becomes when this wish is granted, or why it is not. Goes by the slots alone, and not by any clock;
 * `isOpen` says whether the run before has kept others away for long enough.
 */
export function judge(
  note: SlotNote | undefined,
  wish: SlotWish,
  isOpen: (note: SlotNote) => boolean,
): SlotNote | Refusal {
  const { run, slotMs, attemptsMax, closedForMs, wallMs } = wish;
  const first: SlotNote = {
    ...{ run, slotMs, isTimed: slotMs !== null, state: "begun", attempt: 1, begunAtMs: wallMs, closedForMs },
  };
  if (note === undefined) return first;
  // Its own write, whose answer was lost.
  if (note.run === run) return note;
  if (slotMs !== null && note.slotMs !== null) {
    if (slotMs < note.slotMs) return "older";
    if (slotMs === note.slotMs) {
      const isOver = !note.isTimed || note.state === "finished" || note.attempt >= attemptsMax;
      return isOver ? "taken" : { ...first, attempt: note.attempt + 1 };
    }
  }
  return isOpen(note) ? { ...first, slotMs: slotMs ?? note.slotMs } : "closed";
}

/** @throws CorruptRecordError when the note is not that of a schedule. */
export function decodeSlot(name: string, note: Json | undefined): SlotNote | undefined {
  if (note === undefined) return undefined;
  const slot = note as Partial<SlotNote> | null;
  const isSlot =
    typeof slot?.run === "string" &&
    (slot.slotMs === null || Number.isSafeInteger(slot.slotMs)) &&
    typeof slot.isTimed === "boolean" &&
    ["begun", "finished", "failed"].includes(slot.state ?? "") &&
    Number.isSafeInteger(slot.attempt) &&
    Number.isFinite(slot.begunAtMs) &&
    Number.isFinite(slot.closedForMs);
  if (isSlot) return slot as SlotNote;
  throw new CorruptRecordError(
    `the record of the schedule ${JSON.stringify(name)} holds something else. Something else wrote to it, or a newer ` +
      "leasehold did. Nothing was changed; use another name, or upgrade",
  );
}

/** The note as JSON. */
export function encodeSlot(slot: SlotNote): Json {
  return { ...slot };
}

/** Changes what stands there of one run. Another run stands there: no change. */
export function amendRun(roster: Roster, name: string, run: string, changes: Partial<SlotNote>): Roster {
  const slot = decodeSlot(name, roster.note);
  if (slot?.run !== run) return roster;
  return { ...roster, note: encodeSlot({ ...slot, ...changes }) };
}

/** Undoes the beginning of a run that never ran. Another run stands there: no change. */
export function undoRun(roster: Roster, name: string, run: string, before: SlotNote | undefined): Roster {
  if (decodeSlot(name, roster.note)?.run !== run) return roster;
  return before === undefined ? forgetSlots(roster) : { ...roster, note: encodeSlot(before) };
}

/** Forgets everything. */
export function forgetSlots({ note: _note, ...roster }: Roster): Roster {
  return roster;
}
