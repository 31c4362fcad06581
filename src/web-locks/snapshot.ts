import { recordKeyPrefix } from "../core/names.ts";
import type { Entrant } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { decodeRoster, type NamedRoster } from "../roster/roster-record.ts";
import type { LocalRequest } from "./local-requests.ts";
import type { LockManagerSnapshot, WebLockInfo } from "./lock-manager.ts";
import { lockNameOf } from "./lock-name.ts";
import { modeOf } from "./weights.ts";

const pageRecords = 100;
const separator = " ";

/** By which a request is known in its roster: whose it is, and which one. */
export function identityOf(clientId: string, request: number): string {
  return `${clientId}${separator}${request}`;
}

/** Reads every lock of a namespace, a page at a time. */
export async function readLocks(host: RosterHost): Promise<readonly NamedRoster[]> {
  const prefix = recordKeyPrefix(host.namespace, "web-lock");
  const found: NamedRoster[] = [];
  let cursor: string | undefined;
  do {
    const page = await host.backend.scan(prefix, {
      limit: pageRecords,
      ...(cursor !== undefined && { cursor }),
    });
    found.push(...page.records.map(({ key, value }) => decodeRoster(key, value)));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

/**
 * Who holds and who waits: the others as the store shows them, who may be gone; this client's own requests as it knows
 * them itself, also those that wait behind others of its own and do not stand in the store yet.
 */
export function snapshotOf(
  found: readonly NamedRoster[],
  local: Iterable<LocalRequest>,
  clientId: string,
): LockManagerSnapshot {
  const own = new Map([...local].map((request) => [request.identity, request]));
  const snapshot: LockManagerSnapshot = { held: [], pending: [] };
  const listOf = (isHeld: boolean): WebLockInfo[] => (isHeld ? snapshot.held : snapshot.pending);
  const take = (request: LocalRequest): void => {
    own.delete(request.identity);
    listOf(request.isHeld).push({ name: request.name, mode: request.mode, clientId });
  };
  const show = (name: string, entrant: Entrant, isHeld: boolean): void => {
    const client = clientOf(entrant);
    const request = entrant.identity === undefined ? undefined : own.get(entrant.identity);
    if (request !== undefined) take(request);
    // An own one that is not known any more is over: it is on its way out.
    else if (client !== clientId)
      listOf(isHeld).push({ name, mode: modeOf(entrant.weight), clientId: client });
  };
  for (const { name: rosterName, roster } of found) {
    const name = lockNameOf(rosterName);
    for (const holder of roster.holders) show(name, holder, true);
    for (const waiter of roster.waiters) show(name, waiter, false);
  }
  for (const request of [...own.values()]) take(request);
  return snapshot;
}

function clientOf({ identity, session }: Entrant): string {
  const end = identity?.lastIndexOf(separator) ?? -1;
  return identity === undefined || end < 0 ? session : identity.slice(0, end);
}
