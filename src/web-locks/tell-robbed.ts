import { sleep } from "../core/runtime.ts";
import type { HeldGrant } from "../roster/grant.ts";
import type { Holder } from "../roster/roster.ts";
import { isTransient } from "../roster/roster-change.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { postRequest } from "../sessions/post-request.ts";
import type { SessionRequest } from "../sessions/session-request.ts";

/** Those from whom a request took its lock. */
export interface Robbed {
  /** By fence. */
  readonly holders: Map<number, Holder>;
  /** What this process holds of that name now. */
  grants: Iterable<HeldGrant>;
}

/** How long a message is tried to be left, while the store fails or a session has too many of them. */
const patienceTtls = 2;
const attemptsPerTtl = 4;

/**
 * Tells those whose lock was stolen: who is of this process before this function returns, the others by a message that
 * they read within a third of their TTL. Never rejects: who cannot be told learns of it when it releases.
 */
export async function tellRobbed(
  host: RosterHost,
  { holders, grants }: Robbed,
  clientId: string,
): Promise<void> {
  const by = `the lock manager with the client id ${clientId}`;
  const toTell = [...holders.values()].map((holder): [Holder, SessionRequest] => {
    const { runtime } = host;
    const words = { by, reason: "it was stolen, by a request with steal: true" };
    const stamp = { id: runtime.id(), ticket: holder.ticket, atMs: runtime.wallMs() };
    return [holder, { kind: "released", ...words, ...stamp }];
  });
  const own = new Map([...grants].map((grant) => [idOf(grant.holder), grant]));
  const others = toTell.filter(([holder, request]) => own.get(idOf(holder))?.onRequest(request) !== true);
  await Promise.all(others.map(([holder, request]) => post(host, holder, request)));
}

/** Those to one session share their writes. */
async function post(host: RosterHost, { session, ttlMs }: Holder, request: SessionRequest): Promise<void> {
  for (let attempt = 0; attempt < patienceTtls * attemptsPerTtl; attempt += 1) {
    try {
      if ((await postRequest(host, session, request)) !== "full") return;
    } catch (error) {
      // The store refuses for good, or was closed: no later attempt would fare better.
      if (!isTransient(error)) return;
    }
    await sleep(host.runtime, ttlMs / attemptsPerTtl, { holdsProcessOpen: true });
  }
}

function idOf({ session, ticket }: Holder): string {
  return `${session} ${ticket}`;
}
