import type { Json } from "../core/json.ts";
import { amend, type Entrant, hasRoom, join, type Roster } from "../roster/roster.ts";

/** What stands in a roster with who holds a worker's number: people see it too. */
interface NumberedMetadata {
  readonly id: number;
  readonly metadata?: Json;
}

/** The number that stands with an entrant, if it has one yet. */
export function numberOf({ metadata }: Pick<Entrant, "metadata">): number | undefined {
  const id = (metadata as Partial<NumberedMetadata> | null | undefined)?.id;
  return Number.isSafeInteger(id) ? id : undefined;
}

/** What is shown of an entrant before it has a number: an object that cannot be mistaken for one with it. */
export function unnumbered(metadata: Json | undefined): Json {
  return metadata === undefined ? {} : { metadata };
}

/** The smallest number that nobody has. */
export function smallestFree({ holders, waiters }: Roster): number {
  const taken = new Set([...holders, ...waiters].map(numberOf));
  let number = 0;
  while (taken.has(number)) number += 1;
  return number;
}

/** Enters with a number where one is free, else at the end of the queue, without. */
export function joinNumbered(roster: Roster, entrant: Entrant): Roster {
  return hasRoom(roster, 1) ? join(roster, numbered(roster, entrant)) : join(roster, entrant);
}

/** As {@link joinNumbered}, or not at all. */
export function joinIfFree(roster: Roster, entrant: Entrant): Roster {
  return hasRoom(roster, 1) ? join(roster, numbered(roster, entrant)) : roster;
}

/** Gives a holder a number, if it has none yet. Absent: no change. */
export function assign(roster: Roster, holder: Entrant): Roster {
  return amend(roster, holder, (it) => (numberOf(it) === undefined ? numbered(roster, it) : it));
}

function numbered<E extends Entrant>(roster: Roster, entrant: E): E {
  return { ...entrant, metadata: { ...(entrant.metadata as object), id: smallestFree(roster) } };
}
