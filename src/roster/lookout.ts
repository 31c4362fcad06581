import type { Runtime } from "../core/runtime.ts";
import type { SessionObserver } from "../sessions/session-observer.ts";
import { isOver } from "../sessions/ticket-book.ts";
import { type Entrant, evict, leave, type Roster } from "./roster.ts";
import type { RosterDriver } from "./roster-driver.ts";
import type { RosterView } from "./roster-view.ts";

/** Takes out whom nobody stands behind any more. Safe to apply to any later roster too. */
export type Healing = (roster: Roster) => Roster;

/** What a look at the store showed. */
export interface Sighting {
  readonly view: RosterView;
  /** Left out if there is nobody to take out. */
  readonly heal?: Healing;
  /** When to look at the same entrants again. */
  readonly nextLookMs: number;
}

/** What a lookout works with. */
export interface LookoutContext {
  readonly runtime: Runtime;
  readonly observer: SessionObserver;
  /** Who declares a death, for the tombstone. */
  readonly self: string;
}

/** Sessions looked at in one request. Those not looked at for longest come first, after those that stand still. */
const sessionsMax = 64;
/** Two and a half reads in a TTL see every heartbeat of a live session in time, within a budget of three. */
export const lookEveryTtls = 0.4;

/**
 * Reads a roster together with the sessions of some of its entrants, in one request, and declares those dead
 * that have stood still for long enough.
 *
 * Looks at those in `near`; and once one of them has been seen to stand still, which no live session does between
 * two looks, also at those in `further`: a whole fleet may have crashed, and its sessions end side by side.
 */
export async function lookOut(
  context: LookoutContext,
  driver: RosterDriver,
  near: readonly Entrant[],
  further: readonly Entrant[],
): Promise<Sighting> {
  const { observer, runtime, self } = context;
  const entrants = near.some(({ session }) => observer.suspects(session)) ? [...near, ...further] : near;
  const ttls = new Map<string, number>();
  for (const { session, ttlMs } of inTurn(entrants, observer)) {
    if (ttls.size < sessionsMax) ttls.set(session, ttlMs);
  }
  const sessions = [...ttls.keys()];
  const sentAtMs = runtime.monotonicMs();
  const { view, others } = await driver.read(sessions.map((session) => observer.keyOf(session)));
  const healings: Healing[] = [];
  let nextLookMs = Number.POSITIVE_INFINITY;
  for (const [index, session] of sessions.entries()) {
    const verdict = observer.note(session, others[index] ?? null, sentAtMs, ttls.get(session) ?? 0);
    const bury = (roster: Roster): Roster => evict(roster, session);
    if (verdict.state === "dead") {
      healings.push(bury);
      continue;
    }
    const { tickets, untilDeathMs, ttlMs } = verdict;
    // The record was rolled back to a state that its session has left long ago.
    const leftovers = entrants.filter(
      (it) => it.session === session && tickets && isOver(tickets, it.ticket),
    );
    healings.push(...leftovers.map((entrant) => (roster: Roster) => leave(roster, entrant)));
    if (untilDeathMs > 0) nextLookMs = Math.min(nextLookMs, Math.ceil(untilDeathMs), lookEveryTtls * ttlMs);
    else if (await observer.declareDead(session, self)) healings.push(bury);
    else nextLookMs = Math.min(nextLookMs, lookEveryTtls * ttlMs);
  }
  if (healings.length === 0) return { view, nextLookMs };
  return { view, nextLookMs, heal: (roster) => healings.reduce((healed, heal) => heal(healed), roster) };
}

/** Who is to be looked at first, where not all can be looked at in one request. */
function inTurn(entrants: readonly Entrant[], observer: SessionObserver): readonly Entrant[] {
  if (entrants.length <= sessionsMax) return entrants;
  const urgency = ({ session }: Entrant): number =>
    observer.suspects(session) ? Number.NEGATIVE_INFINITY : observer.lastReadAtMs(session);
  return [...entrants].sort((left, right) => urgency(left) - urgency(right) || 0);
}
