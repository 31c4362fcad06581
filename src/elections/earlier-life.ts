import type { StoredRecord } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { startSleep } from "../core/runtime.ts";
import { type Patience, PendingAnswer } from "../roster/pending-answer.ts";
import { type Entrant, evict, isFull, join, type Roster, standing } from "../roster/roster.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import { decodeSession, encodeSession, sessionKey, tombstoneTtlMs } from "../sessions/session-record.ts";

/** Whose earlier life is looked for. */
export interface EarlierLife {
  readonly target: RosterName;
  readonly identity: string;
  /** Whether a session is this process's own, and lives. */
  readonly isOwn: (session: string) => boolean;
}

/**
 * Decides the death of every session under which this identity still stands in the roster, and answers which those
 * were. Each is decided by a tombstone over the version just read: a heartbeat that came in between makes it look
 * again, and one that comes later finds the tombstone.
 *
 * One read where there was no earlier life; two reads, and a write for each session, where there was.
 */
export function buryEarlierLife(
  host: RosterHost,
  life: EarlierLife,
  patience: Patience,
): Promise<ReadonlySet<string>> {
  const answer = new PendingAnswer<ReadonlySet<string>>(host.runtime, patience, false);
  void bury(host, life, answer);
  return answer.promise;
}

async function bury(
  host: RosterHost,
  { target, identity, isOwn }: EarlierLife,
  answer: PendingAnswer<ReadonlySet<string>>,
): Promise<void> {
  const { runtime } = host;
  for (let attempt = 0; answer.isOpen; attempt += 1) {
    try {
      // Asked for anew each time: a coordinator that was closed meanwhile says so.
      const roster = await host.queue(target).board.read();
      const sessions = [...roster.holders, ...roster.waiters]
        .filter((entrant) => entrant.identity === identity && !isOwn(entrant.session))
        .map(({ session }) => session);
      if (!answer.isOpen) return;
      if (await areDead(host, [...new Set(sessions)], identity)) return answer.resolve(new Set(sessions));
    } catch (error) {
      if (!isTransient(error)) return answer.reject(error);
      answer.isWanted(error);
    }
    if (!answer.isOpen) return;
    // Also after a heartbeat that came in between: a replica that lags may go on showing what is over.
    const pause = startSleep(runtime, backoffMs(runtime, attempt, failureBackoff), {
      holdsProcessOpen: true,
    });
    const unsubscribe = answer.onAnswered(pause.end);
    await pause.over;
    unsubscribe();
  }
}

/** Answers whether all of them are dead now. */
async function areDead(host: RosterHost, sessions: readonly string[], by: string): Promise<boolean> {
  if (sessions.length === 0) return true;
  const { backend, namespace, runtime } = host;
  const keys = sessions.map((session) => sessionKey(namespace, session));
  const records = await backend.get(keys);
  let isDone = true;
  for (const [index, key] of keys.entries()) {
    const record = records[index] ?? null;
    if (isTombstone(record)) continue;
    const value = encodeSession({ state: "dead", by, atMs: runtime.wallMs() });
    const expect = record?.version ?? null;
    const result = await backend.commit([{ kind: "put", key, value, expect, ttlMs: tombstoneTtlMs }]);
    if (!result.committed && !isTombstone(result.conflicts[0]?.current ?? null)) isDone = false;
  }
  return isDone;
}

function isTombstone(record: StoredRecord | null): boolean {
  return record !== null && decodeSession(record.key, record.value).state === "dead";
}

/**
 * Puts an entrant where its earlier life stood, and takes that out: a leader leads on in the next term, a candidate
 * keeps its place in line. Where the earlier life is gone already, it joins at the end.
 */
export function takeOver(roster: Roster, entrant: Entrant, dead: ReadonlySet<string>): Roster {
  if (standing(roster, entrant).place !== "absent") return roster;
  const isEarlier = ({ session, identity }: Entrant): boolean =>
    dead.has(session) && identity === entrant.identity;
  const hasLed = roster.holders.some(isEarlier);
  const stoodAt = roster.waiters.findIndex(isEarlier);
  let healed = roster;
  for (const session of dead) healed = evict(healed, session);
  if (!hasLed && stoodAt < 0) return isFull(healed) ? healed : join(healed, entrant);
  const ahead = hasLed
    ? 0
    : roster.waiters.slice(0, stoodAt).filter(({ session }) => !dead.has(session)).length;
  return { ...healed, waiters: healed.waiters.toSpliced(ahead, 0, entrant) };
}
