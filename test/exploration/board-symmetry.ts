import type { Roster } from "../../src/roster/roster.ts";
import { type Client, incarnationsMax, sessionId, sessionNamed } from "./client.ts";
import type { Interner } from "./interner.ts";
import { type Exchange, Renaming } from "./symmetry.ts";

/** The numbers that a board gave to rosters, memories and sets of abandoned writes. */
export interface BoardNumbers {
  readonly rosters: Interner<Roster>;
  readonly clients: Interner<Client>;
  readonly zombies: Interner<readonly number[]>;
}

const sessionsMask = (1 << incarnationsMax) - 1;

/** One exchange of clients, carried through everything that a state names. */
export class BoardExchange {
  readonly order: Exchange;
  readonly rosters: Renaming;
  readonly clients: Renaming;
  readonly zombies: Renaming;

  constructor(order: Exchange, numbers: BoardNumbers) {
    this.order = order;
    this.rosters = new Renaming((number) =>
      numbers.rosters.numberOf(this.#roster(numbers.rosters.valueOf(number))),
    );
    this.clients = new Renaming((number) =>
      numbers.clients.numberOf(this.#client(numbers.clients.valueOf(number))),
    );
    this.zombies = new Renaming((number) =>
      numbers.zombies.numberOf(
        numbers.zombies
          .valueOf(number)
          .map((roster) => this.rosters.of(roster))
          .sort((left, right) => left - right),
      ),
    );
  }

  /** A set of sessions, a bit for each. */
  sessions(bits: number): number {
    if (bits === 0) return 0;
    return this.order.reduce(
      (all, place, index) =>
        all | (((bits >> (index * incarnationsMax)) & sessionsMask) << (place * incarnationsMax)),
      0,
    );
  }

  #roster(roster: Roster): Roster {
    const renamed = <E extends { readonly session: string }>(entrant: E): E => {
      const { client, incarnation } = sessionNamed(entrant.session);
      return { ...entrant, session: sessionId({ client: this.order[client] ?? client, incarnation }) };
    };
    return { ...roster, holders: roster.holders.map(renamed), waiters: roster.waiters.map(renamed) };
  }

  #client(client: Client): Client {
    const { known, flight, flightRoster, entry, share } = client;
    return {
      ...client,
      known: typeof known === "object" ? { roster: this.rosters.of(known.roster) } : known,
      flightRoster: flight === "current" ? this.rosters.of(flightRoster) : flightRoster,
      share: share && { ...share, evicting: this.sessions(share.evicting) },
      entry: entry && { ...entry, evicting: this.sessions(entry.evicting) },
    };
  }
}
