import { type History, isProgress, type Round, type WorkerEvent, type WorkerLog } from "../history.ts";

/** How long before the first fault operations are counted. */
const beforeMs = 1_500;

/** Who does less than this happens to do nothing for a while. */
const comparablePerSecond = 4;

/** Workers rest for less than this between two things. */
const stillMs = 200;

/** A request that went out during a fault may be given up only after it. */
const givenUpMs = 2_500;

/** What shows that a history could have shown something. */
export interface Evidence {
  /** Times anybody got something done. */
  readonly operations: number;
  readonly operationsPerSecondBefore: number;
  readonly faults: number;
  /** Faults that hit something, or that somebody felt: a request failed, a lease was lost, a worker died, stood still,
   * or slowed to half, a clock jumped. */
  readonly felt: number;
  /** Requests of which nobody could say whether they had been applied. */
  readonly unknownOutcomes: number;
  readonly leasesLost: number;
}

/** Counts what happened in a history. */
export function evidenceIn(history: History): Evidence {
  const { workers, rounds, startedAt } = history;
  const events = workers.flatMap((log) => log.events);
  const progress = events.filter(isProgress).map(({ at }) => at);
  const firstFaultAt = rounds[0]?.faultAt ?? Number.POSITIVE_INFINITY;
  const since = Math.max(startedAt, firstFaultAt - beforeMs);
  const before = progress.filter((at) => at >= since && at < firstFaultAt).length;
  const perSecond = before === 0 ? 0 : (1_000 * before) / (firstFaultAt - since);
  const wasFelt = (round: Round): boolean =>
    round.struck === true ||
    workers.some(({ killedAt }) => killedAt !== undefined && isWithin(round, killedAt)) ||
    events.some(
      (event) => isWithin({ ...round, healedAt: round.healedAt + givenUpMs }, event.at) && isTrouble(event),
    ) ||
    workers.some((log) => stoodStill(round, log) || slowedDown(round, log) || openedAnew(round, log));
  return {
    operations: progress.length,
    operationsPerSecondBefore: perSecond,
    faults: rounds.length,
    felt: rounds.filter(wasFelt).length,
    unknownOutcomes: events.filter((event) => "code" in event && event.code === "OUTCOME_UNKNOWN").length,
    leasesLost: events.filter(({ event }) => event === "lost").length,
  };
}

function isWithin({ faultAt, healedAt }: Round, at: number): boolean {
  return at >= faultAt && at <= healedAt;
}

function isTrouble({ event }: WorkerEvent): boolean {
  return ["store-failed", "add-failed", "lost", "clock-jumped"].includes(event);
}

/** It was at work, and then did nothing at all for nearly as long as the fault lasted. */
function stoodStill({ faultAt, healedAt }: Round, { events }: WorkerLog): boolean {
  const lengthMs = healedAt - faultAt;
  const wasAtWork = events.some(({ at }) => at < faultAt) && events.some(({ at }) => at > healedAt);
  const during = events.filter(({ at }) => at > faultAt + lengthMs / 4 && at < healedAt - lengthMs / 4);
  return wasAtWork && lengthMs > stillMs && during.length === 0;
}

/** It had to open another session: the one before was lost. */
function openedAnew(round: Round, { events }: WorkerLog): boolean {
  return events
    .filter(({ event }) => event === "session")
    .some(({ at }, index) => index > 0 && isWithin(round, at));
}

/** It got less than half as much done a second as before. */
function slowedDown({ faultAt, healedAt }: Round, { events }: WorkerLog): boolean {
  const progress = events.filter(isProgress);
  const perMs = (from: number, to: number): number =>
    progress.filter(({ at }) => at >= from && at <= to).length / (to - from);
  const before = perMs(faultAt - beforeMs, faultAt);
  return before * 1_000 >= comparablePerSecond && perMs(faultAt, healedAt) < before / 2;
}

/** Why a history proves nothing; empty when it does prove something. */
export function vacuityOf(evidence: Evidence, operationsPerSecondMin: number): readonly string[] {
  const { operationsPerSecondBefore: perSecond, faults, felt } = evidence;
  return [
    ...(perSecond < operationsPerSecondMin
      ? [
          `only ${perSecond.toFixed(1)} operations a second before the fault, at least ${operationsPerSecondMin} count`,
        ]
      : []),
    ...(faults === 0 ? ["no fault was made"] : []),
    ...(faults > 0 && felt === 0 ? ["nobody felt any of the faults"] : []),
  ];
}
