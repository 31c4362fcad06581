import { type Duration, parseDuration } from "../core/durations.ts";

const ttlRange = { minMs: 100, maxMs: 86_400_000 };

/**
 * The TTL of a lease in milliseconds.
 *
 * @throws InvalidArgumentError for anything but a duration from 100 ms to 1 day.
 */
export function parseTtl(ttl: Duration): number {
  return parseDuration("ttl", ttl, ttlRange);
}
