/** The newest write of each of the last writers, oldest first. Every write puts its own at the end, and none takes one away. */
export type Stamps = readonly Stamp[];

/** Which write it was: a writer numbers its own upwards. */
export type Stamp = readonly [writer: string, sequence: number];

/**
 * What became of a write whose answer was lost. `shut out`: it was not applied, and no copy of it ever will be, once
 * another write has come after what it was to replace. `forgotten`: so many others wrote since that nothing tells.
 */
export type Fate = "applied" | "shut out" | "forgotten";

/** Writers whose newest write is kept. */
export const stampsMax = 16;

/** Puts a write at the end of the list, in the place of the same writer's write before; at most `max` writers stay. */
export function addStamp(stamps: Stamps, [writer, sequence]: Stamp, max = stampsMax): Stamps {
  const others = stamps.filter(([other]) => other !== writer);
  return [...others.slice(1 - max), [writer, sequence]];
}

/** Whether the write is in the list. */
export function hasStamp(stamps: Stamps, [writer, sequence]: Stamp): boolean {
  return stamps.some(([other, newest]) => other === writer && newest === sequence);
}

/**
 * Whether the list would show a write that came after those of `before`. Stamps leave it in the order in which they came:
 * as long as one from before is there, or none had to leave, that of the write would be there as well.
 */
export function reachesBack(stamps: Stamps, before: Stamps, max = stampsMax): boolean {
  return stamps.length < max || stamps.some((stamp) => hasStamp(before, stamp));
}

/** What the list says of a write, which was to follow those of `before`. */
export function fateOf(stamps: Stamps, write: Stamp, before: Stamps, max = stampsMax): Fate {
  if (hasStamp(stamps, write)) return "applied";
  return reachesBack(stamps, before, max) ? "shut out" : "forgotten";
}

/** Whether a decoded value is a list of stamps. */
export function isStamps(value: unknown): value is Stamps {
  const isStamp = (entry: unknown): boolean =>
    Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]);
  return Array.isArray(value) && value.every(isStamp);
}
