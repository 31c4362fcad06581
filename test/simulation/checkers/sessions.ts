import type { History } from "../history.ts";
import { type Checker, firstDisasterMs } from "./checker.ts";

interface Beat {
  readonly sentAtMs: number;
  readonly sentLocalMs: number;
  readonly ttlMs: number;
  readonly by: string;
}

function rateOf(history: History, process: string): number {
  const machine = process.split(".")[0];
  return history.plan.clients.find(({ name }) => name === machine)?.clock.rate ?? 1;
}

/** Nobody is declared dead before its TTL has passed since it sent the last heartbeat that arrived, by its own clock. */
export const nobodyIsBuriedAlive: Checker = {
  name: "no session is declared dead that renewed in time",
  check(history) {
    if (!history.plan.isDriftTolerated) return [];
    const disasterMs = firstDisasterMs(history);
    const violations: string[] = [];
    const sent = new Map<string, Beat>();
    const arrived = new Map<string, Beat>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      if (event.what === "beat sent") {
        const { session, beat, ttlMs, atMs: sentAtMs, localMs: sentLocalMs, by } = event;
        sent.set(`${session}/${beat}`, { sentAtMs, sentLocalMs, ttlMs, by });
      }
      if (event.what !== "store") continue;
      for (const { after } of event.changes) {
        if (after?.kind !== "session") continue;
        const { session, record } = after;
        if (record.state === "live") {
          const beat = sent.get(`${session}/${record.beat}`);
          if (beat !== undefined) arrived.set(session, beat);
          continue;
        }
        const last = arrived.get(session);
        if (last === undefined) {
          violations.push(`${session} was declared dead at ${event.atMs} before it was born`);
          continue;
        }
        const endsAtMs = last.sentAtMs + last.ttlMs / rateOf(history, last.by);
        if (event.atMs < endsAtMs) {
          violations.push(
            `${session} was declared dead by ${event.by} at ${event.atMs}, and could have lived until ${endsAtMs}`,
          );
        }
      }
    }
    return violations;
  },
};

/** Timers of real processes are no finer than this. */
const timerStepMs = 1.01;

/** A lost lease is told by its deadline: TTL after the last heartbeat that arrived was sent, on the holder's clock. */
export const lossIsToldInTime: Checker = {
  name: "the lost signal comes before the deadline",
  check(history) {
    const violations: string[] = [];
    const sent = new Map<string, Beat>();
    /** The newest heartbeat of each process that reached the store: it cannot know of a later one. */
    const newest = new Map<string, Beat>();
    const wokeAt = new Map<string, number>();
    for (const event of history.events) {
      if (event.what === "process" && (event.state === "resumed" || event.state === "woken"))
        wokeAt.set(event.by, event.localMs);
      if (event.what === "beat sent") {
        const { session, beat, ttlMs, atMs: sentAtMs, localMs: sentLocalMs, by } = event;
        sent.set(`${session}/${beat}`, { sentAtMs, sentLocalMs, ttlMs, by });
      }
      if (event.what === "store") {
        for (const { after } of event.changes) {
          if (after?.kind !== "session" || after.record.state !== "live") continue;
          const beat = sent.get(`${after.session}/${after.record.beat}`);
          if (beat === undefined) continue;
          const before = newest.get(beat.by);
          if (before === undefined || beat.sentLocalMs > before.sentLocalMs) newest.set(beat.by, beat);
        }
      }
      if (event.what !== "acted" && event.what !== "lost") continue;
      const beat = newest.get(event.by);
      const deadlineMs = beat === undefined ? Number.NEGATIVE_INFINITY : beat.sentLocalMs + beat.ttlMs;
      // Who asks is told at once; the signal by itself comes with a timer, and after a stop as soon as it goes on.
      const limitMs =
        event.what === "acted" ? deadlineMs : Math.max(deadlineMs, wokeAt.get(event.by) ?? 0) + timerStepMs;
      const isLate = event.what === "acted" ? event.localMs >= limitMs : event.localMs > limitMs;
      if (isLate && !(event.what === "lost" && event.reason !== "LEASE_LOST")) {
        violations.push(
          `${event.by} ${event.what} under call ${event.call} at ${event.localMs} of its clock; its lease ended at ${deadlineMs}`,
        );
      }
    }
    return violations;
  },
};
