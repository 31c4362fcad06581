import type { StoredRecord } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { AbortedError } from "../core/errors.ts";
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

/** How a new life comes in. */
export interface Succession {
  readonly enter: (roster: Roster, entrant: Entrant) => Roster;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Stands where earlier lives stood. Their death is decided before; where the roster that it comes into shows another one,
 * whose last write landed meanwhile, that one's as well, and it comes in anew.
 */
export async function succeed<T>(
  host: RosterHost,
  life: EarlierLife,
  { failing, waitMs, signal }: Patience,
  stand: (succession: Succession) => Promise<T>,
): Promise<T> {
  const { runtime } = host;
  const startedAtMs = runtime.monotonicMs();
  const seen = new Set<string>();
  for (;;) {
    const leftMs = (): number => Math.max(1, waitMs - (runtime.monotonicMs() - startedAtMs));
    const dead = await bury(host, life, seen, { failing, waitMs: leftMs(), signal });
    const found = new AbortController();
    const enter = (roster: Roster, entrant: Entrant): Roster => {
      if (standing(roster, entrant).place !== "absent") return roster;
      const others = livesIn(roster, life).filter((session) => !dead.has(session));
      if (others.length === 0) return takeOver(roster, entrant, dead);
      for (const session of others) seen.add(session);
      // Not in the midst of a change.
      queueMicrotask(() => found.abort());
      return roster;
    };
    const either = signal === undefined ? found.signal : AbortSignal.any([signal, found.signal]);
    try {
      return await stand({ enter, waitMs: leftMs(), signal: either });
    } catch (error) {
      const isOver = signal?.aborted === true || !(error instanceof AbortedError);
      if (isOver || !found.signal.aborted) throw error;
    }
  }
}

/**
 * Decides the death of every session under which this identity still stands in the roster, or was seen there, and answers
 * which those were. Each is decided by a tombstone over the version just read: a heartbeat that came in between makes it look
 * again, and one that comes later finds the tombstone.
 *
 * One read where there was no earlier life; two reads, and a write for each session, where there was.
 */
function bury(
  host: RosterHost,
  life: EarlierLife,
  seen: ReadonlySet<string>,
  patience: Patience,
): Promise<ReadonlySet<string>> {
  const answer = new PendingAnswer<ReadonlySet<string>>(host.runtime, patience, false);
  void buryAll(host, life, seen, answer);
  return answer.promise;
}

async function buryAll(
  host: RosterHost,
  life: EarlierLife,
  seen: ReadonlySet<string>,
  answer: PendingAnswer<ReadonlySet<string>>,
): Promise<void> {
  const { runtime } = host;
  for (let attempt = 0; answer.isOpen; attempt += 1) {
    try {
      // Asked for anew each time: a coordinator that was closed meanwhile says so.
      const roster = await host.queue(life.target).board.read();
      const sessions = new Set([...seen, ...livesIn(roster, life)]);
      if (!answer.isOpen) return;
      if (await areDead(host, [...sessions], life.identity)) return answer.resolve(sessions);
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

/** The sessions of others under which an identity stands in a roster. */
function livesIn({ holders, waiters }: Roster, { identity, isOwn }: EarlierLife): readonly string[] {
  return [...holders, ...waiters]
    .filter((entrant) => entrant.identity === identity && !isOwn(entrant.session))
    .map(({ session }) => session);
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
function takeOver(roster: Roster, entrant: Entrant, dead: ReadonlySet<string>): Roster {
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
