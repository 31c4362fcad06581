import type { Entrant, Roster } from "../../src/roster/roster.ts";
import { type Client, crashedClient, hasPending, isAtRest, sessionBit, sessionNamed } from "./client.ts";
import { ClientMoves, type ClientStyle } from "./client-moves.ts";
import { type Faults, RosterBoard } from "./roster-board.ts";
import { type Conduct, type RosterRules, shippedConduct, shippedRosterRules } from "./rules.ts";
import type { Visit, World } from "./search.ts";
import { ShareSteps } from "./share-steps.ts";

/** One world to explore. */
export interface RosterWorldOptions {
  readonly capacity: number;
  readonly acquires: number;
  readonly clients: readonly ClientStyle[];
  readonly faults: Faults;
  /** Whether a conflict tells what stands there, as DynamoDB does and NATS does not. */
  readonly doConflictsTell: boolean;
}

/**
 * Clients that acquire and release one name, over a store that holds one roster and one record for each session.
 * A step is one thing that happens at one place: a request is sent, is applied, is answered, somebody crashes.
 */
export class RosterWorld implements World {
  readonly promise = "always";
  readonly #options: RosterWorldOptions;
  readonly #rules: RosterRules;
  readonly #conduct: Conduct;
  readonly #moves: readonly ClientMoves[];
  readonly #board: RosterBoard;

  constructor(options: RosterWorldOptions, rules: Partial<RosterRules> = {}, conduct: Partial<Conduct> = {}) {
    this.#options = options;
    this.#rules = { ...shippedRosterRules, ...rules };
    this.#conduct = { ...shippedConduct, ...conduct };
    this.#moves = options.clients.map(
      (style, index) => new ClientMoves(this.#rules, this.#conduct, index, style),
    );
    this.#board = new RosterBoard(options.clients);
  }

  get words(): number {
    return this.#board.words;
  }

  get step(): string {
    return this.#board.step;
  }

  initial(): Int32Array {
    const { capacity, acquires, faults } = this.#options;
    return this.#board.initial(capacity, acquires, faults);
  }

  canonical(state: Int32Array): Int32Array {
    return this.#board.canonical(state);
  }

  expand(state: Int32Array, visit: Visit): void {
    this.#board.load(state, visit);
    for (const [index, client] of this.#board.clients.entries()) {
      if (!client.isUp) continue;
      const moves = this.#moves[index] as ClientMoves;
      this.#ask(index, client, moves);
      this.#release(index, client, moves);
      if (client.flight !== "none") this.#answer(index, client, moves);
      else if (hasPending(client)) this.#attempt(index, client, moves);
      this.#look(index, client, moves);
      if (client.share !== undefined && moves.shares !== undefined)
        new ShareSteps(this.#board, this.#rules, moves).take(index, client, client.share, moves.shares);
      this.#suffer(index, client, moves);
    }
    this.#board.storeSteps();
  }

  isFinished(state: Int32Array): boolean {
    return this.#board.clientsIn(state).every(isAtRest);
  }

  describe(state: Int32Array): string {
    return this.#board.describe(state);
  }

  #ask(index: number, client: Client, moves: ClientMoves): void {
    const mayEnter = client.held.length === 0 || this.#options.capacity > 1;
    if (client.caller !== "none") {
      const isCancelled = client.caller === "waiting" && this.#board.mayHappen("cancels");
      if (isCancelled) this.#become("cancels", index, moves.cancel(client), false, "cancels");
    } else if (client.acquiresLeft > 0 && mayEnter) {
      if (moves.style.asks === "wait") this.#become("asks", index, moves.begin(client), true);
      else this.#tryOnce(index, client, moves);
    }
  }

  /** A try looks at what it knows, or reads, and goes on only where it sees room, or somebody dead. */
  #tryOnce(index: number, client: Client, moves: ClientMoves): void {
    const look = (roster: Roster, isProgress: boolean): void => {
      if (this.#rules.hasRoom(roster, moves.style.weight)) {
        this.#become("tries and sees room", index, moves.begin(client), isProgress);
        return;
      }
      const seen = [...roster.holders, ...roster.waiters];
      const dead = this.#deadAmong(seen);
      const refused: Client = { ...client, acquiresLeft: client.acquiresLeft - 1 };
      // A first try of a name does not look who died, and a later one may come before that is known.
      this.#become("tries and sees no room", index, refused, isProgress);
      if (dead !== 0)
        this.#become("tries and finds a tombstone", index, moves.begin(client, dead), isProgress);
      this.#buryAmong(seen, index, isProgress, (evicting) => moves.begin(client, evicting));
    };
    look(this.#board.roster, true);
    const { replica } = this.#board;
    if (replica !== undefined) look(replica, false);
    if (client.known === "outdated")
      this.#become("tries and remembers room", index, moves.begin(client), false);
  }

