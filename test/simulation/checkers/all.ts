import { latchesOpenAtTheirCount, nobodyPassesAlone, partiesLeaveTogether } from "./barriers.ts";
import type { Checker } from "./checker.ts";
import { addsCountOnce } from "./counting.ts";
import { handOversElectTheNamed, whoComesBackKeepsItsPlace } from "./elections.ts";
import {
  everybodyMakesProgress,
  nothingIsLeftBehind,
  nothingIsUncaught,
  releasesTellTheTruth,
} from "./endings.ts";
import { entriesCountOnce, entriesRise, transactionsAreWhole } from "./entries.ts";
import { holdersActInTurn, sectionsDoNotOverlap } from "./exclusion.ts";
import { fencesRise, grantsHaveFencesOfTheirOwn, resourceIsSafe } from "./fences.ts";
import { forcedReleasesTake, theTakenAreTold } from "./forced.ts";
import { limitsHold } from "./limits.ts";
import { countersAreLinearizable, locksAreLinearizable } from "./linearizability.ts";
import { numbersAreUniqueAndRise, numbersHaveNoGaps } from "./numbering.ts";
import {
  callersAreServedInOrder,
  firstComeFirstServed,
  othersAreLeftAlone,
  whoWaitsIsAnsweredInTime,
} from "./queue.ts";
import { runsEndInTime, schedulesStayClosed, slotsRunOnce } from "./schedules.ts";
import {
  lossIsToldInTime,
  nobodyIsBuriedAlive,
  noLeaseIsLostWithoutReason,
  theDeadStayDead,
} from "./sessions.ts";

/** Everything that is looked for in a history. */
export const checkers: readonly Checker[] = [
  fencesRise,
  grantsHaveFencesOfTheirOwn,
  resourceIsSafe,
  holdersActInTurn,
  sectionsDoNotOverlap,
  locksAreLinearizable,
  nobodyIsBuriedAlive,
  theDeadStayDead,
  lossIsToldInTime,
  noLeaseIsLostWithoutReason,
  firstComeFirstServed,
  callersAreServedInOrder,
  whoWaitsIsAnsweredInTime,
  othersAreLeftAlone,
  everybodyMakesProgress,
  nothingIsUncaught,
  releasesTellTheTruth,
  nothingIsLeftBehind,
  addsCountOnce,
  countersAreLinearizable,
  forcedReleasesTake,
  theTakenAreTold,
  handOversElectTheNamed,
  whoComesBackKeepsItsPlace,
  slotsRunOnce,
  schedulesStayClosed,
  runsEndInTime,
  nobodyPassesAlone,
  partiesLeaveTogether,
  latchesOpenAtTheirCount,
  limitsHold,
  numbersAreUniqueAndRise,
  numbersHaveNoGaps,
  entriesCountOnce,
  transactionsAreWhole,
  entriesRise,
];
