import { CorruptRecordError } from "../core/errors.ts";
import { decodeJson, encodeJson } from "../core/json.ts";
import { recordKey } from "../core/names.ts";
import { areRequests, type SessionRequest } from "./session-request.ts";
import type { TicketClaim } from "./ticket-book.ts";

/** Who a session belongs to, for people who look at it. */
export interface ClientDescription {
  readonly host: string;
  readonly pid: number;
  readonly name?: string;
}

/** A session that is renewed: its beat number rises with each heartbeat. */
export interface LiveSession {
  readonly state: "live";
  readonly ttlMs: number;
  readonly beat: number;
  /** Wall clock of the holder at this beat. A hint for people; decides nothing. */
  readonly beatAtMs: number;
  readonly client: ClientDescription;
  /** Which of its tickets are over: what stands in a roster under one of those, anybody may take out. */
  readonly tickets: TicketClaim;
  /** What others have left for the holder to read. Not there when there is nothing. */
  readonly requests?: readonly SessionRequest[];
}

/** The tombstone of a session that somebody declared dead. Its client can never renew it again. */
export interface DeadSession {
  readonly state: "dead";
  /** The session that declared it. */
  readonly by: string;
  readonly atMs: number;
}

export type SessionRecord = LiveSession | DeadSession;

type Fields = Omit<LiveSession, "state"> &
  Omit<DeadSession, "state"> & { format: string; state: SessionRecord["state"] };

const format = "session/1";
const dayMs = 86_400_000;

/** When the store may collect a session record that is no longer renewed. Never read as liveness. */
export function liveRecordTtlMs(ttlMs: number): number {
  return Math.max(dayMs, 4 * ttlMs);
}

/** When the store may collect a tombstone: long after any write of the dead session could still land. */
export const tombstoneTtlMs = 7 * dayMs;

/** The key of a session's record. */
export function sessionKey(namespace: string, session: string): string {
  return recordKey(namespace, "session", session);
}

/** The bytes of a session's record. */
export function encodeSession(record: SessionRecord): Uint8Array {
  return encodeJson({ format, ...record });
}

/** @throws CorruptRecordError when the bytes are not those of a session. */
export function decodeSession(key: string, value: Uint8Array): SessionRecord {
  const record = decodeJson(key, value) as Partial<Fields> | null;
  if (record?.format === format) {
    const { state, ttlMs, beat, beatAtMs, client, tickets, requests, by, atMs } = record as Fields;
    if (state === "dead" && typeof by === "string" && Number.isFinite(atMs)) return { state, by, atMs };
    const isLive = state === "live" && Number.isFinite(ttlMs) && ttlMs > 0 && Number.isSafeInteger(beat);
    const isRead = requests === undefined || areRequests(requests);
    if (
      isLive &&
      isRead &&
      Number.isFinite(beatAtMs) &&
      typeof client?.host === "string" &&
      isClaim(tickets)
    ) {
      return { state, ttlMs, beat, beatAtMs, client, tickets, ...(requests !== undefined && { requests }) };
    }
  }
  throw new CorruptRecordError(
    `the record under key ${key} is not a session of the format ${format}. Something else wrote to this key, or a ` +
      "newer leasehold did. Nothing was changed; use another namespace, or upgrade",
  );
}

function isClaim(value: Partial<TicketClaim> | undefined): boolean {
  return (
    Number.isSafeInteger(value?.next) && Array.isArray(value?.open) && value.open.every(Number.isSafeInteger)
  );
}
