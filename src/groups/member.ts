import type { Json } from "../core/json.ts";
import type { Holder, Roster } from "../roster/roster.ts";
import type { Source } from "../roster/roster-wait.ts";

/** Somebody in a group, as the store showed it at one moment. */
export interface Member {
  /** What it joined as; else a name that nobody else has. */
  readonly identity: string;
  /** What it joined with; `null` when nothing. */
  readonly metadata: Json;
  /** Larger than that of every member that joined before. */
  readonly fence: number;
  /** When it joined, by the wall clock of the client that let it in. */
  readonly joinedAt: Date;
}

/** What a holder shows as a member. */
export function memberOf({ identity, session, metadata = null, fence, grantedAtMs }: Holder): Member {
  return { identity: identity ?? session, metadata, fence, joinedAt: new Date(grantedAtMs) };
}

/** Who is in, those who joined first at first. */
export function membersIn(roster: Roster): readonly Holder[] {
  return [...roster.holders].sort((left, right) => left.fence - right.fence);
}

/**
 * Keeps the newest of what is seen of a group. A hint or a read may come late: one that shows an older fence is
 * believed only when two reads in succession do, as after the record was wiped or rolled back.
 */
export class NewestMembers {
  #fence = -1;
  #staleReads = 0;
  #holders: readonly Holder[] | undefined;

  /** Who is in, as far as is known. */
  get holders(): readonly Holder[] | undefined {
    return this.#holders;
  }

  /** Takes in what was seen. */
  note(roster: Roster, source: Source): void {
    if (roster.fence < this.#fence && source !== "commit") {
      if (source === "read") this.#staleReads += 1;
      if (this.#staleReads < 2) return;
    }
    this.#staleReads = 0;
    this.#fence = roster.fence;
    this.#holders = membersIn(roster);
  }
}
