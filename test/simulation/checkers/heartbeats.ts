import type { History, HistoryEvent } from "../history.ts";

/** A heartbeat that reached the store. */
export interface Beat {
  readonly session: string;
  readonly by: string;
  readonly sentAtMs: number;
  /** On the clock of the process that sent it. */
  readonly sentLocalMs: number;
  readonly ttlMs: number;
  /** In true time: when the lease ends that this heartbeat renewed, by the clock of the process that sent it. */
  readonly deadlineMs: number;
}

/** Follows a history, and knows of each session the last heartbeat that reached the store so far. */
export class Heartbeats {
  readonly #history: History;
  readonly #sent = new Map<string, Beat>();
  readonly arrived = new Map<string, Beat>();

  constructor(history: History) {
    this.#history = history;
  }

  see(event: HistoryEvent): void {
    if (event.what === "beat sent") {
      const { session, beat, by, ttlMs, atMs: sentAtMs, localMs: sentLocalMs } = event;
      const deadlineMs = sentAtMs + ttlMs / this.#rateOf(by);
      this.#sent.set(`${session}/${beat}`, { session, by, sentAtMs, sentLocalMs, ttlMs, deadlineMs });
    }
    if (event.what !== "store") return;
    for (const { after } of event.changes) {
      if (after?.kind !== "session" || after.record.state !== "live") continue;
      const beat = this.sent(after.session, after.record.beat);
      if (beat !== undefined) this.arrived.set(after.session, beat);
    }
  }

  /** One heartbeat, whether or not it arrived. */
  sent(session: string, beat: number): Beat | undefined {
    return this.#sent.get(`${session}/${beat}`);
  }

  #rateOf(process: string): number {
    const machine = process.split(".")[0];
    return this.#history.plan.clients.find(({ name }) => name === machine)?.clock.rate ?? 1;
  }
}

/** The last heartbeat of each session that reached the store. */
export function lastBeats(history: History): ReadonlyMap<string, Beat> {
  const heartbeats = new Heartbeats(history);
  for (const event of history.events) heartbeats.see(event);
  return heartbeats.arrived;
}
