import { admit, type Entrant, evict, join, leave, type Roster } from "../../src/roster/roster.ts";
import { LeaseWorld, type LeaseWorldOptions } from "./lease-world.ts";
import { RosterWorld, type RosterWorldOptions } from "./roster-world.ts";
import type { Conduct, LeaseRules, RosterRules } from "./rules.ts";
import type { World } from "./search.ts";

/** A planted bug, and a world that is large enough to show it. */
export interface Mutant {
  readonly title: string;
  /** The rule that it breaks first. */
  readonly breaks: string;
  readonly world: () => World;
}

const noFaults = { crashes: 0, expiries: 0, lostReplies: 0, staleReads: 0, cancels: 0 };
const waiter = { asks: "wait", weight: 1, wallMs: 0 } as const;
const heavy = { asks: "wait", weight: 2, wallMs: 0 } as const;
const trier = { asks: "try", weight: 1, wallMs: 0 } as const;
const three: RosterWorldOptions = {
  ...{ capacity: 1, acquires: 2, clients: [waiter, waiter, waiter], faults: noFaults, doConflictsTell: true },
};
const two: RosterWorldOptions = { ...three, clients: [waiter, waiter] };
const semaphore: RosterWorldOptions = { ...three, capacity: 2, clients: [waiter, waiter, heavy] };
const lease: LeaseWorldOptions = {
  ...{ holderTickMs: 10, observerTickMs: 15, observers: 1, doubtfulMax: 1, maySleep: false, mayLag: false },
};
const lagging: LeaseWorldOptions = { ...lease, mayLag: true };

function inRoster(
  title: string,
  breaks: string,
  options: RosterWorldOptions,
  rules: Partial<RosterRules>,
  conduct: Partial<Conduct> = {},
): Mutant {
  return { title, breaks, world: () => new RosterWorld(options, rules, conduct) };
}

function inConduct(
  title: string,
  breaks: string,
  options: RosterWorldOptions,
  conduct: Partial<Conduct>,
): Mutant {
  return { title, breaks, world: () => new RosterWorld(options, {}, conduct) };
}

function inLease(
  title: string,
  breaks: string,
  options: LeaseWorldOptions,
  rules: Partial<LeaseRules>,
): Mutant {
  return { title, breaks, world: () => new LeaseWorld(options, rules) };
}

function withFaults(options: RosterWorldOptions, faults: Partial<typeof noFaults>): RosterWorldOptions {
  return { ...options, faults: { ...noFaults, ...faults } };
}

/** Bugs of the roster's own functions. */
export const rosterMutants: readonly Mutant[] = [
  inRoster("admit passes a waiter that does not fit over", "first come, first served", semaphore, {
    admit: (roster, wallMs) => {
      const held = roster.holders.reduce((sum, { weight }) => sum + weight, 0);
      const fits = ({ weight }: Entrant): boolean => weight <= roster.capacity - held;
      const [first] = roster.waiters.filter(fits);
      if (first === undefined) return roster;
      const waiters = [first, ...roster.waiters.filter((entrant) => entrant !== first)];
      return admit({ ...roster, waiters }, wallMs);
    },
  }),
  inRoster("admit gives everybody the same fence", "fences are unique and rise", two, {
    admit: (roster, wallMs) => {
      const admitted = admit(roster, wallMs);
      const holders = admitted.holders.map((holder) => ({ ...holder, fence: 1 }));
      return { ...admitted, fence: 1, holders };
    },
  }),
  inRoster("admit forgets the capacity that holders take", "the capacity is never exceeded", two, {
    admit: (roster, wallMs) => {
      const { holders, ...rest } = admit({ ...roster, holders: [] }, wallMs);
      return { ...rest, holders: [...roster.holders, ...holders] };
    },
  }),
  inRoster("admit waits for a next time", "nobody waits for what is free", two, {
    admit: (roster, wallMs) => (roster.waiters.length > 1 ? roster : admit(roster, wallMs)),
  }),
  inRoster("join puts an entrant at the front", "first come, first served", three, {
    join: (roster, entrant) => {
      const joined = join(roster, entrant);
      const others = joined.waiters.filter((it) => it !== entrant);
      return joined === roster ? roster : { ...joined, waiters: [entrant, ...others] };
    },
  }),
  inRoster(
    "join again stands twice, and nobody looks first",
    "nobody stands twice",
    withFaults(two, { lostReplies: 1 }),
    { join: (roster, entrant) => ({ ...roster, waiters: [...roster.waiters, entrant] }) },
    { joinLooksFirst: false },
  ),
  inRoster(
    "join looks only among the waiters, and nobody looks first",
    "nobody stands twice",
    withFaults(two, { lostReplies: 1 }),
    {
      join: (roster, entrant) => ({ ...roster, waiters: join({ ...roster, holders: [] }, entrant).waiters }),
    },
    { joinLooksFirst: false },
  ),
  inRoster(
    "leave takes out all of a session",
    "no live session's entrant is taken out",
    { ...two, capacity: 2 },
    {
      leave: (roster, { session }) => evict(roster, session),
    },
  ),
  inRoster("leave compares tickets and no sessions", "no live session's entrant is taken out", two, {
    leave: (roster, { ticket }) => ({
      ...roster,
      holders: roster.holders.filter((holder) => holder.ticket !== ticket),
      waiters: roster.waiters.filter((entrant) => entrant.ticket !== ticket),
    }),
  }),
  inRoster("leave takes the next in line out too", "no live session's entrant is taken out", two, {
    leave: (roster, id) => {
      const left = leave(roster, id);
      return left.holders.length < roster.holders.length ? { ...left, waiters: left.waiters.slice(1) } : left;
    },
  }),
  inRoster("leave does not find a holder", "nothing is left behind", two, {
    leave: (roster, id) => ({ ...leave(roster, id), holders: roster.holders }),
  }),
  inRoster(
    "evict takes the next entrant out too",
    "no live session's entrant is taken out",
    withFaults(three, { crashes: 1 }),
    {
      evict: (roster, session) => evictMore(roster, session),
    },
  ),
  inRoster(
    "evict leaves waiters where they are",
    "nobody starves",
    withFaults({ ...three, acquires: 1 }, { crashes: 2 }),
    {
      evict: (roster, session) => ({ ...evict(roster, session), waiters: roster.waiters }),
    },
  ),
  inRoster(
    "predecessors never names a holder",
    "nobody is stuck",
    withFaults({ ...two, acquires: 1 }, { crashes: 1 }),
    { predecessors: ({ waiters }, position) => waiters.slice(0, position).slice(-1) },
  ),
  inRoster(
    "hasRoom does not see who waits",
    "a try never stands in line",
    { ...three, capacity: 2, clients: [waiter, heavy, trier] },
    {
      hasRoom: ({ capacity, holders }, weight) =>
        holders.reduce((sum, holder) => sum + holder.weight, weight) <= capacity,
    },
  ),
];

