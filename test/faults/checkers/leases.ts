import type { Finding, History } from "../history.ts";

/** Two readings of the clock around one request lie a little apart. */
const toleranceTtls = 0.05;

/** No lease is lost before a TTL has passed since the last heartbeat that was confirmed: nobody is declared dead early. */
export function checkLeases({ workers, ttlMs }: History): Finding {
  let examined = 0;
  const violations: string[] = [];
  for (const { worker, events } of workers) {
    let renewedAt = Number.NEGATIVE_INFINITY;
    for (const event of events) {
      if (event.event === "renewed") renewedAt = Math.max(renewedAt, event.sentAt);
      if (event.event !== "lost") continue;
      examined += 1;
      const silentMs = event.at - renewedAt;
      if (silentMs >= ttlMs * (1 - toleranceTtls)) continue;
      violations.push(
        `${worker} lost its lease at ${event.at.toFixed(1)}, only ${silentMs.toFixed(1)} ms after it had sent a ` +
          `heartbeat that was confirmed; the TTL is ${ttlMs} ms`,
      );
    }
  }
  return { examined, violations };
}
