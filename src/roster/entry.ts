import { type LeaseholdError, OutcomeUnknownError } from "../core/errors.ts";
import type { Session } from "../sessions/session.ts";
import type { AcquireRequest } from "./acquisition.ts";
import type { Limit } from "./limit.ts";
import type { Healing } from "./lookout.ts";
import {
  type Entrant,
  type Holder,
  hasRoom,
  isFull,
  join,
  leave,
  type Roster,
  seize,
  standing,
} from "./roster.ts";
import { type RosterChange, WithdrawnError } from "./roster-change.ts";
import type { RosterDriver } from "./roster-driver.ts";
import type { RosterView } from "./roster-view.ts";

/** How an entry goes about joining. */
export interface JoinOptions {
  /** Join only where it is admitted at once; else change nothing. */
  readonly onlyIfRoom?: boolean;
  /** Takes out, in the same write, whom nobody stands behind any more. */
  readonly heal?: Healing | undefined;
  /** As in a roster change: asked before each attempt, told of each failure. */
  isWanted(failure?: LeaseholdError): boolean;
}

/** What an entry takes from the request that it is for. */
export type EntryRequest = Pick<
  AcquireRequest,
  "weight" | "capacity" | "metadata" | "identity" | "claim" | "seize" | "enter"
>;

/**
 * One entrant's way through a roster, from joining to leaving. Remembers whether a write of its own may have been
 * applied, or may still land, so that giving up never leaves it standing there.
 */
export class Entry implements RosterChange {
  readonly entrant: Entrant;
  readonly #driver: RosterDriver;
  readonly #session: Session;
  readonly #limit: Limit;
  readonly #request: EntryRequest;
  #options: JoinOptions = { isWanted: () => false };
  #mayStand = false;

  constructor(driver: RosterDriver, session: Session, limit: Limit, request: EntryRequest) {
    this.#driver = driver;
    this.#session = session;
    this.#limit = limit;
    this.#request = request;
    const { weight, metadata, identity } = request;
    const { id, ttlMs } = session;
    const ticket = session.takeTicket();
    this.entrant = {
      ...{ session: id, ticket, ttlMs, weight },
      ...(metadata !== undefined && { metadata }),
      ...(identity !== undefined && { identity }),
    };
  }

  /** Resolves with the roster after the join, or `undefined` when it was given up. */
  async join(options: JoinOptions): Promise<RosterView | undefined> {
    this.#options = options;
    try {
      const view = await this.#driver.submit(this);
      if (standing(view.roster, this.entrant).place !== "absent") {
        this.#mayStand = true;
        // Also who set it: what others make of it later is no reason to refuse.
        this.#limit.follow(this.#request.capacity);
      }
      return view;
    } catch (error) {
      if (error instanceof WithdrawnError) return undefined;
      if (error instanceof OutcomeUnknownError) this.#mayStand = true;
      throw error;
    }
  }

  /** A write beside this entry's own may have let it in. */
  suspect(): void {
    this.#mayStand = true;
  }

  /** Tickets are unique: whoever holds under this one was admitted. */
  isServed(): boolean {
    return true;
  }

  /** The grant that a roster shows for it. */
  holderIn(view: RosterView | undefined): Holder | undefined {
    const place = view && standing(view.roster, this.entrant);
    return place?.place === "holder" ? place.holder : undefined;
  }

  /**
   * Takes the entrant out in the background, if it may stand there: for as long as the session lives, and once after
   * its end, for nothing was delivered and nobody acts on what still stands there. If that fails, the others evict it.
   */
  leaveBehind(): void {
    const isWanted = (failure?: LeaseholdError): boolean =>
      failure === undefined || this.#session.lost === undefined;
    this.#leave(isWanted).catch(expiryFrees);
  }

  /**
   * Always writes: only a write that follows the join's own in the record stops an abandoned one from landing later.
   * Also after a refusal: the session lives on, so nobody else would ever take it out.
   */
  async #leave(isWanted: (failure?: LeaseholdError) => boolean): Promise<void> {
    if (this.#mayStand) {
      await this.#driver.insist({ apply: (roster) => leave(roster, this.entrant), isWanted });
      this.#mayStand = false;
    }
    this.#session.endTicket(this.entrant.ticket);
  }

  /** The join, as a change. */
  apply(roster: Roster): Roster {
    const opened = this.#opened(roster);
    const healed = this.#options.heal?.(opened) ?? opened;
    return this.#mayJoin(healed) ? this.#entered(healed) : healed;
  }

  isSettledIn(roster: Roster): boolean {
    if (this.#options.heal !== undefined) return false;
    return standing(roster, this.entrant).place !== "absent" || !this.#mayJoin(this.#opened(roster));
  }

  isWanted(failure?: LeaseholdError): boolean {
    if (failure instanceof OutcomeUnknownError) this.#mayStand = true;
    return this.#session.lost === undefined && this.#options.isWanted(failure);
  }

  #opened(roster: Roster): Roster {
    return this.#limit.opened(roster, this.#request.capacity, this.#request.weight);
  }

  #mayJoin(roster: Roster): boolean {
    if (this.#request.seize !== undefined) return true;
    if (this.#request.enter !== undefined) return this.#request.enter(roster, this.entrant) !== roster;
    if (this.#request.claim?.(roster.note) === null) return false;
    return this.#options.onlyIfRoom === true ? hasRoom(roster, this.entrant.weight) : !isFull(roster);
  }

  #entered(roster: Roster): Roster {
    if (this.#request.enter !== undefined) return this.#request.enter(roster, this.entrant);
    if (this.#request.seize === undefined) return join(this.#claimed(roster), this.entrant);
    const seized = seize(roster, this.entrant);
    if (seized !== roster) this.#request.seize(roster.holders);
    return seized;
  }

  #claimed(roster: Roster): Roster {
    const note = this.#request.claim?.(roster.note);
    const isNew = standing(roster, this.entrant).place === "absent";
    return note == null || !isNew ? roster : { ...roster, note };
  }
}

/** The answer to a leave that failed for good: the session has ended, and whoever waits evicts the entrant. */
function expiryFrees(): void {}
