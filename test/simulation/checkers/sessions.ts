import type { DecodedChange } from "../history.ts";
import { type Checker, firstDisasterMs } from "./checker.ts";
import { Ends } from "./ends.ts";
import { type Beat, Heartbeats } from "./heartbeats.ts";

/** Nobody is declared dead before its TTL has passed since it sent the last heartbeat that arrived, by its own clock. */
export const nobodyIsBuriedAlive: Checker = {
  name: "no session is declared dead that renewed in time",
  check(history) {
    if (!history.plan.isDriftTolerated) return [];
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const heartbeats = new Heartbeats(history);
    const over = new Set<string>();
    const closed = new Set<string>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      heartbeats.see(event);
      if (event.what === "process" && (event.state === "crashed" || event.state === "closed")) {
        over.add(event.by);
      }
      if (event.what !== "store") continue;
      for (const { before, after } of event.changes) {
        // Closed by its own process: there is nobody to bury.
        if (before?.kind === "session" && after === null) closed.add(before.session);
        if (after?.kind !== "session" || after.record.state !== "dead" || closed.has(after.session)) continue;
        // A later life of the same machine knows that the earlier one is over.
        const owner = heartbeats.arrived.get(after.session)?.by;
        if (owner !== undefined && over.has(owner) && machineOf(owner) === machineOf(event.by)) continue;
        const deadlineMs = heartbeats.arrived.get(after.session)?.deadlineMs ?? Number.POSITIVE_INFINITY;
        // Who finds its own record gone ends it itself.
        const isOwn = heartbeats.arrived.get(after.session)?.by === event.by;
        if (event.atMs < deadlineMs && !isOwn) {
          violations.push(
            `${after.session} was declared dead by ${event.by} at ${event.atMs}, and could have lived until ${deadlineMs}`,
          );
        }
      }
    }
    return violations;
  },
};

/** A session that was declared dead stays dead: no late heartbeat brings it back. */
export const theDeadStayDead: Checker = {
  name: "a session that was declared dead stays dead",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      if (event.what !== "store") continue;
      for (const { before, after } of event.changes) {
        const wasDead = before?.kind === "session" && before.record.state === "dead";
        if (wasDead && !(after?.kind === "session" && after.record.state === "dead")) {
          violations.push(`${before.session} was dead, and ${event.by} wrote over it at ${event.atMs}`);
        }
      }
    }
    return violations;
  },
};

/** What a sum of wall clocks and fractions may be off by. */
const roundingMs = 1e-3;
/** Timers of real processes are no finer than this. */
const timerStepMs = 1.01;

/** A lost lease is told by its deadline: TTL after the last heartbeat that arrived was sent, on the holder's clock. */
export const lossIsToldInTime: Checker = {
  name: "the lost signal comes before the deadline",
  check(history) {
    const violations: string[] = [];
    const heartbeats = new Heartbeats(history);
    /** The newest heartbeat of each process that reached the store: it cannot know of a later one. */
    const newest = new Map<string, Beat>();
    const wentOnAt = new Map<string, number>();
    for (const event of history.events) {
      heartbeats.see(event);
      if (event.what === "process" && (event.state === "resumed" || event.state === "woken")) {
        wentOnAt.set(event.by, event.localMs);
      }
      if (event.what === "store") {
        for (const beat of beatsIn(event.changes, heartbeats)) {
          if (beat.sentLocalMs > (newest.get(beat.by)?.sentLocalMs ?? 0)) newest.set(beat.by, beat);
        }
      }
      if (event.what !== "acted" && event.what !== "lost") continue;
      const beat = newest.get(event.by);
      const deadlineMs = beat === undefined ? 0 : beat.sentLocalMs + beat.ttlMs;
      // Who asks is told at once; the signal by itself comes with a timer, and after a stop as soon as it goes on.
      const signalMs = Math.max(deadlineMs, wentOnAt.get(event.by) ?? 0) + timerStepMs;
      const isLate =
        event.what === "acted"
          ? event.localMs >= deadlineMs
          : event.localMs > signalMs && event.reason === "LEASE_LOST";
      if (isLate) {
        violations.push(
          `${event.by} ${event.what} under call ${event.call} at ${event.localMs} of its clock; its lease ended at ${deadlineMs}`,
        );
      }
    }
    return violations;
  },
};

/** On which machine a process runs. */
function machineOf(process: string): string | undefined {
  return process.split(".")[0];
}

/** The heartbeats that a store event brought. */
function beatsIn(changes: readonly DecodedChange[], heartbeats: Heartbeats): readonly Beat[] {
  return changes.flatMap(({ after }) => {
    const beat = after?.kind === "session" ? heartbeats.arrived.get(after.session) : undefined;
    return beat === undefined ? [] : [beat];
  });
}

/** A lease ends early only if the session was declared dead, its record vanished, or the machine's clocks jumped. */
export const noLeaseIsLostWithoutReason: Checker = {
  name: "no lease is lost without a reason",
  check(history) {
    if (!history.plan.areWallClocksRight || firstDisasterMs(history) < Number.POSITIVE_INFINITY) return [];
    const violations: string[] = [];
    const heartbeats = new Heartbeats(history);
    const answered = new Map<string, Beat>();
    const dead = new Set<string>();
    const slept = new Set<string>();
    const taken = new Ends(history);
    for (const event of history.events) {
      heartbeats.see(event);
      if (event.what === "store") {
        for (const { after } of event.changes) {
          if (after?.kind !== "session" || after.record.state !== "dead") continue;
          const owner = heartbeats.arrived.get(after.session)?.by;
          if (owner !== undefined) dead.add(owner);
        }
      }
      if (event.what === "process" && event.state === "woken") slept.add(event.by);
      if (event.what === "beat answered") {
        const beat = heartbeats.sent(event.session, event.beat);
        // An answer that comes after the end renews nothing.
        const isInTime = event.atMs < endsAtMs(answered.get(event.by));
        const isNew = answered.get(event.by)?.session !== event.session;
        if (beat !== undefined && (isInTime || isNew)) answered.set(event.by, beat);
      }
      taken.see(event);
      if (event.what !== "lost" || event.reason !== "LEASE_LOST") continue;
      if (dead.has(event.by) || slept.has(event.by) || taken.has(event)) continue;
      const deadlineMs = endsAtMs(answered.get(event.by));
      if (event.atMs < deadlineMs - roundingMs) {
        violations.push(
          `${event.by} lost call ${event.call} at ${event.atMs}, although its heartbeat was answered: ${deadlineMs}`,
        );
      }
    }
    return violations;
  },
};

/** When a lease ends where wall clocks are right: they may run ahead of a slow monotonic clock. */
function endsAtMs(beat: Beat | undefined): number {
  return beat === undefined ? 0 : Math.min(beat.deadlineMs, beat.sentAtMs + beat.ttlMs);
}