function evictMore(roster: Roster, session: string): Roster {
  const index = roster.waiters.findIndex((entrant) => entrant.session !== session);
  const evicted = evict(roster, session);
  if (evicted === roster || index < 0) return evicted;
  return leave(evicted, roster.waiters[index] as Entrant);
}

/** Bugs of those who use them. */
export const conductMutants: readonly Mutant[] = [
  inConduct(
    "a tombstone has no condition",
    "no live session is declared dead",
    withFaults(two, { staleReads: 1 }),
    {
      tombstoneHasCondition: false,
    },
  ),
  inConduct(
    "an entrant is evicted whose tombstone was refused",
    "no live session's entrant is taken out",
    withFaults(two, { staleReads: 1 }),
    {
      evictsAfterTombstone: false,
    },
  ),
  inConduct("an observer does not wait for the deadline", "no live session is declared dead", two, {
    waitsForDeadline: false,
  }),
  inConduct(
    "a holder goes on after its deadline",
    "no live session is declared dead",
    withFaults(two, { expiries: 1 }),
    {
      stopsAtDeadline: false,
    },
  ),
  inConduct("a lost session is used again", "nothing is left behind", withFaults(two, { expiries: 1 }), {
    opensNewSession: false,
  }),
  inConduct(
    "who gives up leaves his entry where it may stand",
    "nothing is left behind",
    withFaults(two, { cancels: 1 }),
    {
      takesOutAbandoned: false,
    },
  ),
  inConduct(
    "a leave that finds nothing does not write",
    "nothing is left behind",
    withFaults(two, { lostReplies: 1, cancels: 1 }),
    {
      leaveAlwaysWrites: false,
    },
  ),
  inConduct(
    "a grant goes to a caller who has gone",
    "nothing is left behind",
    withFaults(two, { cancels: 1 }),
    {
      asksBeforeDelivery: false,
    },
  ),
  inConduct(
    "a takeover is not written",
    "who believes to hold stands as a holder",
    withFaults(two, { crashes: 1 }),
    {
      takeoverIsWritten: false,
    },
  ),
  inConduct(
    "a release that failed is not repeated",
    "nothing is left behind",
    withFaults(two, { lostReplies: 1 }),
    {
      releaseIsRepeated: false,
    },
  ),
];

/** Bugs of the arithmetic of leases. */
export const leaseMutants: readonly Mutant[] = [
  inLease("an observer allows for no drift of clocks", "no live session is declared dead", lease, {
    untilDeathMs: ({ ttlMs, standstillMs }) => Math.max(0, ttlMs - standstillMs),
  }),
  inLease("an observer counts on although the heartbeat changed", "no live session is declared dead", lease, {
    observe: (previous, { version, beat, ttlMs, sentAtMs, readAtMs }) => {
      const standstillMs = previous === undefined ? 0 : previous.standstillMs + sentAtMs - previous.readAtMs;
      return { version, beat, ttlMs, standstillMs, readAtMs };
    },
  }),
  inLease("a lease counts from the answer to the heartbeat", "no live session is declared dead", lease, {
    countsFromSending: false,
  }),
  inLease("a heartbeat has no condition", "a dead session stays dead", lease, {
    heartbeatHasCondition: false,
  }),
  inLease("a tombstone of the lease has no condition", "no live session is declared dead", lagging, {
    tombstoneHasCondition: false,
  }),
  inLease(
    "a machine that sleeps does not age",
    "no live session is declared dead",
    { ...lease, maySleep: true },
    {
      elapsedMs: (since, monotonicMs) => monotonicMs - since.monotonicMs,
    },
  ),
  inLease("an observer is never sure", "nobody starves", lease, { untilDeathMs: () => 1 }),
];
