import type { Checker } from "./checker.ts";
import { addsCountOnce } from "./counting.ts";
import {
  everybodyMakesProgress,
  nothingIsLeftBehind,
  nothingIsUncaught,
  releasesTellTheTruth,
} from "./endings.ts";
import { holdersActInTurn, sectionsDoNotOverlap } from "./exclusion.ts";
import { fencesRise, grantsHaveFencesOfTheirOwn, resourceIsSafe } from "./fences.ts";
import { countersAreLinearizable, locksAreLinearizable } from "./linearizability.ts";
import {
  callersAreServedInOrder,
  firstComeFirstServed,
  othersAreLeftAlone,
  whoWaitsIsAnsweredInTime,
} from "./queue.ts";
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
];
