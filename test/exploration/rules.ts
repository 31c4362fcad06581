import {
  admit,
  ahead,
  evict,
  hasRoom,
  join,
  leave,
  predecessors,
  reweigh,
  standing,
} from "../../src/roster/roster.ts";
import { quickElapsedMs } from "../../src/sessions/lease-clock.ts";
import { observe, untilDeathMs } from "../../src/sessions/observation.ts";

/** The shipped functions. A mutant replaces one of them. */
export interface RosterRules {
  readonly admit: typeof admit;
  readonly ahead: typeof ahead;
  readonly evict: typeof evict;
  readonly hasRoom: typeof hasRoom;
  readonly join: typeof join;
  readonly leave: typeof leave;
  readonly predecessors: typeof predecessors;
  readonly reweigh: typeof reweigh;
  readonly standing: typeof standing;
}

export const shippedRosterRules: RosterRules = {
  admit,
  ahead,
  evict,
  hasRoom,
  join,
  leave,
  predecessors,
  reweigh,
  standing,
};

/** What the drivers around the roster do, as the model restates it. A mutant turns one of these off. */
export interface Conduct {
  /** A tombstone is written on the condition that the session is still what was observed. */
  readonly tombstoneHasCondition: boolean;
  /** A session is evicted only after its tombstone was written. */
  readonly evictsAfterTombstone: boolean;
  /** An observer waits until the holder must have given up by its own clock. */
  readonly waitsForDeadline: boolean;
  /** A holder gives up at its deadline by itself. */
  readonly stopsAtDeadline: boolean;
  /** Who lost a session opens another one. */
  readonly opensNewSession: boolean;
  /** Who gives up after an unknown outcome takes out what may stand there. */
  readonly takesOutAbandoned: boolean;
  /** A leave writes even where a read shows that there is nothing to take out. */
  readonly leaveAlwaysWrites: boolean;
  /** A grant goes only to a caller who still waits, with a session that still lives. */
  readonly asksBeforeDelivery: boolean;
  /** An evicting waiter holds only what the store answered. */
  readonly takeoverIsWritten: boolean;
  /** A join is not written where a read shows that it stands there already. */
  readonly joinLooksFirst: boolean;
  /** A release is tried again after a failure. */
  readonly releaseIsRepeated: boolean;
  /** Only a fence above the one before tells that a holder has grown: not that a roster shows it without a wish. */
  readonly asksForLargerFence: boolean;
  /** Above the one that its own write led to: an upgrade that was given up may have been granted on the way. */
  readonly countsFromOwnWrite: boolean;
  /** Who gives an upgrade up takes the wish back, and what may have been granted on the way. */
  readonly undoesUpgrades: boolean;
  /** Also after a failure. */
  readonly undoIsRepeated: boolean;
  /** It is never written after a later wish of the same holder. */
  readonly undoKeepsItsPlace: boolean;
  /** A mistake: who upgrades after a downgrade that failed takes it for not applied. */
  readonly trustsFailedDowngrade: boolean;
}

export const shippedConduct: Conduct = {
  tombstoneHasCondition: true,
  evictsAfterTombstone: true,
  waitsForDeadline: true,
  stopsAtDeadline: true,
  opensNewSession: true,
  takesOutAbandoned: true,
  leaveAlwaysWrites: true,
  asksBeforeDelivery: true,
  takeoverIsWritten: true,
  joinLooksFirst: true,
  releaseIsRepeated: true,
  asksForLargerFence: true,
  countsFromOwnWrite: true,
  undoesUpgrades: true,
  undoIsRepeated: true,
  undoKeepsItsPlace: true,
  trustsFailedDowngrade: false,
};

/** The shipped arithmetic of leases, and what holder and observer do with it. */
export interface LeaseRules {
  readonly observe: typeof observe;
  readonly untilDeathMs: typeof untilDeathMs;
  readonly elapsedMs: typeof quickElapsedMs;
  /** The holder's deadline counts from the sending of a heartbeat, not from its answer. */
  readonly countsFromSending: boolean;
  /** A heartbeat is written on the condition that the record is the one it renews. */
  readonly heartbeatHasCondition: boolean;
  /** A tombstone is written on the condition that the record is the one that stood still. */
  readonly tombstoneHasCondition: boolean;
}

export const shippedLeaseRules: LeaseRules = {
  observe,
  untilDeathMs,
  elapsedMs: quickElapsedMs,
  countsFromSending: true,
  heartbeatHasCondition: true,
  tombstoneHasCondition: true,
};
