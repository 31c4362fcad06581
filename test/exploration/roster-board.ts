import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { BoardExchange } from "./board-symmetry.ts";
import {
  type Client,
  clientKey,
  clientName,
  freshClient,
  type SessionName,
  sessionBit,
  sessionNamed,
} from "./client.ts";
import type { ClientStyle } from "./client-moves.ts";
import { Interner } from "./interner.ts";
import {
  checkClients,
  checkRoster,
  checkTaken,
  checkWrite,
  nameOf,
  showRoster,
} from "./roster-invariants.ts";
import { describeClient } from "./roster-words.ts";
import type { Visit } from "./search.ts";
import { exchanges } from "./symmetry.ts";

/** How often each accident may happen in one run. */
export interface Faults {
  readonly crashes: number;
  /** Sessions whose heartbeats do not get through until the deadline. */
  readonly expiries: number;
  /** Writes whose answer is lost: applied, not applied, or applied later. */
  readonly lostReplies: number;
  /** Moments at which a replica stops following. From then on it answers any read that it gets. */
  readonly staleReads: number;
  readonly cancels: number;
}

const faultKinds = ["crashes", "expiries", "lostReplies", "staleReads", "cancels"] as const;
const faultBits = 3;
const word = { roster: 0, replica: 1, zombies: 2, dead: 3, faults: 4, clients: 5 } as const;

/**
 * A state as words, and the step from one to the next: the store's roster, what a lagging replica shows, writes that
 * may still land, tombstones, the accidents that may still happen, and each client's memory. Rosters and memories are
 * numbered, so a state is a handful of words.
 */
export class RosterBoard {
  readonly words: number;
  /** What is happening, for a trace. */
  step = "";
  readonly #weights: readonly number[];
  readonly #rosters = new Interner<Roster>(rosterKey);
  readonly #clients = new Interner<Client>(clientKey);
  /** Sets of rosters that abandoned writes may still put there, each made from the current version. */
  readonly #zombies = new Interner<readonly number[]>((rosters) => rosters.join());
  readonly #checkedRosters = new Set<number>();
  readonly #checkedWrites = new Set<number>();
  readonly #exchanges: readonly BoardExchange[];
  readonly #next: Int32Array;
  readonly #least: Int32Array;
  readonly #exchanged: Int32Array;
  #from: Int32Array;
  #now: readonly Client[] = [];
  #visit: Visit = () => {};

