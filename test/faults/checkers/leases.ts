import type { Finding, History, WorkerEvent } from "../history.ts";

/** Two readings of the clock around one request lie a little apart. */
const toleranceTtls = 0.05;

/** No lease is lost before a TTL has passed since the last heartbeat that was confirmed: nobody is declared dead early. */
export function checkLeases({ workers, ttlMs }: History): Finding {
  let examined = 0;
  const violations: string[] = [];
  for (const { worker, events } of workers) {
    const lease = new Lease(ttlMs);
    for (const event of events) {
      lease.note(event);
      if (event.event !== "lost") continue;
      examined += 1;
      const silentMs = event.at - lease.renewedAt;
      if (silentMs >= ttlMs * (1 - toleranceTtls)) continue;
      violations.push(
        `${worker} lost its lease at ${event.at.toFixed(1)}, only ${silentMs.toFixed(1)} ms after it had sent a ` +
          `heartbeat that was confirmed; the TTL is ${ttlMs} ms`,
      );
    }
  }
  return { examined, violations };
}

/** Follows the lease of one worker through its log. */
export class Lease {
  /** When the last heartbeat was sent that was confirmed in time; minus infinity where the session has none. */
  renewedAt = Number.NEGATIVE_INFINITY;
  readonly #ttlMs: number;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** Takes in what comes next. An answer that comes when the lease is over, or about to be, confirms nothing any more. */
  note(event: WorkerEvent): void {
    if (event.event === "session") this.renewedAt = Number.NEGATIVE_INFINITY;
    if (event.event !== "renewed") return;
    const since = Number.isFinite(this.renewedAt) ? this.renewedAt : event.sentAt;
    if (event.at > since + this.#ttlMs * (1 - toleranceTtls)) return;
    this.renewedAt = Math.max(this.renewedAt, event.sentAt);
  }
}
