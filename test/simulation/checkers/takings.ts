import type { Holder, Roster } from "../../../src/roster/roster.ts";
import type { History, HistoryEvent } from "../history.ts";
import { isOwnSession } from "../network.ts";
import { idOf, type RosterStep, stepsIn } from "./checker.ts";
import { Heartbeats } from "./heartbeats.ts";

/** A grant that was taken from its holder, although that one lived. */
export interface Taking {
  readonly atMs: number;
  readonly by: string;
  readonly name: string;
  readonly holder: Holder;
  /** Whether a message to the holder stood in the record of its session by then, or its session had ended. */
  readonly wasTold: boolean;
}

/**
 * Follows a history, and knows what was taken from whom: by a forced release, which the roster remembers, or by a theft
 * of a process that asked for one. Who was robbed may go on until the lease ends that it had when the message reached
 * the record of its session: no heartbeat passes by that message.
 */
export class Takings {
  readonly #heartbeats: Heartbeats;
  /** By entrant: who upgrades, or tries to, has several fences. */
  readonly #taken = new Map<string, Taking>();
  readonly #entrants = new Map<string, string>();
  /** By entrant, and by session where that has ended: when who was told hears of it, at the latest. */
  readonly #hearsByMs = new Map<string, number>();
  readonly #thieves = new Set<string>();

  constructor(history: History) {
    this.#heartbeats = new Heartbeats(history);
  }

  /** Answers what was taken just now. */
  see(event: HistoryEvent): readonly Taking[] {
    this.#heartbeats.see(event);
    if (event.what === "asked" && event.how === "steal") this.#thieves.add(`${event.by} ${event.name}`);
    if (event.what !== "store") return [];
    for (const { before, after } of event.changes) {
      const session = after?.kind === "session" ? after : before?.kind === "session" ? before : undefined;
      if (session === undefined) continue;
      const record = after?.kind === "session" ? after.record : undefined;
      const requests = record?.state === "live" ? (record.requests ?? []) : [];
      for (const { kind, ticket } of requests) {
        if (kind === "released") this.#hearsBy(idOf({ session: session.session, ticket }), session.session);
      }
      if (record?.state !== "live") this.#hearsBy(session.session, session.session);
    }
    return stepsIn(event).flatMap((step) => this.#takenIn(step));
  }

  /** Until when somebody may act under a grant that was taken; `undefined`: it was not. */
  untilMs(name: string, fence: number): number | undefined {
    const taking = this.#taken.get(`${name} ${this.#entrants.get(`${name}/${fence}`)}`);
    if (taking === undefined) return undefined;
    const { holder, by, atMs } = taking;
    // Told by its own process, before anything is taken.
    if (isOwnSession(by, holder.session)) return atMs;
    return (
      this.#hearsByMs.get(idOf(holder)) ?? this.#hearsByMs.get(holder.session) ?? Number.POSITIVE_INFINITY
    );
  }

  #hearsBy(key: string, session: string): void {
    if (this.#hearsByMs.has(key)) return;
    this.#hearsByMs.set(key, this.#heartbeats.arrived.get(session)?.deadlineMs ?? 0);
  }

  #takenIn(step: RosterStep): readonly Taking[] {
    const { atMs, by, name } = step;
    for (const holder of step.after.holders) this.#entrants.set(`${name}/${holder.fence}`, idOf(holder));
    const removed = removedFences(step.before, step.after);
    const isTheft = this.#thieves.has(`${by} ${name}`);
    const stay = new Set(step.after.holders.map(idOf));
    return step.before.holders.flatMap((holder) => {
      const isTaken = removed.has(holder.fence) || (isTheft && !isOwnSession(by, holder.session));
      if (stay.has(idOf(holder)) || !isTaken) return [];
      // Who renewed nothing for so long has lost its lease by its own clock, and need not be told.
      const deadlineMs = this.#heartbeats.arrived.get(holder.session)?.deadlineMs ?? 0;
      if (deadlineMs <= atMs) this.#hearsBy(holder.session, holder.session);
      const wasTold =
        isOwnSession(by, holder.session) ||
        this.#hearsByMs.has(idOf(holder)) ||
        this.#hearsByMs.has(holder.session);
      const taking = { atMs, by, name, holder, wasTold };
      this.#taken.set(`${name} ${idOf(holder)}`, taking);
      return [taking];
    });
  }
}

/** The fences that a step took away by force. */
export function removedFences(before: Roster, after: Roster): ReadonlySet<number> {
  const known = new Set(before.removals?.map(({ id }) => id));
  const added = after.removals?.filter(({ id }) => !known.has(id)) ?? [];
  return new Set(added.flatMap(({ fences }) => fences));
}
