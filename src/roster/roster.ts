import { invariant } from "../core/invariant.ts";
import type { Json } from "../core/json.ts";

/** Names one attempt to enter a roster. A session never uses a ticket twice. */
export interface EntrantId {
  readonly session: string;
  readonly ticket: number;
}

/** Somebody who wants a share of what the roster guards. */
export interface Entrant extends EntrantId {
  /** The TTL of the session, for an observer who finds no session record to read it from. */
  readonly ttlMs: number;
  /** How much of the capacity it takes. */
  readonly weight: number;
  readonly metadata?: Json;
}

/** An entrant that was admitted. */
export interface Holder extends Entrant {
  /** The fencing token of this grant. */
  readonly fence: number;
  /** Wall clock of the client that admitted it. For people; decides nothing. */
  readonly grantedAtMs: number;
}

/**
 * The state behind every exclusive thing: a mutex has capacity 1, a semaphore n, an election is a mutex whose
 * holder publishes a value. Who waits stands in order of arrival.
 */
export interface Roster {
  /** The last fence given. Rises for ever. */
  readonly fence: number;
  readonly capacity: number;
  readonly holders: readonly Holder[];
  readonly waiters: readonly Entrant[];
}

/** Most waiters in one roster; who comes later waits outside and enters as places free up. */
export const waitersMax = 64;

const fenceFromClockMax = 2 ** 52;

/** A roster that nobody entered yet. */
export function emptyRoster(capacity: number): Roster {
  return { fence: 0, capacity, holders: [], waiters: [] };
}

/** Puts an entrant at the end of the queue. Again with the same entrant, or into a full queue: no change. */
export function join(roster: Roster, entrant: Entrant): Roster {
  if (standing(roster, entrant).place !== "absent" || isFull(roster)) return roster;
  return { ...roster, waiters: [...roster.waiters, entrant] };
}

/** Takes an entrant out, holder or waiter. Touches nobody else's; absent: no change. */
export function leave(roster: Roster, id: EntrantId): Roster {
  return without(roster, (entrant) => isSame(entrant, id));
}

/** Takes out everything that belongs to a session. Only after its death was decided by a write. */
export function evict(roster: Roster, session: string): Roster {
  return without(roster, (entrant) => entrant.session === session);
}

/** Admits waiters from the front, as far as the capacity goes. First come, first served: nobody is passed. */
export function admit(roster: Roster, wallMs: number): Roster {
  let { fence } = roster;
  let free = roster.capacity - heldWeight(roster);
  let admitted = 0;
  const holders = [...roster.holders];
  for (const waiter of roster.waiters) {
    if (waiter.weight > free) break;
    fence = nextFence(fence, wallMs);
    free -= waiter.weight;
    admitted += 1;
    holders.push({ ...waiter, fence, grantedAtMs: wallMs });
  }
  return admitted === 0 ? roster : { ...roster, fence, holders, waiters: roster.waiters.slice(admitted) };
}

/** Whether nobody more can queue up in it. */
export function isFull(roster: Roster): boolean {
  return roster.waiters.length >= waitersMax;
}

/** Whether an entrant of this weight would be admitted at once. */
export function hasRoom(roster: Roster, weight: number): boolean {
  return roster.waiters.length === 0 && heldWeight(roster) + weight <= roster.capacity;
}

/** Where an entrant stands. */
export type Standing =
  | { readonly place: "holder"; readonly holder: Holder }
  | { readonly place: "waiter"; readonly position: number }
  | { readonly place: "absent" };

/** Looks an entrant up. */
export function standing(roster: Roster, id: EntrantId): Standing {
  const holder = roster.holders.find((entrant) => isSame(entrant, id));
  if (holder !== undefined) return { place: "holder", holder };
  const position = roster.waiters.findIndex((entrant) => isSame(entrant, id));
  return position < 0 ? { place: "absent" } : { place: "waiter", position };
}

/**
 * Whose death would move a waiter forward: the waiter before it, or the holders for the first one. Each watches
 * one place, so that the cost of watching is the same for everybody.
 */
export function predecessors(roster: Roster, position: number): readonly Entrant[] {
  const before = roster.waiters[position - 1];
  return before === undefined ? roster.holders : [before];
}

/** Everybody before a waiter, the nearest first. */
export function ahead(roster: Roster, position: number): readonly Entrant[] {
  return [...roster.waiters.slice(0, position).reverse(), ...roster.holders];
}

/**
 * The fence after `previous`: one more, or the wall clock in microseconds if that is larger, so that fences also
 * rise after the record, the bucket or the table was wiped or rolled back, as far as wall clocks are right.
 */
export function nextFence(previous: number, wallMs: number): number {
  const clock = Math.floor(wallMs * 1_000);
  const fence = Math.max(previous + 1, clock <= fenceFromClockMax ? clock : 0);
  invariant(Number.isSafeInteger(fence), "fences stay below 2^53");
  return fence;
}

function without(roster: Roster, leaves: (entrant: Entrant) => boolean): Roster {
  const holders = roster.holders.filter((entrant) => !leaves(entrant));
  const waiters = roster.waiters.filter((entrant) => !leaves(entrant));
  const unchanged = holders.length === roster.holders.length && waiters.length === roster.waiters.length;
  return unchanged ? roster : { ...roster, holders, waiters };
}

function heldWeight(roster: Roster): number {
  return roster.holders.reduce((sum, holder) => sum + holder.weight, 0);
}

function isSame(left: EntrantId, right: EntrantId): boolean {
  return left.ticket === right.ticket && left.session === right.session;
}
