import type { Entrant, EntrantId, Roster } from "../../src/roster/roster.ts";
import {
  type Client,
  type EntryState,
  hasPending,
  incarnationsMax,
  type Leave,
  type LeaveKind,
  sessionBit,
  sessionId,
  sessionNamed,
  ticketsMax,
  withLeave,
} from "./client.ts";
import type { Conduct, RosterRules } from "./rules.ts";
import { Violation } from "./search.ts";
import { freshShare, type Share, type ShareStyle } from "./share.ts";
import { ShareMoves } from "./share-moves.ts";

/** How one client asks. `try`: takes it at once or not at all, as `tryAcquire` does. */
export interface ClientStyle {
  readonly asks: "wait" | "try";
  readonly weight: number;
  /** Its wall clock, which never moves. Fences may come from it. */
  readonly wallMs: number;
  /** Where its grants change their weight. */
  readonly share?: ShareStyle;
}

const ttlMs = 1_000;

/**
 * What a client makes of what it learns, restated from `RosterQueue`, `Entry`, `Turn` and `RosterDriver` as functions
 * from one memory to the next. What they decide about rosters they decide by the functions under test.
 */
export class ClientMoves {
  readonly #rules: RosterRules;
  readonly #conduct: Conduct;
  readonly #index: number;
  readonly style: ClientStyle;
  readonly shares: ShareMoves | undefined;

  constructor(rules: RosterRules, conduct: Conduct, index: number, style: ClientStyle) {
    this.#rules = rules;
    this.#conduct = conduct;
    this.#index = index;
    this.style = style;
    this.shares = style.share && new ShareMoves(rules, conduct, style.share);
  }

  /** A caller asks; the client stands for him with its session, or a new one. */
  begin(client: Client, evicting = 0): Client {
    return this.#stand({ ...client, acquiresLeft: client.acquiresLeft - 1 }, evicting);
  }

  /** The caller gives up. */
  cancel(client: Client): Client {
    const gone: Client = { ...client, caller: "gone" };
    return client.entry?.isSent === true ? gone : this.#endEntry(gone);
  }

  /** The holder gives back; what else its callers want rides in the same write. */
  release(client: Client, ticket: number): Client {
    const held = client.held.filter((other) => other !== ticket);
    return this.#withLeave({ ...client, held, share: undefined }, ticket, "release");
  }

