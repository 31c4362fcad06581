import { type LeaseholdError, OutcomeUnknownError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Session } from "../sessions/session.ts";
import { type Entrant, evict, hasRoom, isFull, join, leave, type Roster, standing } from "./roster.ts";
import { type RosterDriver, type RosterView, WithdrawnError } from "./roster-driver.ts";

/** How an entry goes about joining. */
export interface JoinOptions {
  /** Join only where it is admitted at once; else change nothing. */
  readonly onlyIfRoom?: boolean;
  /** Dead sessions to evict in the same write. */
  readonly evicting?: readonly string[];
  /** As in a roster change: asked before each attempt, told of each failure. */
  readonly isWanted: (failure?: LeaseholdError) => boolean;
}

/**
 * One entrant's way through a roster, from joining to leaving. Remembers whether a write of its own may have been
 * applied, or may still land, so that giving up never leaves it standing there.
 */
export class Entry {
  readonly entrant: Entrant;
  readonly #driver: RosterDriver;
  readonly #session: Session;
  #mayStand = false;

  constructor(
    driver: RosterDriver,
    session: Session,
    wish: { readonly weight: number; readonly metadata?: Json | undefined },
  ) {
    this.#driver = driver;
    this.#session = session;
    const { weight, metadata } = wish;
    const who = { session: session.id, ticket: session.nextTicket(), ttlMs: session.ttlMs };
    this.entrant = { ...who, weight, ...(metadata !== undefined && { metadata }) };
  }

  /** Resolves with the roster after the join, or `undefined` when it was given up. */
  async join(options: JoinOptions): Promise<RosterView | undefined> {
    const { onlyIfRoom = false, evicting = [], isWanted } = options;
    const { entrant } = this;
    const mayJoin = (roster: Roster): boolean =>
      onlyIfRoom ? hasRoom(roster, entrant.weight) : !isFull(roster);
    try {
      const view = await this.#driver.submit({
        apply: (roster) => {
          const healed = evicting.reduce(evict, roster);
          return mayJoin(healed) ? join(healed, entrant) : healed;
        },
        isSettledIn: (roster) =>
          evicting.length === 0 && (standing(roster, entrant).place !== "absent" || !mayJoin(roster)),
        isWanted: (failure) => {
          if (failure instanceof OutcomeUnknownError) this.#mayStand = true;
          return this.#session.lost === undefined && isWanted(failure);
        },
      });
      if (standing(view.roster, entrant).place !== "absent") this.#mayStand = true;
      return view;
    } catch (error) {
      if (error instanceof WithdrawnError) return undefined;
      if (error instanceof OutcomeUnknownError) this.#mayStand = true;
      throw error;
    }
  }

  /**
   * Takes the entrant out, if it may stand there. Always writes: only a write that follows the join's own in the
   * record stops an abandoned one from landing later.
   */
  async leave(isWanted: (failure?: LeaseholdError) => boolean): Promise<void> {
    if (!this.#mayStand) return;
    await this.#driver.submit({ apply: (roster) => leave(roster, this.entrant), isWanted });
    this.#mayStand = false;
  }
}
