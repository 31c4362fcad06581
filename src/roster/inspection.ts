import type { Backend, StoredRecord } from "../core/backend.ts";
import type { Json } from "../core/json.ts";
import type { Runtime } from "../core/runtime.ts";
import { type ClientDescription, decodeSession, sessionKey } from "../sessions/session-record.ts";
import type { Entrant, Holder } from "./roster.ts";
import { decodeRoster } from "./roster-record.ts";

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

/** Who holds a name and who waits for it, as the store showed it at one moment. For people; decides nothing. */
export interface Inspection {
  readonly name: string;
  /** The last fence that was given. */
  readonly fence: number;
  readonly capacity: number;
  readonly holders: readonly InspectedHolder[];
  /** In the order in which they will be served. */
  readonly waiters: readonly Participant[];
}

/** Reads a roster and the sessions of everybody in it. `null` when nobody ever asked for it. */
export async function inspectRoster(
  context: { readonly backend: Backend; readonly runtime: Runtime; readonly namespace: string },
  key: string,
): Promise<Inspection | null> {
  const [record] = await context.backend.get([key]);
  if (record == null) return null;
  const { name, roster } = decodeRoster(key, record.value);
  const { fence, capacity, holders, waiters } = roster;
  const sessions = [...new Set([...holders, ...waiters].map((entrant) => entrant.session))];
  const keys = sessions.map((session) => sessionKey(context.namespace, session));
  const records = keys.length === 0 ? [] : await context.backend.get(keys);
  const bySession = new Map(sessions.map((session, index) => [session, records[index] ?? null]));
  const nowMs = context.runtime.wallMs();
  const describeEntrant = (entrant: Entrant): Participant =>
    participant(entrant, bySession.get(entrant.session) ?? null, nowMs);
  const describeHolder = (holder: Holder): InspectedHolder => ({
    ...describeEntrant(holder),
    fence: holder.fence,
    grantedAt: new Date(holder.grantedAtMs),
  });
  return {
    name,
    fence,
    capacity,
    holders: holders.map(describeHolder),
    waiters: waiters.map(describeEntrant),
  };
}

function participant(entrant: Entrant, record: StoredRecord | null, nowMs: number): Participant {
  const { session, ttlMs, weight, metadata } = entrant;
  const decoded = record === null ? undefined : decodeSession(record.key, record.value);
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
