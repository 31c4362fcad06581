import type { StoreTime } from "../../core/backend.ts";
import { UnsupportedError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { ApiAnswer, StreamClient } from "./stream-client.ts";

interface TimedAnswer extends ApiAnswer {
  /** When the server answered, as 2026-11-21T13:23:02.578524584Z. */
  readonly ts?: unknown;
}

/** The clock of the server that answers for the stream: of its leader, where there are replicas. */
export async function readTime(client: StreamClient, runtime: Runtime): Promise<StoreTime> {
  const sentMs = runtime.monotonicMs();
  // The only answer that carries the server's time, of those that every client may ask for.
  const { ts, error } = await client.ask<TimedAnswer>("STREAM.INFO", undefined);
  if (error !== undefined) throw client.unexpected("STREAM.INFO", error);
  const earliestMs = parseTimestamp(ts);
  if (Number.isNaN(earliestMs)) {
    throw new UnsupportedError(
      `this NATS server (${client.connection.info?.version ?? "of unknown version"}) does not tell its time; what counts ` +
        "on the store's clock, such as rate limits, needs 2.10 or newer",
    );
  }
  return { earliestMs, latestMs: earliestMs + runtime.monotonicMs() - sentMs };
}

/** Milliseconds since 1970 with their fraction, which `Date.parse` would cut off; NaN for what is no timestamp. */
function parseTimestamp(text: unknown): number {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(String(text));
  return match === null ? Number.NaN : Date.parse(`${match[1]}Z`) + 1_000 * Number(match[2] ?? 0);
}
