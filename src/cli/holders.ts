import type { InspectedHolder, Inspection } from "../index.ts";

/**
 * Whether those who are in the way look dead by the wall clock, all of them, or of many holders one at least: a hint.
 * Without holders it is free.
 */
export function mayBeDead(inspection: Inspection | null): inspection is Inspection {
  if (inspection === null) return false;
  const { capacity, holders } = inspection;
  const isDead = ({ isOverdue }: InspectedHolder): boolean => isOverdue;
  return holders.length === 0 || (capacity > 1 ? holders.some(isDead) : holders.every(isDead));
}

/** Whether the same holders still look dead, without any sign of life since `first`. */
export function isSameDeadHolder(first: Inspection, now: Inspection | null): boolean {
  // A store that does not answer shows no sign of life.
  if (now === null) return true;
  if (!mayBeDead(now)) return false;
  const wasThere = (holder: InspectedHolder): boolean =>
    first.holders.some((before) => isSame(holder, before));
  if (now.capacity > 1) return now.holders.some((holder) => holder.isOverdue && wasThere(holder));
  return now.holders.every(wasThere);
}

function isSame(holder: InspectedHolder, before: InspectedHolder): boolean {
  return (
    holder.session === before.session &&
    (holder.lastBeatAt === null || holder.lastBeatAt.getTime() === before.lastBeatAt?.getTime())
  );
}

/**
 * How long it takes at most to observe that the holders are dead: a session has to stand still for its whole TTL
 * plus the tolerance for clock rates, seen by looks that are some tenths of a TTL apart.
 */
export function observeDeathMs({ holders }: Inspection): number {
  return 2 * Math.max(0, ...holders.map(({ ttlMs }) => ttlMs)) + 1_000;
}

/** `held by web-1/4242 (backup.sh) since 2026-01-31T10:02:11Z`. */
export function describeHolders(inspection: Inspection | null): string {
  const holders = inspection?.holders ?? [];
  if (holders.length === 0) return "held by somebody who could not be looked up";
  return `held by ${holders.map(describeHolder).join(", ")}`;
}

function describeHolder({ client, metadata, grantedAt, isOverdue }: InspectedHolder): string {
  const who = client === null ? "a process that is gone" : `${client.host}/${client.pid}`;
  const command = commandOf(metadata);
  const since = grantedAt.toISOString().replace(/\.\d+Z$/, "Z");
  return `${who}${command === undefined ? "" : ` (${command})`} since ${since}${isOverdue ? ", which looks dead" : ""}`;
}

/** The program that a holder runs, if it was started by this command line. */
function commandOf(metadata: unknown): string | undefined {
  if (typeof metadata !== "object" || metadata === null || !("command" in metadata)) return undefined;
  return typeof metadata.command === "string" ? metadata.command : undefined;
}

/** One line for somebody who waits. */
export function describeWait(title: string, inspection: Inspection | null): string {
  if (inspection === null) return `waiting for ${title}: the store does not answer`;
  const others = inspection.waiters.length - 1;
  const queue = others > 0 ? `, with ${others} other${others === 1 ? "" : "s"} in line` : "";
  return `waiting for ${title}, ${describeHolders(inspection)}${queue}`;
}
