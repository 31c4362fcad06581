import type { LiveSession } from "./session-record.ts";

/**
 * A message to the holder of a grant, left in the record of its session: `released`: it was taken out by force;
 * `revoke`: it is asked to give up.
 */
export interface SessionRequest {
  /** Drawn by whoever asks, so that a repeated write asks once. */
  readonly id: string;
  readonly kind: "released" | "revoke";
  /** The ticket under which the holder stands in its roster. */
  readonly ticket: number;
  /** Who asks, for people. */
  readonly by: string;
  readonly reason: string;
  /** Wall clock of who asks. For people; decides nothing. */
  readonly atMs: number;
}

/** Messages in one record. They are gone with the next heartbeat; where they are not, nobody reads them. */
export const requestsMax = 32;
/** The longest reason, in bytes. */
export const reasonBytesMax = 512;

/** What becomes of a record that gets one message more; `full`: there is no room until it is read. */
export type Delivery = { readonly record: LiveSession } | "full" | "there already";

/**
 * Adds a message. Changes nothing else: neither the beat by which others see that its session lives, nor how long it
 * lives. Where there is no room, what was taken counts for more than what is asked for.
 */
export function addRequest(record: LiveSession, request: SessionRequest): Delivery {
  const { requests = [] } = record;
  const isSame = ({ id, kind, ticket }: SessionRequest): boolean =>
    id === request.id || (kind === request.kind && ticket === request.ticket);
  if (requests.some(isSame)) return "there already";
  let kept = requests;
  if (kept.length >= requestsMax) {
    const displaced = kept.findIndex(({ kind }) => kind === "revoke");
    if (request.kind === "revoke" || displaced < 0) return "full";
    kept = kept.toSpliced(displaced, 1);
  }
  return { record: { ...record, requests: [...kept, request] } };
}

/** Whether a record's field is a list of messages. */
export function areRequests(value: unknown): value is readonly SessionRequest[] {
  return Array.isArray(value) && value.length <= requestsMax && value.every(isRequest);
}

function isRequest(value: Partial<SessionRequest> | null): value is SessionRequest {
  return (
    typeof value?.id === "string" &&
    (value.kind === "released" || value.kind === "revoke") &&
    Number.isSafeInteger(value.ticket) &&
    typeof value.by === "string" &&
    typeof value.reason === "string" &&
    Number.isFinite(value.atMs)
  );
}
