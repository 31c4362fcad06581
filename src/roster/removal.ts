import { type EntrantId, leave, nextFence, type Roster, standing } from "./roster.ts";

/** What a roster remembers of one forced release. For people; decides nothing but that it was applied. */
export interface Removal {
  /** Drawn by whoever did it, so that a repeated write does it once. */
  readonly id: string;
  readonly by: string;
  readonly reason: string;
  /** Wall clock of who did it. */
  readonly atMs: number;
  /** The fences that were taken away. */
  readonly fences: readonly number[];
}

/** Forced releases that a roster remembers; the oldest goes first. */
export const removalsMax = 5;
/** Fences that one of them remembers. */
const fencesMax = 16;

/** Whether a roster shows that this removal went through. */
export function isRemoved(roster: Roster, id: string): boolean {
  return roster.removals?.some((removal) => removal.id === id) === true;
}

/**
 * Takes holders out against their will: the fence rises, also where nobody waits, so that what checks fences against
 * the roster refuses them; and the roster remembers who did it. Again with the same id: no change.
 */
export function remove(
  roster: Roster,
  targets: readonly EntrantId[],
  removal: Omit<Removal, "fences">,
): Roster {
  if (isRemoved(roster, removal.id)) return roster;
  const held = targets.flatMap((target) => {
    const place = standing(roster, target);
    return place.place === "holder" || place.place === "growing" ? [place.holder] : [];
  });
  // Who lost it already and waits again, perhaps under the same ticket, keeps its place in line.
  const left = held.reduce(leave, roster);
  const fences = held.map(({ fence }) => fence);
  const remembered = { ...removal, fences: fences.slice(0, fencesMax) };
  return {
    ...left,
    fence: nextFence(left.fence, removal.atMs),
    removals: [...(left.removals ?? []), remembered].slice(-removalsMax),
  };
}

/** Whether a record's field is a list of removals. */
export function areRemovals(value: unknown): value is readonly Removal[] {
  return Array.isArray(value) && value.length <= removalsMax && value.every(isRemoval);
}

function isRemoval(value: Partial<Removal> | null): value is Removal {
  return (
    typeof value?.id === "string" &&
    typeof value.by === "string" &&
    typeof value.reason === "string" &&
    Number.isFinite(value.atMs) &&
    Array.isArray(value.fences) &&
    value.fences.every(Number.isSafeInteger)
  );
}
