import { CorruptRecordError, LimitExceededError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Roster } from "../roster/roster.ts";

/** What a sequence without gaps remembers in its roster's note. */
export interface GapFreeNote {
  /** The last number that counts as used. */
  readonly used: number;
  /** Who used numbers last, and up to which one each: a write whose answer was lost is known again by it. */
  readonly recent: readonly (readonly [token: string, last: number])[];
}

/** Writes that are remembered, of those who take numbers the last one of each; the oldest goes first. */
export const recentMax = 32;

/** @throws CorruptRecordError when the note is not that of a sequence. */
export function noteIn(subject: string, { note }: Roster, start: number): GapFreeNote {
  if (note === undefined) return { used: start - 1, recent: [] };
  const found = note as Partial<GapFreeNote> | null;
  const isNote =
    Number.isSafeInteger(found?.used) && Array.isArray(found?.recent) && found.recent.every(isRecent);
  if (isNote) return found as GapFreeNote;
  throw new CorruptRecordError(
    `the record of ${subject} holds something else. Something else wrote to it, or a newer leasehold did. Nothing was ` +
      "changed; use another name, or upgrade",
  );
}

/**
 * The roster with `count` numbers more that are used, by the write of this token. `over`: begins the tokens of writes of
 * whose outcome nobody will ask again.
 */
export function withUsed(
  roster: Roster,
  before: GapFreeNote,
  count: number,
  token: string,
  over?: string,
): Roster {
  const used = before.used + count;
  const others = before.recent.filter(([other]) => over === undefined || !other.startsWith(over));
  const recent = [...others.slice(1 - recentMax), [token, used] as const];
  const note: Json = { used, recent };
  return { ...roster, note };
}

/** The last number that the write of this token used, if it is known to have been applied. */
export function usedBy({ recent }: GapFreeNote, token: string): number | undefined {
  return recent.find(([other]) => other === token)?.[1];
}

/** @throws LimitExceededError when there are not so many numbers left. */
export function checkRoom(subject: string, { used }: GapFreeNote, count: number): void {
  if (used + count <= Number.MAX_SAFE_INTEGER) return;
  throw new LimitExceededError(
    `${subject} has used ${used}, and ${count} more would go beyond ${Number.MAX_SAFE_INTEGER}, 2^53 - 1. Nothing was used`,
  );
}

function isRecent(value: unknown): boolean {
  return Array.isArray(value) && typeof value[0] === "string" && Number.isSafeInteger(value[1]);
}
