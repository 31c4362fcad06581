import type { Finding, History } from "../history.ts";

/** What any fault may lead to: these say that it failed for now, or whose fault it is. */
export const passingCodes = [
  "UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "ACQUIRE_TIMEOUT",
  "ABORTED",
  "LEASE_LOST",
  "HELD",
] as const;

/** Every failure has a code that the fault can be the reason of, and nothing else was ever thrown. */
export function checkErrors({ workers }: History, furtherCodes: readonly string[]): Finding {
  const allowed = new Set<string>([...passingCodes, ...furtherCodes]);
  const violations = new Map<string, number>();
  let examined = 0;
  for (const { worker, events } of workers) {
    for (const event of events) {
      if ("code" in event) examined += 1;
      const said =
        event.event === "unexpected"
          ? `threw what is no error of leasehold's: ${event.message}`
          : "code" in event && !allowed.has(event.code)
            ? `met ${event.code} (${"doing" in event ? event.doing : event.event})`
            : undefined;
      if (said !== undefined)
        violations.set(`${worker} ${said}`, (violations.get(`${worker} ${said}`) ?? 0) + 1);
    }
  }
  return { examined, violations: [...violations].map(([said, times]) => `${said}, ${times} times`) };
}
