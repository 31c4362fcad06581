import { checkCounting } from "./checkers/counting.ts";
import { checkEndings } from "./checkers/endings.ts";
import { checkEntries, checkFading, checkUpdateTimes } from "./checkers/entries.ts";
import { checkErrors } from "./checkers/errors.ts";
import { checkExclusion } from "./checkers/exclusion.ts";
import { checkFences } from "./checkers/fences.ts";
import { checkFirstCome } from "./checkers/first-come.ts";
import { checkLeases } from "./checkers/leases.ts";
import { checkAdmitting, checkNeverOver } from "./checkers/limits.ts";
import { checkLostStore } from "./checkers/lost-store.ts";
import { checkGaps, checkSteps, checkUnique } from "./checkers/numbers.ts";
import { checkMoves, checkSpread } from "./checkers/partitions.ts";
import { checkOneResult, checkRepeats } from "./checkers/payments.ts";
import { checkRecovery, recoveryTimes } from "./checkers/recovery.ts";
import { checkResource } from "./checkers/resource.ts";
import { checkPermits, checkReaders, checkUpgrades } from "./checkers/sharing.ts";
import { checkClosed, checkGoingOn, checkSlots } from "./checkers/slots.ts";
import { checkGuards, checkOneOrder, checkTotals, checkTransfers } from "./checkers/transfers.ts";
import { type Evidence, evidenceIn, vacuityOf } from "./checkers/vacuity.ts";
import type { Fault } from "./faults/fault.ts";
import type { Checker, History } from "./history.ts";
import type { WorkloadName } from "./worker-settings.ts";

/** What is said of one history. */
export interface Verdict {
  readonly evidence: Evidence;
  /** The longest that any worker took to get on after a fault. */
  readonly recoveryMs: number;
  readonly violations: readonly string[];
  /** Why it proves nothing; empty when it does. */
  readonly vacuous: readonly string[];
}

/** Fewer operations a second than this before the fault, and it hit nobody at work. */
export const operationsPerSecondMin = 5;
/** Besides two leases: until the work goes round once. */
const recoveryMs = 2_000;

const checkersOf: Readonly<Record<WorkloadName, Readonly<Record<string, Checker>>>> = {
  fenced: { exclusion: checkExclusion, fences: checkFences, resource: checkResource },
  waiting: { exclusion: checkExclusion, fences: checkFences, "first come": checkFirstCome },
  counting: { counting: checkCounting },
  permits: { permits: checkPermits, fences: checkFences },
  readers: {
    readers: checkReaders,
    fences: checkFences,
    upgrades: checkUpgrades,
    resource: checkResource,
  },
  leading: { exclusion: checkExclusion, fences: checkFences, resource: checkResource },
  partitions: {
    exclusion: checkExclusion,
    fences: checkFences,
    resource: checkResource,
    moves: checkMoves,
    spread: checkSpread,
  },
  slots: {
    slots: checkSlots,
    closed: checkClosed,
    exclusion: checkExclusion,
    fences: checkFences,
    resource: checkResource,
    "going on": checkGoingOn,
  },
  limits: { "never over": checkNeverOver, "going on": checkAdmitting },
  numbers: { counting: checkCounting, steps: checkSteps, unique: checkUnique, gaps: checkGaps },
  entries: { entries: checkEntries, "update times": checkUpdateTimes, fading: checkFading },
  transfers: {
    transfers: checkTransfers,
    totals: checkTotals,
    "one order": checkOneOrder,
    guards: checkGuards,
  },
  payments: {
    "one result": checkOneResult,
    repeats: checkRepeats,
    exclusion: checkExclusion,
    fences: checkFences,
    resource: checkResource,
  },
};

/** How long a worker may take to get on after a fault. */
export function recoveryLimitMs(fault: Fault, ttlMs: number): number {
  return 2 * ttlMs + recoveryMs + (fault.reconnectMs ?? 0);
}

/** Judges what one case left behind. */
export function judge(history: History, workload: WorkloadName, fault: Fault): Verdict {
  const isLost = fault.ends === "lost";
  const limitMs = recoveryLimitMs(fault, history.ttlMs);
  const violations: string[] = [];
  const vacuous: string[] = [];
  const add = (name: string, checker: Checker, mayBeEmpty: boolean): void => {
    const { examined, violations: found } = checker(history, limitMs);
    violations.push(...found.map((text) => `${name}: ${text}`));
    if (examined === 0 && !mayBeEmpty) vacuous.push(`${name}: there was nothing to check`);
  };
  for (const [name, checker] of Object.entries(checkersOf[workload])) {
    // A lock that a store forgot may be held twice until its holder hears of it: only the fence decides then.
    if (isLost && checker === checkExclusion) continue;
    // Nor does a lease last until the work has ended where a clock ends it before its time.
    if (fault.endsLeasesEarly === true && checker === checkMoves) continue;
    add(name, checker, false);
  }
  if (isLost) add("ending of a lost store", checkLostStore, false);
  // A store that was set back, and a clock that was set forward, end leases early and say so.
  if (!isLost && fault.endsLeasesEarly !== true) add("leases", checkLeases, true);
  add("endings", checkEndings, false);
  add("errors", (all) => checkErrors(all, fault.codes ?? []), true);
  if (!isLost) add("recovery", checkRecovery, false);
  const evidence = evidenceIn(history);
  vacuous.push(...vacuityOf(evidence, operationsPerSecondMin));
  const times = isLost ? [] : recoveryTimes(history).map(([, ms]) => ms);
  return { evidence, recoveryMs: Math.max(0, ...times), violations, vacuous };
}
