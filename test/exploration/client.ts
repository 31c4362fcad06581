import type { EntrantId } from "../../src/roster/roster.ts";
import { isShareUnsent, type Share, shareKey } from "./share.ts";

/** A session of a client: which client, and its how-many-th. */
export interface SessionName {
  readonly client: number;
  readonly incarnation: number;
}

/** `release`: of a grant. `abandon`: of an entry that came to nothing. `afterLoss`: of a grant that was lost. */
export type LeaveKind = "release" | "abandon" | "afterLoss";

/** An entrant that its client wants out of the roster. */
export interface Leave {
  readonly incarnation: number;
  readonly ticket: number;
  readonly kind: LeaveKind;
  /** Whether it rides in the write that is in flight. */
  readonly isSent: boolean;
}

/** One acquire's way through the roster, as in `Entry` and `Turn`. */
export interface EntryState {
  readonly ticket: number;
  readonly stage: "joining" | "waiting";
  readonly mayStand: boolean;
  /** Whether its join rides in the write that is in flight. */
  readonly isSent: boolean;
  /** Sessions known to be dead, to be evicted by its write; a bit for each. */
  readonly evicting: number;
  readonly isEvictSent: boolean;
}

/**
 * The roster that a client's driver knows, without version numbers: no version ever comes back, so a view is of the
 * current version or can never be written over. `outdated`: which roster it was does not matter any more.
 */
export type Known = "none" | "current" | "outdated" | { readonly roster: number };

/** Everything that one client keeps in its memory. After a crash nothing of it is left. */
export interface Client {
  readonly isUp: boolean;
  /** Acquires that its callers have yet to begin. */
  readonly acquiresLeft: number;
  /** Its session, from 1; 0: none was opened yet. */
  readonly incarnation: number;
  /** Whether that session lives, as far as its client knows. */
  readonly isLive: boolean;
  /** Only in a mutant: its heartbeats stopped, and it goes on all the same. */
  readonly isOverdue: boolean;
  readonly tickets: number;
  readonly caller: "none" | "waiting" | "gone";
  readonly entry: EntryState | undefined;
  /** Tickets of the grants that were delivered, neither released nor lost. */
  readonly held: readonly number[];
  /** What it holds, where its weight may change. */
  readonly share: Share | undefined;
  readonly leaves: readonly Leave[];
  readonly known: Known;
  /** Whether what is known came from a conflict just now, so that a join may settle in it without a read. */
  readonly isKnownFresh: boolean;
  /** The write in flight: over the current version, or one that is bound to meet a conflict. */
  readonly flight: "none" | "current" | "moved";
  readonly flightRoster: number;
}

export const incarnationsMax = 6;
export const ticketsMax = 15;

export function freshClient(acquiresLeft: number): Client {
  return {
    ...{
      isUp: true,
      acquiresLeft,
      incarnation: 0,
      isLive: false,
      isOverdue: false,
      tickets: 0,
      caller: "none",
    },
    ...{ entry: undefined, held: [], share: undefined, leaves: [], known: "none", isKnownFresh: false },
    ...{ flight: "none", flightRoster: 0 },
  };
}

export function crashedClient(client: Client): Client {
  return { ...freshClient(0), incarnation: client.incarnation, isUp: false };
}

/** Whether anything waits to be written. */
export function hasPending(client: Client): boolean {
  const { entry, leaves } = client;
  if (entry !== undefined && !entry.isSent && entry.stage === "joining") return true;
  if (entry !== undefined && entry.evicting !== 0 && !entry.isEvictSent) return true;
  return leaves.some((leave) => !leave.isSent) || isShareUnsent(client.share);
}

/** Whether the client has nothing more to do, ever. */
export function isAtRest(client: Client): boolean {
  if (!client.isUp) return true;
  const { acquiresLeft, caller, held, leaves, flight } = client;
  return (
    acquiresLeft + held.length + leaves.length === 0 &&
    caller === "none" &&
    flight === "none" &&
    client.entry === undefined
  );
}

const leaveKinds: readonly LeaveKind[] = ["release", "abandon", "afterLoss"];
const callers = ["none", "waiting", "gone"];
const flights = ["none", "current", "moved"];
const knownKinds = ["none", "current", "outdated"];

/** Equal clients have equal keys. */
export function clientKey(client: Client): string {
  const { entry, known } = client;
  const flags =
    (client.isUp ? 1 : 0) |
    (client.isLive ? 2 : 0) |
    (client.isOverdue ? 4 : 0) |
    (client.isKnownFresh ? 8 : 0) |
    (callers.indexOf(client.caller) << 4) |
    (flights.indexOf(client.flight) << 6) |
    (client.acquiresLeft << 8) |
    (client.incarnation << 12) |
    (client.tickets << 16);
  let text = `${flags},${client.flightRoster},`;
  text += typeof known === "object" ? known.roster : knownKinds.indexOf(known) - knownKinds.length;
  if (entry !== undefined) {
    const stage =
      (entry.stage === "waiting" ? 1 : 0) |
      (entry.mayStand ? 2 : 0) |
      (entry.isSent ? 4 : 0) |
      (entry.isEvictSent ? 8 : 0) |
      (entry.ticket << 4);
    text += `e${stage},${entry.evicting}`;
  }
  for (const ticket of client.held) text += `h${ticket}`;
  for (const leave of client.leaves) text += `l${leaveOrder(leave)}`;
  return text + shareKey(client.share);
}

/** Leaves commute, so the order in which they were asked for does not tell two clients apart. */
export function withLeave(client: Client, leave: Leave): Client {
  const leaves = [...client.leaves, leave].sort((left, right) => leaveOrder(left) - leaveOrder(right));
  return { ...client, leaves };
}

function leaveOrder({ incarnation, ticket, kind, isSent }: Leave): number {
  return (((incarnation << 4) | ticket) << 3) | (leaveKinds.indexOf(kind) << 1) | (isSent ? 1 : 0);
}

/** As the roster names a session: `a1` is the first one of client a. */
export function sessionId({ client, incarnation }: SessionName): string {
  return `${clientName(client)}${incarnation}`;
}

export function sessionNamed(id: string): SessionName {
  return { client: id.charCodeAt(0) - "a".charCodeAt(0), incarnation: Number(id.slice(1)) };
}

export function clientName(client: number): string {
  return String.fromCharCode("a".charCodeAt(0) + client);
}

/** The bit of a session in a set of sessions. */
export function sessionBit({ client, incarnation }: SessionName): number {
  return 1 << (client * incarnationsMax + incarnation - 1);
}

/** Whether it is the client's own entry or grant, and it still counts on it. */
export function countsOn(client: Client, incarnation: number, { ticket }: EntrantId): boolean {
  if (!client.isUp || !client.isLive || client.incarnation !== incarnation) return false;
  return client.entry?.ticket === ticket || client.held.includes(ticket);
}
