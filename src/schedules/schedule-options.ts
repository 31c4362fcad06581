import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";

/** Options of `coordinator.schedule`. */
export interface ScheduleOptions {
  /**
   * How long a run that takes too long is let alone: then its `signal` aborts and the slot is given back, whether the
   * work obeys or not. Default: as long as its process lives.
   */
  readonly atMost?: Duration;
  /**
   * How long the schedule stays closed to other slots from the beginning of a run, also after that has ended. For those
   * who have no slot times; never by comparing wall clocks, unless `clockDifference` says so. Default: 0.
   */
  readonly atLeast?: Duration;
  /**
   * How often a slot may be begun: 1 to 100. Default 1, at most once: a slot whose runner died is not run again. More, at
   * least once: a slot that was begun and not finished, because its runner died, its work threw, or `atMost` was over,
   * is begun again by whoever waits or comes.
   */
  readonly attempts?: number;
  /**
   * By how much the wall clocks of all machines differ at most, if you know. Only for `atLeast`: lets a process that has
   * just started, and has not seen the last run itself, go by its own wall clock. Default: clocks are not compared.
   */
  readonly clockDifference?: Duration;
  /** How long a slot stays taken by a runner that died, from 100 ms to 1 day. Default: the coordinator's. */
  readonly ttl?: Duration;
}

/** The options, as they are used. */
export interface ScheduleSettings {
  readonly ttlMs: number;
  readonly atMostMs: number | undefined;
  readonly atLeastMs: number;
  readonly attemptsMax: number;
  readonly clockDifferenceMs: number | undefined;
}

const attemptsMax = 100;

/** @throws InvalidArgumentError for options that nobody knows, or out of range. */
export function readScheduleOptions(host: RosterHost, options: ScheduleOptions): ScheduleSettings {
  checkOptions("schedule", options, ["atMost", "atLeast", "attempts", "clockDifference", "ttl"]);
  const { atMost, atLeast = 0, attempts = 1, clockDifference, ttl } = options;
  if (!Number.isSafeInteger(attempts) || attempts < 1 || attempts > attemptsMax) {
    throw new InvalidArgumentError(
      `attempts must be a whole number from 1 to ${attemptsMax}; got ${describe(attempts)}`,
    );
  }
  return {
    ttlMs: ttl === undefined ? host.ttlMs : parseTtl(ttl),
    atMostMs: atMost === undefined ? undefined : parseDuration("atMost", atMost, { minMs: 1 }),
    atLeastMs: parseDuration("atLeast", atLeast),
    attemptsMax: attempts,
    clockDifferenceMs:
      clockDifference === undefined ? undefined : parseDuration("clockDifference", clockDifference),
  };
}
