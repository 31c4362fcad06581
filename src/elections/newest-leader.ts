import type { Holder, Roster } from "../roster/roster.ts";
import type { Source } from "../roster/roster-wait.ts";
import { leaderIn } from "./leader.ts";

/**
 * Keeps the newest of what is seen of an election. Hints and reads may come late and show what is over: a term never
 * comes back, nor does a leader once its term has ended. What looks like that is believed only when two reads in
 * succession show it, as after the record was wiped or rolled back.
 */
export class NewestLeader {
  #term = -1;
  #leader: Holder | undefined;
  #staleReads = 0;

  /** Takes in what was seen. Answers whether it is believed. */
  note(roster: Roster, source: Source): boolean {
    const leader = leaderIn(roster);
    const isOver = roster.fence < this.#term || this.#comesBack(roster, leader);
    if (isOver && source !== "commit") {
      if (source === "hint") return false;
      this.#staleReads += 1;
      if (this.#staleReads < 2) return false;
    }
    this.#staleReads = 0;
    this.#term = roster.fence;
    this.#leader = leader;
    return true;
  }

  /** Who leads, as far as is known. */
  get leader(): Holder | undefined {
    return this.#leader;
  }

  #comesBack(roster: Roster, leader: Holder | undefined): boolean {
    return roster.fence === this.#term && leader !== undefined && this.#leader === undefined;
  }
}
