import { type Finding, type History, type Request, requestsIn, type WorkerLog } from "../history.ts";

/**
 * First come, first served: who had seen itself stand in line before another one asked is served before that one. Excused is who died,
 * gave up, or could not renew its lease in time on the way.
 */
export function checkFirstCome(history: History): Finding {
  const logs = new Map(history.workers.map((log) => [log.worker, log]));
  const requests = requestsIn(history);
  const served = requests.filter(({ fence }) => fence !== undefined).sort((a, b) => a.calledAt - b.calledAt);
  let examined = 0;
  const violations: string[] = [];
  for (const first of requests) {
    const { queuedAt } = first;
    if (queuedAt === undefined) continue;
    const until = leftLineAt(first, history.ttlMs, logs.get(first.worker));
    for (const later of after(served, queuedAt)) {
      // Nobody who asked later than that can have overtaken it.
      if (later.calledAt > until) break;
      if (later.name !== first.name || later.worker === first.worker) continue;
      examined += 1;
      if (!wasOvertaken(first, later, until)) continue;
      violations.push(
        `${later.worker} asked for ${first.name} at ${later.calledAt.toFixed(1)} and was served with fence ` +
          `${later.fence}, before ${first.worker}, which had stood in line since ${queuedAt.toFixed(1)} ` +
          `(${first.fence === undefined ? "never served" : `fence ${first.fence}`})`,
      );
    }
  }
  return { examined, violations };
}

function wasOvertaken(first: Request, later: Request, until: number): boolean {
  const { fence = 0, grantedAt = Number.POSITIVE_INFINITY } = later;
  if (first.fence !== undefined && first.grantedAt !== undefined && first.grantedAt <= until) {
    return fence < first.fence;
  }
  return grantedAt < until;
}

/** Until when its place in line was its own: it was served, gave up, died, or its lease ran out. */
function leftLineAt(request: Request, ttlMs: number, log: WorkerLog | undefined): number {
  const { queuedAt = 0, grantedAt, gaveUpAt } = request;
  const last = log?.events.at(-1)?.at;
  const ends = [grantedAt, gaveUpAt, log?.killedAt, last, leaseEndAfter(queuedAt, ttlMs, log)];
  return Math.min(...ends.filter((at) => at !== undefined));
}

/** When a lease that held at `since` ended, had nobody been early: a TTL after the last heartbeat in an unbroken row. */
function leaseEndAfter(since: number, ttlMs: number, log: WorkerLog | undefined): number {
  let end = Number.NEGATIVE_INFINITY;
  for (const event of log?.events ?? []) {
    if (event.event !== "renewed") continue;
    // An answer that comes after the deadline does not revive a session, however early the heartbeat was sent.
    if (end >= since && event.at > end) break;
    end = Math.max(end, event.sentAt + ttlMs);
  }
  return end;
}

/** Those that asked after a moment, of requests in the order in which they asked. */
function after(requests: readonly Request[], at: number): readonly Request[] {
  let low = 0;
  let high = requests.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((requests[middle]?.calledAt ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return requests.slice(low);
}
