import type { Finding, History, WorkerLog } from "../history.ts";
import { Lease } from "./leases.ts";

/** Two readings of the clock around one request lie a little apart. */
const toleranceTtls = 0.05;

/** The work of a payment, from its beginning. */
interface Run {
  readonly log: WorkerLog;
  readonly call: number;
  readonly name: string;
  readonly fence: number;
  readonly beganAt: number;
  receipt?: string;
  hasThrown?: boolean;
  isLost?: boolean;
}

/** Everybody who got a result of a payment got the same one, and it is that of work that ran to its end. */
export function checkOneResult({ workers }: History): Finding {
  const made = new Set(workers.flatMap(runsIn).map(({ name, receipt }) => `${name} ${receipt}`));
  const paid = workers.flatMap(({ worker, events }) =>
    events.flatMap((event) => (event.event === "paid" ? [{ ...event, worker }] : [])),
  );
  let examined = 0;
  const violations: string[] = [];
  for (const [name, all] of Map.groupBy(paid, (one) => one.name)) {
    if (new Set(all.map(({ worker }) => worker)).size > 1) examined += 1;
    const receipts = [...new Set(all.map(({ receipt }) => receipt))];
    if (receipts.length > 1) violations.push(`${name} has several results: ${receipts.join(", ")}`);
    for (const receipt of receipts)
      if (!made.has(`${name} ${receipt}`)) violations.push(`nobody came to the result ${receipt} of ${name}`);
  }
  return { examined, violations };
}

/** Work begins again only where it threw before, its worker died, or its lease was over in between. */
export function checkRepeats({ workers, ttlMs }: History): Finding {
  const runs = workers.flatMap(runsIn);
  const violations: string[] = [];
  for (const [name, all] of Map.groupBy(runs, (run) => run.name)) {
    const byFence = all.toSorted((a, b) => a.fence - b.fence);
    for (const [index, next] of byFence.entries()) {
      const before = byFence[index - 1];
      if (before === undefined || isExcused(before, next, ttlMs)) continue;
      violations.push(
        `${next.log.worker} began ${name} (fence ${next.fence}) at ${next.beganAt.toFixed(1)}, and ${before.log.worker}, ` +
          `which began it at ${before.beganAt.toFixed(1)} (fence ${before.fence}), neither threw nor died nor lost its lease`,
      );
    }
  }
  return { examined: runs.length, violations };
}

function isExcused({ log, hasThrown, isLost }: Run, next: Run, ttlMs: number): boolean {
  if (hasThrown === true || isLost === true) return true;
  if (log.killedAt !== undefined && log.killedAt <= next.beganAt) return true;
  if (!log.events.some(({ event }) => event === "renewed")) return false;
  // A worker that stood still hears of it later, and by then the result may be that of another run.
  const lease = new Lease(ttlMs);
  for (const event of log.events) if (event.at <= next.beganAt) lease.note(event);
  return next.beganAt - lease.renewedAt >= ttlMs * (1 - toleranceTtls);
}

function runsIn(log: WorkerLog): Run[] {
  const runs = new Map<number, Run>();
  for (const event of log.events) {
    if (event.event === "charging") {
      const { call, name, fence, at } = event;
      runs.set(call, { log, call, name, fence, beganAt: at });
      continue;
    }
    const run = "call" in event ? runs.get(event.call) : undefined;
    if (run === undefined) continue;
    if (event.event === "charged") run.receipt = event.receipt;
    if (event.event === "declined") run.hasThrown = true;
    if (event.event === "lost" || (event.event === "pay-failed" && event.code === "LEASE_LOST"))
      run.isLost = true;
  }
  return [...runs.values()];
}
