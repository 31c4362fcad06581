import { invariant } from "../core/invariant.ts";
import type { Json } from "../core/json.ts";
import type { Removal } from "./removal.ts";

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
  /** By which a holder can hand over to it. */
  readonly identity?: string;
}

/** An entrant that was admitted. */
export interface Holder extends Entrant {
  /** The fencing token of this grant. */
  readonly fence: number;
  /** Wall clock of the client that admitted it. For people; decides nothing. */
  readonly grantedAtMs: number;
  /** The weight it waits for, where that is more than it has. Until then nobody else is admitted. */
  readonly wants?: number;
}

/**
 * The state behind every exclusive thing: a mutex has capacity 1, a semaphore n, an election is a mutex whose
 * holder publishes a value, a writer weighs as much as all readers. Who waits stands in order of arrival.
 */
export interface Roster {
  /** The last fence given. Rises for ever. */
  readonly fence: number;
  /** 0: nobody has set it yet. */
  readonly capacity: number;
  readonly holders: readonly Holder[];
  readonly waiters: readonly Entrant[];
  /** The last forced releases. */
  readonly removals?: readonly Removal[];
  /** What the primitive itself remembers here, written along with who comes and goes. */
  readonly note?: Json;
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

/** Takes it from all who hold it, and puts an entrant before all who wait. Again with the same entrant: no change. */
export function seize(roster: Roster, entrant: Entrant): Roster {
  if (standing(roster, entrant).place !== "absent") return roster;
  return { ...roster, holders: [], waiters: [entrant, ...roster.waiters] };
}

/** Takes an entrant out, holder or waiter. Touches nobody else's; absent: no change. */
export function leave(roster: Roster, id: EntrantId): Roster {
  return without(roster, (entrant) => isSame(entrant, id));
}

/** Takes out everything that belongs to a session. Only after its death was decided by a write. */
export function evict(roster: Roster, session: string): Roster {
  return without(roster, (entrant) => entrant.session === session);
}

/**
 * Admits waiters from the front, as far as the capacity goes. First come, first served: nobody is passed. A holder
 * that waits for more goes before them.
 */
export function admit(roster: Roster, wallMs: number): Roster {
  const grown = growHolders(roster, wallMs);
  if (grown.holders.some(({ wants }) => wants !== undefined)) return grown;
  let { fence } = grown;
  let free = grown.capacity - heldWeight(grown);
  let admitted = 0;
  const holders = [...grown.holders];
  for (const waiter of grown.waiters) {
    if (waiter.weight > free) break;
    fence = nextFence(fence, wallMs);
    free -= waiter.weight;
    admitted += 1;
    holders.push({ ...waiter, fence, grantedAtMs: wallMs });
  }
  return admitted === 0 ? grown : { ...grown, fence, holders, waiters: grown.waiters.slice(admitted) };
}

/** Gives holders the weight that they wait for, with a fence of its own, where there is room for it. */
function growHolders(roster: Roster, wallMs: number): Roster {
  let { fence } = roster;
  let free = roster.capacity - heldWeight(roster);
  const holders = roster.holders.map((holder) => {
    const { wants, ...kept } = holder;
    if (wants === undefined || wants - holder.weight > free) return holder;
    fence = nextFence(fence, wallMs);
    free -= wants - holder.weight;
    return { ...kept, weight: wants, fence, grantedAtMs: wallMs };
  });
  return fence === roster.fence ? roster : { ...roster, fence, holders };
}

/**
 * Changes the weight of a holder: less at once, more as soon as there is room. Its own weight takes back what it
 * waited for. Absent, or only waiting: no change.
 */
export function reweigh(roster: Roster, id: EntrantId, weight: number): Roster {
  return amend(roster, id, ({ wants, ...holder }) =>
    weight > holder.weight ? { ...holder, wants: weight } : { ...holder, weight },
  );
}

/** Changes what a holder shows. Absent, or only waiting: no change. */
export function amend(roster: Roster, id: EntrantId, change: (holder: Holder) => Holder): Roster {
  if (standing(roster, id).place === "waiter" || standing(roster, id).place === "absent") return roster;
  return {
    ...roster,
    holders: roster.holders.map((holder) => (isSame(holder, id) ? change(holder) : holder)),
  };
}

/**
 * Sets the capacity. Takes nothing from who holds. Who waits for more than there ever is goes, or would stand in the
 * way of all the others for ever.
 */
export function resize(roster: Roster, capacity: number): Roster {
  return { ...roster, capacity, waiters: roster.waiters.filter(({ weight }) => weight <= capacity) };
}

/** Puts the first waiter of whom that is true before all others. None: no change. */
export function promote(roster: Roster, isChosen: (waiter: Entrant) => boolean): Roster {
  const chosen = roster.waiters.find(isChosen);
  if (chosen === undefined || chosen === roster.waiters[0]) return roster;
  return { ...roster, waiters: [chosen, ...roster.waiters.filter((waiter) => waiter !== chosen)] };
}

/** Whether nobody more can queue up in it. */
export function isFull(roster: Roster): boolean {
  return roster.waiters.length >= waitersMax;
}

/** Whether an entrant of this weight would be admitted at once. */
export function hasRoom(roster: Roster, weight: number): boolean {
  const isGrowing = roster.holders.some(({ wants }) => wants !== undefined);
  // Also beside those who came in the same write and are about to be admitted.
  return !isGrowing && heldWeight(roster) + weightOf(roster.waiters) + weight <= roster.capacity;
}

/** Where an entrant stands. */
export type Standing =
  | { readonly place: "holder"; readonly holder: Holder }
  /** It holds, and waits for more. */
  | { readonly place: "growing"; readonly holder: Holder }
  | { readonly place: "waiter"; readonly position: number }
  | { readonly place: "absent" };

/** Looks an entrant up. */
export function standing(roster: Roster, id: EntrantId): Standing {
  const holder = roster.holders.find((entrant) => isSame(entrant, id));
  if (holder !== undefined) return { place: holder.wants === undefined ? "holder" : "growing", holder };
  const position = roster.waiters.findIndex((entrant) => isSame(entrant, id));
  return position < 0 ? { place: "absent" } : { place: "waiter", position };
}

/**
 * Whose death would move a waiter forward: the waiter before it, or the holders for the first one, and for one of
 * them that waits for more. Each watches one place, so that the cost of watching is the same for everybody.
 */
export function predecessors(roster: Roster, position: number, self?: EntrantId): readonly Entrant[] {
  const before = roster.waiters[position - 1];
  if (before !== undefined) return [before];
  return self === undefined ? roster.holders : roster.holders.filter((holder) => !isSame(holder, self));
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
  return weightOf(roster.holders);
}

function weightOf(entrants: readonly Entrant[]): number {
  return entrants.reduce((sum, { weight }) => sum + weight, 0);
}

function isSame(left: EntrantId, right: EntrantId): boolean {
  return left.ticket === right.ticket && left.session === right.session;
}
