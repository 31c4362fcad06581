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

/**
 * When the session that was open at `since` ended, had nobody been early: a TTL after the last heartbeat that was
 * confirmed in time. An answer that comes after the deadline does not revive it, however early the heartbeat was sent.
 */
function leaseEndAfter(since: number, ttlMs: number, log: WorkerLog | undefined): number {
  let openedAt = Number.NEGATIVE_INFINITY;
  let end: number | undefined;
  for (const event of log?.events ?? []) {
    if (event.event === "session") {
      if (event.at > since) break;
      openedAt = event.at;
      end = undefined;
    } else if (event.event === "renewed" && event.sentAt >= openedAt) {
      if (end === undefined || event.at <= end) end = Math.max(end ?? 0, event.sentAt + ttlMs);
    }
  }
  // Where no session was ever opened, none could end.
  return end ?? (openedAt === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : since);
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
