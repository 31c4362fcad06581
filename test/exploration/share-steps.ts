import type { Entrant } from "../../src/roster/roster.ts";
import { type Client, hasPending, sessionBit, sessionId, sessionNamed } from "./client.ts";
import type { ClientMoves } from "./client-moves.ts";
import type { Faults, RosterBoard } from "./roster-board.ts";
import type { RosterRules } from "./rules.ts";
import type { Share } from "./share.ts";
import type { ShareMoves } from "./share-moves.ts";

/** The steps of a holder whose weight changes, beside those that every client takes. */
export class ShareSteps {
  readonly #board: RosterBoard;
  readonly #rules: RosterRules;
  readonly #moves: ClientMoves;

  constructor(board: RosterBoard, rules: RosterRules, moves: ClientMoves) {
    this.#board = board;
    this.#rules = rules;
    this.#moves = moves;
  }

  take(index: number, client: Client, share: Share, shares: ShareMoves): void {
    const become = (what: string, next: Share, fault?: keyof Faults): void =>
      this.#become(what, index, { ...client, share: next }, fault === undefined, fault);
    if (shares.mayUpgrade(share)) become("asks to be upgraded", shares.upgrade(share));
    if (shares.mayDowngrade(share)) become("asks to be downgraded", shares.downgrade(share));
    if (share.stage === "held") return;
    if (this.#board.mayHappen("cancels")) become("gives its upgrade up", shares.giveUp(share), "cancels");
    if (share.stage === "growing" && share.evicting === 0) this.#look(index, client, share);
  }

  /** Who waits to grow looks at the roster, and at the sessions of the other holders. */
  #look(index: number, client: Client, share: Share): void {
    const { roster, replica } = this.#board;
    const isIdle = client.flight === "none" && !hasPending(client);
    const fresh: Client = isIdle ? { ...client, known: "current", isKnownFresh: false } : client;
    this.#become("looks whether it has grown", index, this.#moves.followGrowth(fresh, roster), true);
    if (replica !== undefined) {
      const stale: Client = isIdle ? { ...client, known: "outdated", isKnownFresh: false } : client;
      const followed = this.#moves.followGrowth(stale, replica);
      this.#become("looks at the replica whether it has grown", index, followed, false);
    }
    const session = sessionId({ client: index, incarnation: client.incarnation });
    const self = { session, ticket: share.ticket };
    if (this.#rules.standing(roster, self).place !== "growing") return;
    const watched = this.#rules.predecessors(roster, 0, self);
    const evict = (evicting: number): Client => ({ ...fresh, share: { ...share, evicting } });
    const dead = this.#deadAmong(watched);
    if (dead !== 0) this.#become("finds a tombstone", index, evict(dead), true);
    const mortal = watched.map((holder) => holder.session).filter((other) => this.#board.isMortal(other));
    for (const other of new Set(mortal)) {
      this.#board.begin(`declares ${other} dead`);
      this.#board.bury(sessionNamed(other));
      this.#board.end(index, evict(sessionBit(sessionNamed(other))), true);
    }
  }

  #deadAmong(entrants: readonly Entrant[]): number {
    const dead = entrants.filter(({ session }) => this.#board.isDead(session));
    return dead.reduce((bits, { session }) => bits | sessionBit(sessionNamed(session)), 0);
  }

  #become(what: string, index: number, client: Client, isProgress: boolean, fault?: keyof Faults): void {
    this.#board.begin(what, fault);
    this.#board.end(index, client, isProgress);
  }
}
