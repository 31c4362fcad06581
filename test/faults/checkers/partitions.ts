import { type Finding, type History, type Request, requestsIn, type WorkerLog } from "../history.ts";
import { shards } from "../worker-settings.ts";
import { Lease } from "./leases.ts";

/** Whoever is asked to give a partition up, while its lease lasts, has ended its work before the next owner begins. */
export function checkMoves(history: History): Finding {
  const requests = requestsIn(history);
  const byName = Map.groupBy(requests, ({ name }) => name);
  const byCall = new Map(requests.map((request) => [`${request.worker} ${request.call}`, request]));
  let examined = 0;
  const violations: string[] = [];
  for (const log of history.workers) {
    for (const { call, movingAt, endedAt } of movesIn(log, history.ttlMs)) {
      const own = byCall.get(`${log.worker} ${call}`);
      if (own === undefined) continue;
      examined += 1;
      const early = byName
        .get(own.name)
        ?.find((other) => other !== own && isWithin(other.grantedAt, movingAt, endedAt) && wasHeld(other));
      if (early === undefined) continue;
      violations.push(
        `${own.name} moved from ${log.worker} (fence ${own.fence}) to ${early.worker} (fence ${early.fence}) ` +
          `${(endedAt - (early.grantedAt ?? 0)).toFixed(1)} ms before the work had ended, at ${endedAt.toFixed(1)}`,
      );
    }
  }
  return { examined, violations };
}

interface Move {
  readonly call: number;
  readonly movingAt: number;
  readonly endedAt: number;
}

/** Only those whose work ended in the session that it began in, before its lease could run out. */
function movesIn({ events }: WorkerLog, ttlMs: number): Move[] {
  const moving = new Map<number, number>();
  const moves: Move[] = [];
  const lease = new Lease(ttlMs);
  for (const event of events) {
    lease.note(event);
    // Whatever was held before was lost with the session before.
    if (event.event === "session") moving.clear();
    if (event.event === "moving") moving.set(event.call, event.at);
    if (event.event !== "ended") continue;
    const movingAt = moving.get(event.call);
    if (movingAt === undefined || lease.renewedAt + ttlMs < event.at) continue;
    moves.push({ call: event.call, movingAt, endedAt: event.at });
  }
  return moves;
}

function isWithin(at: number | undefined, from: number, to: number): boolean {
  return at !== undefined && at > from && at < to;
}

/** One that stood still between the grant and its first question held nothing any more. */
function wasHeld({ heldAt }: Request): boolean {
  return heldAt !== undefined;
}

/** Once the faults are over every partition is owned, by one, and nobody owns two more than anybody else. */
export function checkSpread(history: History): Finding {
  const { settledAt, workers } = history;
  if (settledAt === undefined) return { examined: 0, violations: [] };
  return { examined: shards.count, violations: faultsOfSpread(workers, settledAt) };
}

/** Whether all is owned and evenly, at this moment. */
export function isSpread(workers: readonly WorkerLog[], at: number): boolean {
  return faultsOfSpread(workers, at).length === 0;
}

function faultsOfSpread(workers: readonly WorkerLog[], at: number): string[] {
  const alive = workers.filter(({ killedAt }) => killedAt === undefined);
  const owners = Array.from({ length: shards.count }, (): string[] => []);
  const shares = new Map(alive.map(({ worker }) => [worker, 0]));
  for (const { worker, name, grantedAt, heldAt } of requestsIn({ workers: alive })) {
    if (grantedAt === undefined || heldAt === undefined || grantedAt > at || heldAt < at) continue;
    owners[Number(name.slice(`${shards.group}/`.length))]?.push(worker);
    shares.set(worker, (shares.get(worker) ?? 0) + 1);
  }
  const sizes = [...shares.values()];
  const isEven = Math.max(...sizes) - Math.min(...sizes) <= 1;
  const told = [...shares].map(([worker, share]) => `${worker} has ${share}`).join(", ");
  return [
    ...owners.flatMap((all, partition) => {
      if (all.length === 1) return [];
      const who = all.length === 0 ? "nobody" : all.join(" and ");
      return [`partition ${partition} is owned by ${who} after the faults, at ${at.toFixed(1)}`];
    }),
    ...(isEven
      ? []
      : [`the partitions are not shared evenly after the faults, at ${at.toFixed(1)}: ${told}`]),
  ];
}
