import { LimitExceededError, LimitMismatchError } from "../core/errors.ts";
import type { Roster } from "./roster.ts";

const none: readonly number[] = [];

/**
 * What one client knows about the limit of one roster. The limit in the record counts. Who comes first sets it; who
 * comes with another one is refused, for two limits at a time would be none. Once a limit was right, its holder
 * follows what others make of it later.
 */
export class Limit {
  readonly #name: string;
  /** One, mostly, or none. */
  #agreed: readonly number[] = none;

  constructor(name: string) {
    this.#name = name;
  }

  /** Whoever expected this capacity follows what it is now. */
  follow(expected: number | undefined): void {
    if (expected !== undefined && !this.#agreed.includes(expected))
      this.#agreed = [...this.#agreed, expected];
  }

  /**
   * The roster as it is for somebody who expects this capacity and wants this weight of it. No expectation: who takes it
   * as it is.
   *
   * @throws LimitMismatchError when another capacity counts.
   * @throws LimitExceededError when the weight is more than there ever is.
   */
  opened(roster: Roster, expected: number | undefined, weight: number): Roster {
    const opened = this.#agree(roster, expected);
    if (weight <= opened.capacity) return opened;
    throw new LimitExceededError(
      `${JSON.stringify(this.#name)} has a limit of ${opened.capacity}, and ${weight} were asked for: nobody could ever ` +
        "have them",
    );
  }

  #agree(roster: Roster, expected: number | undefined): Roster {
    if (expected === undefined) {
      if (roster.capacity > 0) return roster;
      throw new LimitMismatchError(
        `${JSON.stringify(this.#name)} has no limit yet: whoever is first has to say one, as { permits: 3 } or --permits 3`,
        { limit: 0, expected: 0 },
      );
    }
    if (roster.capacity === 0) return { ...roster, capacity: expected };
    if (roster.capacity === expected) this.follow(expected);
    else if (!this.#agreed.includes(expected)) {
      throw new LimitMismatchError(
        `${JSON.stringify(this.#name)} has a limit of ${roster.capacity}, and was opened with ${expected}. Open it with ` +
          `${roster.capacity}, or change it for everybody with resize(${expected})`,
        { limit: roster.capacity, expected },
      );
    }
    return roster;
  }
}
