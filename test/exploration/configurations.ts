import type { ClientStyle } from "./client-moves.ts";
import { LeaseWorld, type LeaseWorldOptions } from "./lease-world.ts";
import type { Faults } from "./roster-board.ts";
import { RosterWorld, type RosterWorldOptions } from "./roster-world.ts";
import type { World } from "./search.ts";

/** A world with a name. */
export interface Configuration {
  readonly name: string;
  /** What is in it, in a few words. */
  readonly about: string;
  /** Whether it is small enough for every run of the tests. */
  readonly isQuick: boolean;
  readonly world: () => World;
}

const noFaults: Faults = { crashes: 0, expiries: 0, lostReplies: 0, staleReads: 0, cancels: 0 };
const everyFault: Faults = { crashes: 1, expiries: 1, lostReplies: 1, staleReads: 1, cancels: 1 };
const waiter: ClientStyle = { asks: "wait", weight: 1, wallMs: 0 };
const heavy: ClientStyle = { ...waiter, weight: 2 };
const trier: ClientStyle = { ...waiter, asks: "try" };

const reader: ClientStyle = waiter;
/** As in a read-write lock whose capacity is 5. */
const upgradeable: ClientStyle = {
  ...{ asks: "wait", weight: 3, wallMs: 0 },
  share: { from: 3, most: 5, below: { 5: 3, 3: 1 }, upgrades: 1, downgrades: 1 },
};
const upward: ClientStyle = {
  ...upgradeable,
  share: { from: 3, most: 5, below: {}, upgrades: 1, downgrades: 0 },
};
const plainWriter: ClientStyle = { ...waiter, weight: 5 };
const writer: ClientStyle = {
  ...plainWriter,
  share: { below: { 5: 1 }, upgrades: 0, downgrades: 1 },
};
const persistent: ClientStyle = {
  ...upgradeable,
  share: { from: 3, most: 5, below: { 5: 3 }, upgrades: 2, downgrades: 1 },
};

function clients(...styles: readonly ClientStyle[]): Pick<RosterWorldOptions, "clients"> {
  return { clients: styles };
}

const mutex: RosterWorldOptions = {
  ...{ capacity: 1, acquires: 3, faults: noFaults, doConflictsTell: true },
  ...clients(waiter, waiter, waiter),
};
const pair = clients(waiter, waiter);
const semaphore = { capacity: 2, ...clients(waiter, waiter, heavy) };
const tries = clients(waiter, waiter, trier);

function faults(some: Partial<Faults>): Pick<RosterWorldOptions, "faults"> {
  return { faults: { ...noFaults, ...some } };
}

function roster(name: string, about: string, options: Partial<RosterWorldOptions>): Configuration {
  return { name, about, isQuick: false, world: () => new RosterWorld({ ...mutex, ...options }) };
}

function lease(name: string, about: string, options: Partial<LeaseWorldOptions>): Configuration {
  const one: LeaseWorldOptions = {
    ...{ holderTickMs: 10, observerTickMs: 15, observers: 1, doubtfulMax: 1 },
    ...{ maySleep: false, mayLag: false },
  };
  return { name, about, isQuick: false, world: () => new LeaseWorld({ ...one, ...options }) };
}

function quick(configuration: Configuration): Configuration {
  return { ...configuration, isQuick: true };
}

const readWrite: Partial<RosterWorldOptions> = {
  ...{ capacity: 5, acquires: 1 },
  ...clients(reader, upgradeable, writer),
};
const faultKinds = ["crashes", "expiries", "lostReplies", "staleReads", "cancels"] as const;

const wordsOf = {
  crashes: "crash",
  expiries: "expiry",
  lostReplies: "lost-reply",
  staleReads: "stale-read",
  cancels: "cancel",
} as const;

/** Each kind of fault alone, and each two of them, where a reader, an upgradeable reader and a writer meet. */
const readWriteFaults: readonly Configuration[] = faultKinds.flatMap((first, index) =>
  faultKinds.slice(index).map((second) => {
    const kinds = [...new Set([first, second])].map((kind) => wordsOf[kind]);
    return roster(`read-write-${kinds.join("-")}`, `an upgrade among them, ${kinds.join(" and ")}`, {
      ...readWrite,
      // Two kinds of fault leave the writer nothing to do but to write, and the most costly ones nobody a way down.
      ...(kinds.length > 1 && clients(reader, kinds.includes("expiry") ? upward : upgradeable, plainWriter)),
      ...faults({ [first]: 1, [second]: 1 }),
    });
  }),
);

const nobodyWaits = { expiries: 1, lostReplies: 1, cancels: 1, crashes: 1 };

