import type { Version } from "../core/backend.ts";

/** What an observer saw of somebody else's session, on its own monotonic clock. No clocks are compared. */
export interface Observation {
  /** The newest version that stands there; `null`: no record. */
  readonly version: Version | null;
  /** The number of the heartbeat that stands there; `null`: no record. */
  readonly beat: number | null;
  /** The TTL of that session: the one in its record counts, not the observer's. */
  readonly ttlMs: number;
  /** How long the same heartbeat has been seen to stand still. */
  readonly standstillMs: number;
  readonly readAtMs: number;
}

/** One successful read of somebody else's session. */
export interface Reading {
  readonly version: Version | null;
  readonly beat: number | null;
  readonly ttlMs: number;
  /** Before the read was sent, on the observer's monotonic clock. */
  readonly sentAtMs: number;
  /** After its answer came. */
  readonly readAtMs: number;
}

/** Gaps between reads count up to this part of the TTL: an outage of the store must not condemn every session. */
const countedGapTtls = 0.5;

/**
 * Adds a reading. A new heartbeat starts again; a new version with the same one does not, or whoever leaves messages
 * for a dead session would keep it alive. The time between two readings counts from the answer of the one
 * to the sending of the next, so a slow read never makes a standstill longer than it was.
 */
export function observe(previous: Observation | undefined, reading: Reading): Observation {
  const { version, beat, ttlMs, readAtMs } = reading;
  if (previous === undefined || previous.beat !== beat || previous.ttlMs !== ttlMs) {
    return { version, beat, ttlMs, standstillMs: 0, readAtMs };
  }
  const gapMs = Math.max(0, reading.sentAtMs - previous.readAtMs);
  return {
    version,
    beat,
    ttlMs,
    standstillMs: previous.standstillMs + Math.min(gapMs, countedGapTtls * ttlMs),
    readAtMs,
  };
}

/**
 * How much longer the heartbeat must stand still until the session may be declared dead: its TTL plus the margin
 * for clocks that run at different rates. 0: now.
 */
export function untilDeathMs(observation: Observation, driftTolerance: number): number {
  return Math.max(0, observation.ttlMs * (1 + driftTolerance) - observation.standstillMs);
}
