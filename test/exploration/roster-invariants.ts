import type { Entrant, Holder, Roster } from "../../src/roster/roster.ts";
import { type Client, clientName, countsOn, sessionBit, sessionNamed } from "./client.ts";
import { Violation } from "./search.ts";
import { isShareBusy } from "./share.ts";

// Written without the shipped functions: they are what is on trial.

/** What a state's clients are checked against. */
export interface Scene {
  readonly roster: Roster;
  readonly clients: readonly Client[];
  /** Sessions with a tombstone; a bit for each. */
  readonly dead: number;
  /** How much each client's grants take of the capacity. */
  readonly weights: readonly number[];
}

/** What must hold of every roster. */
export function checkRoster(roster: Roster): void {
  const { fence, holders, waiters } = roster;
  const held = sumOf(holders.map(({ weight }) => weight));
  if (held > roster.capacity) throw new Violation("the capacity is never exceeded", showRoster(roster));
  const names = [...holders, ...waiters].map(nameOf);
  if (new Set(names).size < names.length) throw new Violation("nobody stands twice", names.join(" "));
  const fences = holders.map((holder) => holder.fence);
  if (new Set(fences).size < fences.length || fences.some((given) => given > fence)) {
    throw new Violation("fences are unique and rise", `${fences.join(" ")}, last ${fence}`);
  }
}

/** What must hold in every state. */
export function checkClients(scene: Scene): void {
  checkBelievers(scene);
  checkNothingLeft(scene);
}

/** Who was told that he holds, and was not told that he lost it, holds: in the store, and with nobody in excess. */
function checkBelievers({ roster, clients, dead, weights }: Scene): void {
  let believed = 0;
  for (const [index, client] of clients.entries()) {
    for (const ticket of client.held) {
      believed += client.share?.ticket === ticket ? client.share.counted : (weights[index] ?? 0);
      const name = `${clientName(index)}${client.incarnation}#${ticket}`;
      if (!roster.holders.some((holder) => nameOf(holder) === name)) {
        throw new Violation("who believes to hold stands as a holder", `${name} in ${showRoster(roster)}`);
      }
    }
    checkShare(roster, client, index);
    if (client.isLive && (dead & sessionBit({ client: index, incarnation: client.incarnation })) !== 0) {
      throw new Violation("no live session is declared dead", clientName(index));
    }
    checkWaiter(roster, client, index);
  }
  if (believed > roster.capacity) throw new Violation("no two believe to hold the same", showRoster(roster));
}

/** Who counts on a weight has it; and where that came by growing, with the fence that it was told. */
function checkShare(roster: Roster, { share, incarnation }: Client, index: number): void {
  if (share === undefined) return;
  const name = `${clientName(index)}${incarnation}#${share.ticket}`;
  const holder = roster.holders.find((other) => nameOf(other) === name);
  if (holder === undefined) return;
  if (holder.weight < share.counted) {
    throw new Violation("who counts on a weight has it", `${name} in ${showRoster(roster)}`);
  }
  if (share.counted === share.weight && !isShareBusy(share) && holder.fence < share.fence) {
    throw new Violation("fences are unique and rise", `${name} was told ${share.fence}`);
  }
  if (isShareBusy(share)) return;
  const isMore = holder.wants !== undefined || holder.weight > share.weight;
  if (isMore) throw new Violation("nothing is left behind", `${name} in ${showRoster(roster)}`);
}

function checkWaiter(roster: Roster, client: Client, index: number): void {
  const { entry, incarnation } = client;
  if (entry?.stage !== "waiting" || !client.isLive) return;
  const name = `${clientName(index)}${incarnation}#${entry.ticket}`;
  if ([...roster.holders, ...roster.waiters].some((entrant) => nameOf(entrant) === name)) return;
  throw new Violation("who waits keeps his place", `${name} is not in ${showRoster(roster)}`);
}

