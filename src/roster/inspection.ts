import type { Backend, StoredRecord } from "../core/backend.ts";
import { CorruptRecordError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Runtime } from "../core/runtime.ts";
import {
  type ClientDescription,
  decodeSession,
  type SessionRecord,
  sessionKey,
} from "../sessions/session-record.ts";
import type { Entrant, Holder } from "./roster.ts";
import type { RosterKind } from "./roster-host.ts";
import { decodeRoster, type NamedRoster } from "./roster-record.ts";

/** Somebody who holds or waits, as the store showed it at one moment. */
export interface Participant {
  /** The session that it lives and dies with. */
  readonly session: string;
  /** How much of the capacity it has or waits for. */
  readonly weight: number;
  /** Who that is; `null` when the session's record is gone. */
  readonly client: ClientDescription | null;
  /** The TTL of the session, in milliseconds. */
  readonly ttlMs: number;
  /** The last heartbeat, by that client's wall clock; `null` when the record is gone or the session is dead. */
  readonly lastBeatAt: Date | null;
  /**
   * Whether the last heartbeat looks older than the TTL, by comparing two wall clocks: a hint that it may have
   * died, never a proof.
   */
  readonly isOverdue: boolean;
  /** What it gave as `metadata` when it asked. */
  readonly metadata?: Json;
}

/** A {@link Participant} who holds. */
export interface InspectedHolder extends Participant {
  /** The fencing token of its grant. */
  readonly fence: number;
  /** When it was granted, by the wall clock of the client that handed it over. */
  readonly grantedAt: Date;
}

/** One forced release, as the roster remembers it. */
export interface ForcedRelease {
  /** Who did it. */
  readonly by: string;
  readonly reason: string;
  /** When, by the wall clock of who did it. */
  readonly at: Date;
  /** The fences of those it was taken from. */
  readonly fences: readonly number[];
}

/** Who holds a name and who waits for it, as the store showed it at one moment. For people; decides nothing. */
export interface Inspection {
  /** What it is: `lock`, `semaphore` and so on. */
  readonly kind: RosterKind;
  readonly name: string;
  /** The last fence that was given. */
  readonly fence: number;
  readonly capacity: number;
  readonly holders: readonly InspectedHolder[];
  /** In the order in which they will be served. */
  readonly waiters: readonly Participant[];
  /** The last five, the oldest first, for as long as the record is kept. */
  readonly forcedReleases: readonly ForcedRelease[];
}

/** What is needed to look at rosters. */
export interface InspectionContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
}

/** A roster as it stands under its key. */
export interface FoundRoster extends NamedRoster {
  readonly kind: RosterKind;
}

/** Sessions that are read in one request. */
const sessionsPerRead = 100;

/** Reads a roster and the sessions of everybody in it. `null` when nobody ever asked for it. */
export async function inspectRoster(
  context: InspectionContext,
  kind: RosterKind,
  key: string,
): Promise<Inspection | null> {
  const [record] = await context.backend.get([key]);
  if (record == null) return null;
  const [inspection] = await describeRosters(context, [{ kind, ...decodeRoster(key, record.value) }]);
  return inspection ?? null;
}

/** Reads the sessions of everybody in some rosters, each once. */
export async function describeRosters(
  context: InspectionContext,
  found: readonly FoundRoster[],
): Promise<readonly Inspection[]> {
  const entrants = found.flatMap(({ roster }) => [...roster.holders, ...roster.waiters]);
  const sessions = [...new Set(entrants.map((entrant) => entrant.session))];
  const bySession = new Map<string, StoredRecord | null>();
  for (let start = 0; start < sessions.length; start += sessionsPerRead) {
    const part = sessions.slice(start, start + sessionsPerRead);
    const records = await context.backend.get(part.map((session) => sessionKey(context.namespace, session)));
    for (const [index, session] of part.entries()) bySession.set(session, records[index] ?? null);
  }
  const nowMs = context.runtime.wallMs();
  const describeEntrant = (entrant: Entrant): Participant =>
    participant(entrant, bySession.get(entrant.session) ?? null, nowMs);
  const describeHolder = (holder: Holder): InspectedHolder => ({
    ...describeEntrant(holder),
    fence: holder.fence,
    grantedAt: new Date(holder.grantedAtMs),
  });
  return found.map(({ kind, name, roster }) => ({
    ...{ kind, name, fence: roster.fence, capacity: roster.capacity },
    holders: roster.holders.map(describeHolder),
    waiters: roster.waiters.map(describeEntrant),
    forcedReleases: (roster.removals ?? []).map(({ by, reason, atMs, fences }) => ({
      ...{ by, reason, at: new Date(atMs), fences },
    })),
  }));
}

function participant(entrant: Entrant, record: StoredRecord | null, nowMs: number): Participant {
  const { session, ttlMs, weight, metadata } = entrant;
  const decoded = record === null ? undefined : readable(record);
  const live = decoded?.state === "live" ? decoded : undefined;
  return {
    session,
    weight,
    client: live?.client ?? null,
    ttlMs: live?.ttlMs ?? ttlMs,
    lastBeatAt: live === undefined ? null : new Date(live.beatAtMs),
    isOverdue: live === undefined || nowMs - live.beatAtMs > live.ttlMs,
    ...(metadata !== undefined && { metadata }),
  };
}

/** A damaged session must not hide who stands in a roster: its client is unknown. */
function readable(record: StoredRecord): SessionRecord | undefined {
  try {
    return decodeSession(record.key, record.value);
  } catch (error) {
    if (error instanceof CorruptRecordError) return undefined;
    throw error;
  }
}