  constructor(styles: readonly ClientStyle[]) {
    this.#weights = styles.map(({ weight }) => weight);
    this.words = word.clients + styles.length;
    this.#next = new Int32Array(this.words);
    this.#least = new Int32Array(this.words);
    this.#exchanged = new Int32Array(this.words);
    const numbers = { rosters: this.#rosters, clients: this.#clients, zombies: this.#zombies };
    const kinds = styles.map((style) => JSON.stringify(style));
    this.#exchanges = exchanges(kinds).map((order) => new BoardExchange(order, numbers));
    this.#from = this.#next;
  }

  initial(capacity: number, acquires: number, faults: Faults): Int32Array {
    const state = new Int32Array(this.words);
    state[word.roster] = this.#rosters.numberOf(emptyRoster(capacity));
    state[word.zombies] = this.#zombies.numberOf([]);
    state[word.faults] = faultKinds.reduce((bits, kind) => bits | faultUnit(kind, faults[kind]), 0);
    state.fill(this.#clients.numberOf(freshClient(acquires)), word.clients);
    return state;
  }

  /** Sets the state that the next steps begin with, and checks what must hold in it. */
  load(state: Int32Array, visit: Visit): void {
    this.#from = state;
    this.#visit = visit;
    this.#now = this.clientsIn(state);
    this.step = "";
    checkClients({ roster: this.roster, clients: this.#now, dead: this.#dead, weights: this.#weights });
  }

  /** One state for all that differ only in which of several like clients is which. */
  canonical(state: Int32Array): Int32Array {
    const least = this.#least;
    least.set(state);
    for (const exchange of this.#exchanges) {
      const roster = exchange.rosters.of(state[word.roster] ?? 0);
      if (roster > (least[word.roster] ?? 0)) continue;
      const exchanged = this.#exchange(state, roster, exchange);
      if (isLess(exchanged, least)) least.set(exchanged);
    }
    return least;
  }

  #exchange(state: Int32Array, roster: number, exchange: BoardExchange): Int32Array {
    const exchanged = this.#exchanged;
    const replica = state[word.replica] ?? 0;
    exchanged[word.roster] = roster;
    exchanged[word.replica] = replica === 0 ? 0 : exchange.rosters.of(replica - 1) + 1;
    exchanged[word.zombies] = exchange.zombies.of(state[word.zombies] ?? 0);
    exchanged[word.dead] = exchange.sessions(state[word.dead] ?? 0);
    exchanged[word.faults] = state[word.faults] ?? 0;
    for (const [index, place] of exchange.order.entries()) {
      exchanged[word.clients + place] = exchange.clients.of(state[word.clients + index] ?? 0);
    }
    return exchanged;
  }

  get clients(): readonly Client[] {
    return this.#now;
  }

  get roster(): Roster {
    return this.#rosters.valueOf(this.#from[word.roster] ?? 0);
  }

  /** What the replica shows, once it has stopped following. */
  get replica(): Roster | undefined {
    const replica = this.#from[word.replica] ?? 0;
    return replica === 0 ? undefined : this.#rosters.valueOf(replica - 1);
  }

  get #dead(): number {
    return this.#from[word.dead] ?? 0;
  }

  rosterOf(number: number): Roster {
    return this.#rosters.valueOf(number);
  }

  numberOf(roster: Roster): number {
    return this.#rosters.numberOf(roster);
  }

  isDead(session: string): boolean {
    return (this.#dead & sessionBit(sessionNamed(session))) !== 0;
  }

  /** Whether a session may be declared dead: its client crashed, or has given it up by its own clock. */
  isMortal(session: string): boolean {
    const name = sessionNamed(session);
    const client = this.#now[name.client];
    if (client === undefined || (this.#dead & sessionBit(name)) !== 0) return false;
    return !client.isUp || !client.isLive || client.isOverdue || client.incarnation !== name.incarnation;
  }

  mayHappen(kind: keyof Faults): boolean {
    const shift = faultKinds.indexOf(kind) * faultBits;
    return (((this.#from[word.faults] ?? 0) >> shift) & ((1 << faultBits) - 1)) > 0;
  }

  /** Begins a step. With a fault it uses up one of those that may happen. */
  begin(what: string, fault?: keyof Faults): void {
    this.step = what;
    this.#next.set(this.#from);
    if (fault !== undefined) this.#next[word.faults] = (this.#from[word.faults] ?? 0) - faultUnit(fault, 1);
  }

  /** The store takes a write over the current version. Whatever else was made from that version is void. */
  apply(number: number): void {
    const before = this.#from[word.roster] ?? 0;
    const after = this.#rosters.valueOf(number);
    if (!this.#checkedRosters.has(number)) checkRoster(after);
    this.#checkedRosters.add(number);
    // A pair of numbers as one number: far fewer rosters than 2^26 fit into memory.
    const pair = before * 2 ** 26 + number;
    if (!this.#checkedWrites.has(pair)) checkWrite(this.#rosters.valueOf(before), after);
    this.#checkedWrites.add(pair);
    checkTaken(this.#rosters.valueOf(before), after, this.#now);
    this.#next[word.roster] = number;
    this.#next[word.zombies] = this.#zombies.numberOf([]);
    for (const [index, client] of this.#now.entries()) {
      if (client.known !== "current" && client.flight !== "current") continue;
      this.#next[word.clients + index] = this.#clients.numberOf(outdated(client, before));
    }
  }

  /** A write was given up that may still land. */
  addZombie(number: number): void {
    const zombies = this.#zombies.valueOf(this.#next[word.zombies] ?? 0);
    if (zombies.includes(number)) return;
    const sorted = [...zombies, number].sort((left, right) => left - right);
    this.#next[word.zombies] = this.#zombies.numberOf(sorted);
  }

  bury(session: SessionName): void {
    this.#next[word.dead] = (this.#next[word.dead] ?? 0) | sessionBit(session);
  }

  /** Ends a step with what a client remembers after it. */
  end(index: number, client: Client, isProgress: boolean): void {
    this.step = `${clientName(index)} ${this.step}`;
    this.#next[word.clients + index] = this.#clients.numberOf(client);
    this.#visit(this.#next, isProgress);
  }

  /** What happens in the store, and to nobody. */
  storeSteps(): void {
    for (const zombie of this.#zombies.valueOf(this.#from[word.zombies] ?? 0)) {
      this.begin("an abandoned write lands");
      this.apply(zombie);
      this.#visit(this.#next, false);
    }
    if (this.replica !== undefined || !this.mayHappen("staleReads")) return;
    this.begin("the replica stops following", "staleReads");
    this.#next[word.replica] = (this.#from[word.roster] ?? 0) + 1;
    this.#visit(this.#next, false);
  }

  clientsIn(state: Int32Array): readonly Client[] {
    return this.#weights.map((_, index) => this.#clients.valueOf(state[word.clients + index] ?? 0));
  }

  describe(state: Int32Array): string {
    const roster = this.#rosters.valueOf(state[word.roster] ?? 0);
    const zombies = this.#zombies.valueOf(state[word.zombies] ?? 0);
    const replica = state[word.replica] ?? 0;
    const late = zombies.map((zombie) => `, late ${showRoster(this.#rosters.valueOf(zombie))}`).join("");
    const lag = replica === 0 ? "" : `, replica ${showRoster(this.#rosters.valueOf(replica - 1))}`;
    const clients = this.clientsIn(state).map(describeClient).join("; ");
    return `${showRoster(roster)}${late}${lag}; ${clients}`;
  }
}

function faultUnit(kind: keyof Faults, times: number): number {
  return times << (faultKinds.indexOf(kind) * faultBits);
}

function isLess(left: Int32Array, right: Int32Array): boolean {
  for (let index = 0; index < left.length; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function outdated(client: Client, before: number): Client {
  const isMoved = client.flight === "current";
  const flight = isMoved ? "moved" : client.flight;
  const flightRoster = isMoved ? 0 : client.flightRoster;
  if (client.known !== "current") return { ...client, flight, flightRoster };
  const known = client.isKnownFresh && !isMoved ? { roster: before } : "outdated";
  return { ...client, known, flight, flightRoster };
}

function rosterKey({ fence, capacity, holders, waiters }: Roster): string {
  let key = `${fence}/${capacity}`;
  for (const holder of holders) {
    const { fence: given, weight, wants } = holder;
    key += `h${nameOf(holder)}=${given}*${weight}${wants === undefined ? "" : `+${wants}`}`;
  }
  for (const waiter of waiters) key += `w${nameOf(waiter)}`;
  return key;
}