/** Every world that is explored; each is complete. "3x2": three clients, two acquires each. */
export const configurations: readonly Configuration[] = [
  quick(roster("mutex-3x3", "3x3, no faults", {})),
  quick(roster("mutex-3x3-crash", "3x3, a crash", faults({ crashes: 1 }))),
  quick(roster("mutex-3x3-cancel", "3x3, a cancel", faults({ cancels: 1 }))),
  roster("mutex-3x3-lost-reply", "3x3, a lost reply", faults({ lostReplies: 1 })),
  roster("mutex-3x3-expiry", "3x3, an expiry", faults({ expiries: 1 })),
  roster("mutex-3x3-stale-read", "3x3, a stale replica", faults({ staleReads: 1 })),
  roster(
    "mutex-3x3-crash-lost-reply",
    "3x3, a crash and a lost reply",
    faults({ crashes: 1, lostReplies: 1 }),
  ),
  roster("mutex-3x3-crash-cancel", "3x3, a crash and a cancel", faults({ crashes: 1, cancels: 1 })),
  roster("mutex-3x3-crash-expiry", "3x3, a crash and an expiry", faults({ crashes: 1, expiries: 1 })),
  roster(
    "mutex-3x3-lost-reply-cancel",
    "3x3, a lost reply and a cancel",
    faults({ lostReplies: 1, cancels: 1 }),
  ),
  roster("mutex-3x3-mute-conflicts", "3x3, a stale replica, conflicts tell nothing", {
    ...faults({ staleReads: 1 }),
    doConflictsTell: false,
  }),
  roster("mutex-3x1-all", "3x1, every fault once", { acquires: 1, faults: everyFault }),
  roster("mutex-2x2-all", "2x2, every fault once", { ...pair, acquires: 2, faults: everyFault }),
  quick(roster("mutex-2x1-all", "2x1, every fault once", { ...pair, acquires: 1, faults: everyFault })),
  roster("mutex-2x1-many", "2x1, two expiries, two lost replies, a crash, a cancel", {
    ...{ ...pair, acquires: 1 },
    ...faults({ crashes: 1, expiries: 2, lostReplies: 2, cancels: 1 }),
  }),
  roster("mutex-2x3-late", "2x3, three lost replies", { ...pair, ...faults({ lostReplies: 3 }) }),
  quick(
    roster("mutex-4x1-crashes", "4x1, three crashes", {
      ...{ ...clients(waiter, waiter, waiter, waiter), acquires: 1 },
      ...faults({ crashes: 3 }),
    }),
  ),
  roster("mutex-5x1-crashes", "5x1, four crashes", {
    ...{ ...clients(waiter, waiter, waiter, waiter, waiter), acquires: 1 },
    ...faults({ crashes: 4 }),
  }),
  quick(
    roster("mutex-3x2-clocks", "3x2, wall clocks that disagree give the fences, a crash", {
      ...{ ...clients(waiter, { ...waiter, wallMs: 0.004 }, { ...waiter, wallMs: 0.002 }), acquires: 2 },
      ...faults({ crashes: 1 }),
    }),
  ),
  quick(
    roster("semaphore-3x2", "3x2, capacity 2, weights 1, 1, 2, a crash", {
      ...{ ...semaphore, acquires: 2 },
      ...faults({ crashes: 1 }),
    }),
  ),
  roster("semaphore-3x3", "3x3, capacity 2, weights 1, 1, 2", semaphore),
  roster("semaphore-3x1", "3x1, capacity 2, a crash, an expiry, a lost reply", {
    ...{ ...semaphore, acquires: 1 },
    ...faults({ crashes: 1, expiries: 1, lostReplies: 1 }),
  }),
  quick(
    roster("try-3x2", "3x2, one only tries, a lost reply", {
      ...tries,
      acquires: 2,
      ...faults({ lostReplies: 1 }),
    }),
  ),
  roster("try-3x1", "3x1, one only tries, all faults but stale reads", {
    ...{ ...tries, acquires: 1 },
    ...faults(nobodyWaits),
  }),
  quick(roster("read-write", "a reader, an upgradeable reader, a writer; no faults", readWrite)),
  ...readWriteFaults,
  roster(
    "read-write-again",
    "a reader and one that upgrades twice, gives up, with a lost reply, a stale replica",
    {
      ...{ ...readWrite, ...clients(reader, persistent) },
      ...faults({ lostReplies: 1, staleReads: 1, cancels: 1 }),
    },
  ),
  quick(lease("lease-drift", "clocks at the largest drift, late and lost heartbeats", {})),
  lease("lease-two-beats", "two heartbeats on their way at once", { doubtfulMax: 2 }),
  quick(lease("lease-sleep", "the holder's machine sleeps", { maySleep: true })),
  lease("lease-lag", "a replica answers the observer", { mayLag: true }),
];