  /** The deadline of the session passes. `isToldOff`: its holder says that he has stopped, by a release. */
  lose(client: Client, isToldOff: boolean): Client {
    if (!this.#conduct.stopsAtDeadline) return { ...client, isOverdue: true };
    const leaves = client.leaves.filter((leave) => leave.isSent || leave.kind !== "release");
    let lost: Client = { ...client, isLive: false, held: [], share: undefined, leaves };
    if (isToldOff) for (const ticket of client.held) lost = this.#withLeave(lost, ticket, "afterLoss");
    return lost.entry === undefined || lost.entry.isSent ? lost : this.#endEntry(lost);
  }

  /** The batch that was sent is done, and this is the roster after it; or it need not be sent. */
  resolve(client: Client, view: Roster): Client {
    const leaves = client.leaves.filter((leave) => !leave.isSent);
    const share = this.#changed(client, (moves, held, id) => moves.resolve(held, id, view));
    const done: Client = { ...client, leaves, share, flight: "none", flightRoster: 0 };
    return settled(this.#resolveEntry(done, view));
  }

  /** The batch failed: some of it is tried again. `isUnknown`: it may have been applied, or may still be. */
  fail(client: Client, isUnknown: boolean): Client {
    const leaves = client.leaves
      .filter((leave) => !leave.isSent || this.#isRepeated(client, leave))
      .map((leave) => ({ ...leave, isSent: false }));
    const share = this.#changed(client, (moves, held) => moves.again(held, true));
    const failed: Client = { ...client, leaves, share, flight: "none", flightRoster: 0, known: "none" };
    const kept: Client = { ...failed, isKnownFresh: true };
    const { entry } = client;
    if (entry === undefined) return settled(kept);
    if (!entry.isSent) return settled({ ...kept, entry: { ...entry, isEvictSent: false } });
    const mayStand = entry.mayStand || isUnknown;
    const unsent: Client = { ...kept, entry: { ...entry, isSent: false, isEvictSent: false, mayStand } };
    const isWanted = client.caller === "waiting" && client.isLive && this.style.asks === "wait";
    return settled(isWanted ? unsent : this.#endEntry(unsent));
  }

  /** The batch met a conflict: all of it is tried again that is still wanted. */
  conflict(client: Client, known: "none" | "current"): Client {
    const leaves = client.leaves
      .filter(({ kind, incarnation }) => kind !== "release" || this.#isOwn(client, incarnation))
      .map((leave) => ({ ...leave, isSent: false }));
    const share = this.#changed(client, (moves, held) => moves.again(held, false));
    const unsentToo = { leaves, share, known, isKnownFresh: true } as const;
    const again: Client = { ...client, ...unsentToo, flight: "none", flightRoster: 0 };
    const { entry } = client;
    if (entry === undefined) return settled(again);
    const unsent: Client = { ...again, entry: { ...entry, isSent: false, isEvictSent: false } };
    const isWithdrawn = entry.isSent && (client.caller !== "waiting" || !client.isLive);
    return settled(isWithdrawn ? this.#endEntry(unsent) : unsent);
  }

  /** Who waits sees a roster. */
  follow(client: Client, entry: EntryState, view: Roster): Client {
    const standing = this.#rules.standing(view, this.entrant(client, entry.ticket));
    if (standing.place === "holder") return this.#deliver({ ...client, entry }, standing.holder.fence);
    if (standing.place === "waiter") return { ...client, entry };
    return { ...client, entry: { ...entry, stage: "joining", isSent: false } };
  }

  /** What it would write over a roster; `undefined` when that shows that nothing needs to be written. */
  apply(client: Client, base: Roster): Roster | undefined {
    const { rules, entry } = { rules: this.#rules, entry: client.entry };
    let roster = base;
    let isSettled = true;
    const { share } = client;
    if (share !== undefined && (share.changes.length > 0 || share.evicting !== 0)) {
      this.#changed(client, (moves, held, id) => {
        roster = this.#evict(moves.apply(roster, id, held), held.evicting);
        return held;
      });
      isSettled = false;
    }
    for (const leave of client.leaves) {
      const id = this.#idOf(leave);
      const mayRest = leave.kind === "afterLoss" || !this.#conduct.leaveAlwaysWrites;
      if (mayRest && rules.standing(base, id).place === "absent") continue;
      roster = rules.leave(roster, id);
      isSettled = false;
    }
    if (entry !== undefined && entry.evicting !== 0) {
      roster = this.#evict(roster, entry.evicting);
      isSettled = false;
    }
    if (entry?.stage === "joining") {
      const entrant = this.entrant(client, entry.ticket);
      const isThere = this.#conduct.joinLooksFirst && rules.standing(base, entrant).place !== "absent";
      const isJoinSettled = entry.evicting === 0 && (isThere || !this.#mayJoin(base));
      if (!isJoinSettled) {
        if (this.#mayJoin(roster)) roster = rules.join(roster, entrant);
        isSettled = false;
      }
    }
    return isSettled ? undefined : rules.admit(roster, this.style.wallMs);
  }

  /** Everything that waits to be written goes on its way. */
  send(client: Client): Client {
    const leaves = client.leaves.map((leave) => ({ ...leave, isSent: true }));
    const share = this.#changed(client, (moves, held) => moves.send(held));
    const { entry } = client;
    if (entry === undefined) return { ...client, leaves, share };
    const isSent = entry.stage === "joining";
    return { ...client, leaves, share, entry: { ...entry, isSent, isEvictSent: entry.evicting !== 0 } };
  }

  /** Whether a read could show that something needs no write. */
  maySettle({ entry, leaves }: Client): boolean {
    if (entry?.stage === "joining" && entry.evicting === 0) return true;
    return leaves.some((leave) => leave.kind === "afterLoss" || !this.#conduct.leaveAlwaysWrites);
  }

  entrant({ incarnation }: Client, ticket: number): Entrant {
    const session = sessionId({ client: this.#index, incarnation });
    return { session, ticket, ttlMs, weight: this.style.weight };
  }

  #stand(client: Client, evicting: number): Client {
    const live = client.isLive ? client : this.#openSession(client);
    const ticket = live.tickets + 1;
    if (ticket > ticketsMax) throw new RangeError("a session has too many tickets for the model");
    const entry: EntryState = {
      ...{ ticket, stage: "joining", mayStand: false, isSent: false, evicting, isEvictSent: false },
    };
    return { ...live, tickets: ticket, caller: "waiting", entry };
  }

  #openSession(client: Client): Client {
    const { incarnation } = client;
    if (incarnation > 0 && !this.#conduct.opensNewSession) return { ...client, isLive: true };
    if (incarnation === incarnationsMax) throw new RangeError("a client has too many sessions for the model");
    return { ...client, incarnation: incarnation + 1, isLive: true, isOverdue: false, tickets: 0 };
  }

  #resolveEntry(client: Client, view: Roster): Client {
    const { entry } = client;
    if (entry === undefined) return client;
    const done = { ...entry, isSent: false, evicting: 0, isEvictSent: false };
    if (entry.stage === "waiting") return entry.isEvictSent ? this.follow(client, done, view) : client;
    if (!entry.isSent) return client;
    const standing = this.#rules.standing(view, this.entrant(client, entry.ticket));
    const { place } = standing;
    const joined: Client = { ...client, entry: { ...done, mayStand: done.mayStand || place !== "absent" } };
    if (standing.place === "holder") return this.#deliver(joined, standing.holder.fence);
    if (place === "waiter" && this.style.asks === "try") {
      throw new Violation("a try never stands in line", sessionId({ client: this.#index, ...client }));
    }
    if (this.style.asks === "try" || client.caller !== "waiting" || !client.isLive)
      return this.#endEntry(joined);
    return { ...joined, entry: { ...done, mayStand: true, stage: "waiting" } };
  }

  #deliver(client: Client, fence: number): Client {
    const { entry, caller } = client;
    const isWanted = client.isLive && caller === "waiting";
    if (entry === undefined || (this.#conduct.asksBeforeDelivery && !isWanted)) return this.#endEntry(client);
    const held = caller === "gone" ? client.held : [...client.held, entry.ticket];
    const { share: style, weight } = this.style;
    const share = style && caller !== "gone" ? freshShare(style, entry.ticket, weight, fence) : client.share;
    return { ...client, entry: undefined, held, share, caller: "none" };
  }

  /** Does something with what the client holds, where that may change its weight. */
  #changed(
    client: Client,
    change: (moves: ShareMoves, share: Share, id: EntrantId) => Share,
  ): Share | undefined {
    const { share, incarnation } = client;
    if (this.shares === undefined || share === undefined) return share;
    const session = sessionId({ client: this.#index, incarnation });
    return change(this.shares, share, { session, ticket: share.ticket });
  }

  /** Who waits to grow sees a roster. */
  followGrowth(client: Client, view: Roster): Client {
    return { ...client, share: this.#changed(client, (moves, share, id) => moves.follow(share, id, view)) };
  }

  /** The entry came to nothing. Who still waits, because only the session was lost, stands again with the next one. */
  #endEntry(client: Client): Client {
    const { entry, caller } = client;
    let ended: Client = { ...client, entry: undefined };
    if (entry?.mayStand === true && this.#conduct.takesOutAbandoned) {
      ended = this.#withLeave(ended, entry.ticket, "abandon");
    }
    const isWanted = caller === "waiting" && !client.isLive && this.style.asks === "wait";
    return settled(isWanted ? this.#stand(ended, 0) : { ...ended, caller: "none" });
  }

  #withLeave(client: Client, ticket: number, kind: LeaveKind): Client {
    return withLeave(client, { incarnation: client.incarnation, ticket, kind, isSent: false });
  }

  #isRepeated(client: Client, { incarnation, kind }: Leave): boolean {
    if (!this.#isOwn(client, incarnation) || kind === "afterLoss") return false;
    return kind !== "release" || this.#conduct.releaseIsRepeated;
  }

  #isOwn(client: Client, incarnation: number): boolean {
    return client.isLive && client.incarnation === incarnation;
  }

  #idOf({ incarnation, ticket }: Leave): EntrantId {
    return { session: sessionId({ client: this.#index, incarnation }), ticket };
  }

  #evict(roster: Roster, evicting: number): Roster {
    const sessions = new Set([...roster.holders, ...roster.waiters].map(({ session }) => session));
    const isEvicted = (session: string): boolean => (evicting & sessionBit(sessionNamed(session))) !== 0;
    return [...sessions].filter(isEvicted).reduce(this.#rules.evict, roster);
  }

  #mayJoin(roster: Roster): boolean {
    return this.style.asks === "wait" || this.#rules.hasRoom(roster, this.style.weight);
  }
}

/** The driver's run ends when nothing is left to do, and with it its memory of failures. */
function settled(client: Client): Client {
  const isRunning = client.flight !== "none" || hasPending(client);
  if (!client.isKnownFresh || isRunning) return client;
  return {
    ...client,
    isKnownFresh: false,
    known: typeof client.known === "object" ? "outdated" : client.known,
  };
}
