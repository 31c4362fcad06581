import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { parseTtl } from "../sessions/ttl.ts";

const watchdogMaxMs = 7 * 86_400_000;

/** The options of `connect` that decide about heartbeats. */
export interface HeartbeatOptions {
  readonly url?: unknown;
  readonly ttl?: Duration;
  readonly runtime?: unknown;
  readonly heartbeat?: unknown;
  readonly watchdog?: Duration;
}

/** What a heartbeat thread needs of the options. */
export interface HeartbeatThreadChoice {
  readonly url: string;
  readonly watchdogMs: number | undefined;
}

/**
 * Whether heartbeats get a thread of their own; `undefined`: no.
 *
 * @throws InvalidArgumentError for another word, a store or options that two threads cannot share, and a watchdog that
 *   is shorter than the TTL or watches over nothing.
 */
export function parseHeartbeat(options: HeartbeatOptions): HeartbeatThreadChoice | undefined {
  const { url, heartbeat = "event-loop", watchdog, ttl = "15s", runtime } = options;
  if (heartbeat !== "event-loop" && heartbeat !== "thread") {
    throw new InvalidArgumentError(`heartbeat must be "event-loop" or "thread"; got ${describe(heartbeat)}`);
  }
  if (heartbeat === "event-loop") {
    if (watchdog === undefined) return undefined;
    throw new InvalidArgumentError(
      'watchdog needs heartbeat: "thread": without a thread of its own a heartbeat stops with the event loop anyway',
    );
  }
  // What is no URL of a store is refused by whoever opens it.
  if (typeof url !== "string") return undefined;
  if (url.startsWith("memory:")) {
    throw new InvalidArgumentError(
      'heartbeat: "thread" needs a store that two threads can open: what memory: holds belongs to one thread. Use ' +
        "sqlite:, nats:, tls: or dynamodb:, or leave heartbeat out",
    );
  }
  if (runtime !== undefined) {
    throw new InvalidArgumentError(
      'heartbeat: "thread" cannot be used with a runtime of your own: its functions cannot be handed to another thread',
    );
  }
  const ttlMs = parseTtl(ttl);
  if (watchdog === undefined) return { url, watchdogMs: undefined };
  return { url, watchdogMs: parseDuration("watchdog", watchdog, { minMs: ttlMs, maxMs: watchdogMaxMs }) };
}