/** What stands there under a live session is counted on by its client, or about to be taken out by it. */
function checkNothingLeft({ roster, clients }: Scene): void {
  for (const entrant of [...roster.holders, ...roster.waiters]) {
    const { client: index, incarnation } = sessionNamed(entrant.session);
    const client = clients[index];
    if (client === undefined || !client.isUp || !client.isLive || client.incarnation !== incarnation)
      continue;
    if (countsOn(client, incarnation, entrant)) continue;
    const isLeaving = client.leaves.some(
      (leave) => leave.incarnation === incarnation && leave.ticket === entrant.ticket,
    );
    if (!isLeaving)
      throw new Violation("nothing is left behind", `${nameOf(entrant)} in ${showRoster(roster)}`);
  }
}

/** What must hold of every write. */
export function checkWrite(before: Roster, after: Roster): void {
  checkFences(before, after);
  checkOrder(before, after);
}

/** Whoever's write it is, it takes nobody out who still counts on what he has. */
export function checkTaken(before: Roster, after: Roster, clients: readonly Client[]): void {
  const remaining = new Set([...after.holders, ...after.waiters].map(nameOf));
  for (const entrant of [...before.holders, ...before.waiters]) {
    if (remaining.has(nameOf(entrant))) continue;
    const { client: index, incarnation } = sessionNamed(entrant.session);
    const client = clients[index];
    if (client === undefined || !countsOn(client, incarnation, entrant)) continue;
    throw new Violation("no live session's entrant is taken out", nameOf(entrant));
  }
}

function checkFences(before: Roster, after: Roster): void {
  if (after.fence < before.fence) throw new Violation("fences are unique and rise", "the last one fell");
  const earlier = new Map(before.holders.map((holder) => [nameOf(holder), holder]));
  for (const holder of after.holders) {
    const was = earlier.get(nameOf(holder));
    const isNew = was === undefined || holder.weight > was.weight;
    if (isNew ? holder.fence > before.fence : isSameFence(was, holder, before)) continue;
    throw new Violation("fences are unique and rise", `${holder.fence} was given after ${before.fence}`);
  }
}

/** A write may give an upgrade up and ask for the next one, which is then another grant. */
function isSameFence(was: Holder, holder: Holder, before: Roster): boolean {
  return was.fence === holder.fence || (was.weight === holder.weight && holder.fence > before.fence);
}

/** First come, first served: nobody overtakes, in the queue or out of it, and no holder goes back to it. */
function checkOrder(before: Roster, after: Roster): void {
  const places = new Map(before.waiters.map((waiter, place) => [nameOf(waiter), place]));
  const held = new Set(before.holders.map(nameOf));
  const served = after.holders.filter((holder) => !held.has(nameOf(holder)));
  let last = -1;
  for (const entrant of [...served, ...after.waiters]) {
    if (held.has(nameOf(entrant))) throw new Violation("a holder keeps what it has", nameOf(entrant));
    const place = places.get(nameOf(entrant)) ?? before.waiters.length;
    if (place < last) throw new Violation("first come, first served", `${nameOf(entrant)} was overtaken`);
    last = place;
  }
  const free = after.capacity - sumOf(after.holders.map(({ weight }) => weight));
  const growing = after.holders.filter(({ wants }) => wants !== undefined);
  if (growing.length > 0 && served.length > 0) {
    throw new Violation("nobody is admitted before who grows", showRoster(after));
  }
  for (const { wants = 0, weight, ...holder } of growing) {
    if (wants - weight <= free) {
      throw new Violation("nobody waits for what is free", `${holder.session} in ${showRoster(after)}`);
    }
  }
  if (growing.length > 0) return;
  const [first] = after.waiters;
  if (first !== undefined && first.weight <= free) {
    throw new Violation("nobody waits for what is free", `${nameOf(first)} in ${showRoster(after)}`);
  }
}

function sumOf(weights: readonly number[]): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}

/** `a1#2`: the second ticket of the first session of client a. */
export function nameOf(entrant: Entrant | Holder): string {
  return `${entrant.session}#${entrant.ticket}`;
}

/** A roster in one line. */
export function showRoster({ fence, holders, waiters }: Roster): string {
  const held = holders.map((holder) => {
    const { weight, wants } = holder;
    const share = weight === 1 ? "" : ` of ${weight}`;
    return `${nameOf(holder)}=${holder.fence}${share}${wants === undefined ? "" : ` wants ${wants}`}`;
  });
  return `[${held.join(" ")} | ${waiters.map(nameOf).join(" ")}] fence ${fence}`;
}