  #release(index: number, client: Client, moves: ClientMoves): void {
    for (const ticket of client.held) {
      const released = moves.release(client, ticket);
      // Who waits to grow must get there without giving up.
      const isDue = client.share === undefined || client.share.stage === "held";
      this.#become(`releases #${ticket}`, index, released, isDue);
      const isNext = released.acquiresLeft > 0 && released.caller === "none" && released.held.length === 0;
      if (!isNext || moves.style.asks === "try") continue;
      this.#become(`releases #${ticket} and asks again`, index, moves.begin(released), isDue);
    }
  }

  /** The driver sends what waits to be written, over what it knows or reads. */
  #attempt(index: number, client: Client, moves: ClientMoves): void {
    const { known, isKnownFresh } = client;
    const { roster, replica } = this.#board;
    const mayRead = known === "none" || (!isKnownFresh && moves.maySettle(client));
    if (mayRead) {
      this.#write("reads and writes", index, { ...client, known: "current" }, roster, true);
      const stale: Client = { ...client, known: "outdated" };
      if (replica !== undefined) this.#write("reads the replica and writes", index, stale, replica, false);
    }
    // Whether what is outdated made it read was forgotten with it: both are looked at.
    if (known === "outdated") this.#conflict(index, moves.send(client), moves);
    else if (typeof known === "object")
      this.#write("writes", index, client, this.#board.rosterOf(known.roster), true);
    else if (!mayRead) this.#write("writes", index, client, roster, true);
  }

  #write(how: string, index: number, client: Client, base: Roster, isProgress: boolean): void {
    const moves = this.#moves[index] as ClientMoves;
    const result = moves.apply(client, base);
    const sent = moves.send(client);
    if (result === undefined) {
      this.#become(`${how} nothing, it is so already`, index, moves.resolve(sent, base), isProgress);
    } else if (client.known === "current") {
      const flightRoster = this.#board.numberOf(result);
      this.#become(how, index, { ...sent, flight: "current", flightRoster }, isProgress);
    } else this.#become(how, index, { ...sent, known: "outdated", flight: "moved" }, isProgress);
  }

  #answer(index: number, client: Client, moves: ClientMoves): void {
    const board = this.#board;
    const { flight, flightRoster } = client;
    if (flight === "moved") this.#conflict(index, client, moves);
    else {
      board.begin("gets its write through");
      board.apply(flightRoster);
      const after = board.rosterOf(flightRoster);
      board.end(index, moves.resolve({ ...client, known: "current", isKnownFresh: false }, after), true);
    }
    if (!board.mayHappen("lostReplies")) return;
    const ignorant = moves.fail(client, true);
    if (flight === "current") {
      board.begin("gets its write through and no answer", "lostReplies");
      board.apply(flightRoster);
      board.end(index, ignorant, false);
      board.begin("gets no answer, and its write may land later", "lostReplies");
      board.addZombie(flightRoster);
      board.end(index, ignorant, false);
    }
    this.#become("gets no answer, and its write is lost", index, ignorant, false, "lostReplies");
    this.#become("hears that its write is lost", index, moves.fail(client, false), false, "lostReplies");
  }

  #conflict(index: number, sent: Client, moves: ClientMoves): void {
    const known = this.#options.doConflictsTell ? "current" : "none";
    this.#become("meets a conflict", index, moves.conflict(sent, known), true);
  }

  /** Who waits looks at the roster, and at the sessions before it. */
  #look(index: number, client: Client, moves: ClientMoves): void {
    const { entry } = client;
    if (entry?.stage !== "waiting" || entry.evicting !== 0) return;
    const { roster, replica } = this.#board;
    const isIdle = client.flight === "none" && !hasPending(client);
    const fresh: Client = isIdle ? { ...client, known: "current", isKnownFresh: false } : client;
    this.#become("looks", index, moves.follow(fresh, entry, roster), true);
    if (replica !== undefined) {
      const stale: Client = isIdle ? { ...client, known: "outdated", isKnownFresh: false } : client;
      this.#become("looks at the replica", index, moves.follow(stale, entry, replica), false);
    }
    const place = this.#rules.standing(roster, moves.entrant(client, entry.ticket));
    if (place.place !== "waiter") return;
    const evict = (evicting: number): Client => {
      if (this.#conduct.takeoverIsWritten) return { ...fresh, entry: { ...entry, evicting } };
      const imagined = moves.apply({ ...fresh, leaves: [], entry: { ...entry, evicting } }, roster);
      return imagined === undefined ? fresh : moves.follow(fresh, entry, imagined);
    };
    const watched = this.#watched(roster, place.position);
    const dead = this.#deadAmong(watched);
    if (dead !== 0) this.#become("finds a tombstone", index, evict(dead), true);
    this.#buryAmong(watched, index, true, evict);
    this.#buryWrongly(watched, index, evict);
  }

  /** The one before it; and once that one is seen to stand still, everybody before it. */
  #watched(roster: Roster, position: number): readonly Entrant[] {
    const near = this.#rules.predecessors(roster, position);
    const isSuspect = near.some(
      ({ session }) => this.#board.isMortal(session) || this.#board.isDead(session),
    );
    return isSuspect ? [...near, ...this.#rules.ahead(roster, position)] : near;
  }

  #deadAmong(entrants: readonly Entrant[]): number {
    const dead = entrants.filter(({ session }) => this.#board.isDead(session));
    return dead.reduce((bits, { session }) => bits | sessionBit(sessionNamed(session)), 0);
  }

  #buryAmong(
    entrants: readonly Entrant[],
    index: number,
    isProgress: boolean,
    evict: (evicting: number) => Client,
  ): void {
    const mortal = entrants.map(({ session }) => session).filter((session) => this.#board.isMortal(session));
    for (const session of new Set(mortal)) this.#bury(session, index, isProgress, evict);
  }

  /** Declares a session dead whose client crashed or gave up, and goes on to evict it. */
  #bury(session: string, index: number, isProgress: boolean, evict: (evicting: number) => Client): void {
    const name = sessionNamed(session);
    this.#board.begin(`declares ${session} dead`);
    this.#board.bury(name);
    this.#board.end(index, evict(sessionBit(name)), isProgress);
  }

  /** What the store's condition and the observer's patience prevent: nothing happens, unless in a mutant. */
  #buryWrongly(watched: readonly Entrant[], index: number, evict: (evicting: number) => Client): void {
    const { tombstoneHasCondition, waitsForDeadline, evictsAfterTombstone } = this.#conduct;
    // A replica may show an old version of a session that is renewed, which stands still.
    const isStale = this.#board.replica !== undefined;
    for (const { session } of watched) {
      if (this.#board.isMortal(session) || this.#board.isDead(session)) continue;
      if (!waitsForDeadline || (isStale && !tombstoneHasCondition)) this.#bury(session, index, false, evict);
      if (evictsAfterTombstone || !isStale) continue;
      this.#become(`evicts ${session} unasked`, index, evict(sessionBit(sessionNamed(session))), false);
    }
  }

  #suffer(index: number, client: Client, moves: ClientMoves): void {
    const board = this.#board;
    const { isLive, isOverdue, entry, held, leaves } = client;
    const mayExpire = isLive && !isOverdue && (entry !== undefined || held.length + leaves.length > 0);
    if (mayExpire && board.mayHappen("expiries")) {
      this.#become("passes its deadline", index, moves.lose(client, false), false, "expiries");
      const told = held.length === 0 ? undefined : moves.lose(client, true);
      if (told !== undefined) this.#become("passes its deadline and says so", index, told, false, "expiries");
    }
    if (client.incarnation === 0 || !board.mayHappen("crashes")) return;
    board.begin("crashes", "crashes");
    if (client.flight === "current") board.addZombie(client.flightRoster);
    board.end(index, crashedClient(client), false);
  }

  #become(what: string, index: number, client: Client, isProgress: boolean, fault?: keyof Faults): void {
    this.#board.begin(what, fault);
    this.#board.end(index, client, isProgress);
  }
}
