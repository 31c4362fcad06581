import { CorruptRecordError } from "../core/errors.ts";
import type { Holder, Roster } from "../roster/roster.ts";

/** What a barrier remembers in its roster's note. */
export interface BarrierNote {
  /** How many rounds have begun. */
  readonly round: number;
  /** The largest fence of those who are in the last round. Who came later gathers for the next one. */
  readonly fence: number;
}

const untouched: BarrierNote = { round: 0, fence: 0 };

/** @throws CorruptRecordError when the note is not that of a barrier. */
export function barrierIn(name: string, { note }: Roster): BarrierNote {
  if (note === undefined) return untouched;
  const { round, fence } = (note ?? {}) as Partial<BarrierNote>;
  if (Number.isSafeInteger(round) && Number.isSafeInteger(fence)) return note as unknown as BarrierNote;
  throw new CorruptRecordError(
    `the record of the barrier ${JSON.stringify(name)} holds something else. Something else wrote to it, or a newer ` +
      "leasehold did. Nothing was changed; use another name, or upgrade",
  );
}

/**
 * Who waits for the next round to begin, the first to come first. A party whose session was lost may have come in again
 * before its first entry was taken out: only the last one counts.
 */
export function gathering(roster: Roster, { fence }: BarrierNote): readonly Holder[] {
  const waiting = roster.holders
    .filter((holder) => holder.fence > fence)
    .sort((left, right) => left.fence - right.fence);
  const last = new Map(waiting.map((holder) => [holder.identity ?? holder, holder]));
  return waiting.filter((holder) => last.get(holder.identity ?? holder) === holder);
}

/** Who came in with a round, and has not left. `fence`: the largest of that round. */
export function inside(roster: Roster, fence: number): readonly Holder[] {
  return roster.holders.filter((holder) => holder.fence <= fence);
}

/** Begins the next round, if all its parties are in. Again: no change, for then they are not gathering any more. */
export function begin(roster: Roster, note: BarrierNote, parties: number): Roster {
  if (gathering(roster, note).length < parties) return roster;
  return { ...roster, note: { round: note.round + 1, fence: roster.fence } };
}
