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

/** Messages of one kind in one record. They are gone with the next heartbeat; where they are not, nobody reads them. */
export const requestsMax = 32;
/** The longest reason, in bytes. */
export const reasonBytesMax = 512;

/** What becomes of messages that are to be added to a record. */
export interface Delivery {
  /** The record with them in it; `undefined`: nothing has to be written. */
  readonly record: LiveSession | undefined;
  /** Those that stand there then. */
  readonly posted: readonly SessionRequest[];
}

/**
 * Adds as many messages as a record has room for. Changes nothing else: neither the beat by which others see that its
 * session lives, nor how long it lives.
 *
 * There is room for a `revoke` in a record without any message, and for a `released` in one without a `released`. So
 * there are never more than two such writes between two heartbeats, from any number of writers: a heartbeat comes second
 * at most twice, which every lease has the time for. And who asks never stands in the way of who takes.
 */
export function addRequests(record: LiveSession, requests: readonly SessionRequest[]): Delivery {
  const { requests: standing = [] } = record;
  const room = {
    revoke: standing.length === 0 ? requestsMax : 0,
    released: standing.some(({ kind }) => kind === "released") ? 0 : requestsMax,
  };
  const added: SessionRequest[] = [];
  const posted = requests.filter((request) => {
    if (standing.some((other) => isSame(other, request))) return true;
    if (added.some((other) => isSame(other, request))) return true;
    if (room[request.kind] === 0) return false;
    room[request.kind] -= 1;
    added.push(request);
    return true;
  });
  return {
    record: added.length === 0 ? undefined : { ...record, requests: [...standing, ...added] },
    posted,
  };
}

/** Whether a record's field is a list of messages. */
export function areRequests(value: unknown): value is readonly SessionRequest[] {
  return Array.isArray(value) && value.length <= 2 * requestsMax && value.every(isRequest);
}

function isSame(left: SessionRequest, right: SessionRequest): boolean {
  return left.id === right.id || (left.kind === right.kind && left.ticket === right.ticket);
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
