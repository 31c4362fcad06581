import type { Backend, StoredRecord } from "../core/backend.ts";
import type { Events } from "../core/events.ts";
import type { Runtime } from "../core/runtime.ts";
import { type Observation, observe, untilDeathMs } from "./observation.ts";
import { decodeSession, encodeSession, sessionKey, tombstoneTtlMs } from "./session-record.ts";
import type { TicketClaim } from "./ticket-book.ts";

/** Where an observer gets everything it needs. */
export interface ObserverContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
  /** Relative difference of clock rates between any two machines that the promise of exclusion allows for. */
  readonly driftTolerance: number;
  readonly events?: Events;
}

/** Somebody else's session, as far as an observer knows. */
export type Verdict =
  | { readonly state: "dead" }
  /** It may be declared dead in `untilDeathMs`, if it stands still until then. */
  | {
      readonly state: "watched";
      readonly untilDeathMs: number;
      readonly ttlMs: number;
      /** What its record says about its tickets, if there is one. */
      readonly tickets: TicketClaim | undefined;
    };

/** Foreign sessions that are remembered; the one not seen for longest is forgotten first. */
const observationsMax = 4_096;

/**
 * Watches over the sessions of others, one observer for all the locks of a client. What it saw is kept between
 * calls, so that a periodic try takes over from a dead holder without ever waiting.
 */
export class SessionObserver {
  readonly #context: ObserverContext;
  readonly #observations = new Map<string, Observation>();

  constructor(context: ObserverContext) {
    this.#context = context;
  }

  /** The key under which the session's record stands. */
  keyOf(session: string): string {
    return sessionKey(this.#context.namespace, session);
  }

  /**
   * Takes in what a read showed. `fallbackTtlMs` is used where there is no record to read the TTL from: a record
   * that seems to be missing may be a lagging replica's, so it must be missing for as long as a live one may be
   * silent.
   */
  note(session: string, record: StoredRecord | null, sentAtMs: number, fallbackTtlMs: number): Verdict {
    const decoded = record === null ? undefined : decodeSession(record.key, record.value);
    if (decoded?.state === "dead") {
      this.#observations.delete(session);
      return { state: "dead" };
    }
    const { runtime, driftTolerance } = this.#context;
    const observation = observe(this.#observations.get(session), {
      version: record?.version ?? null,
      beat: decoded?.beat ?? null,
      ttlMs: decoded?.ttlMs ?? fallbackTtlMs,
      sentAtMs,
      readAtMs: runtime.monotonicMs(),
    });
    this.#remember(session, observation);
    return {
      state: "watched",
      untilDeathMs: untilDeathMs(observation, driftTolerance),
      ttlMs: observation.ttlMs,
      tickets: decoded?.tickets,
    };
  }

  /** Whether a session has been seen to stand still at all. */
  suspects(session: string): boolean {
    return (this.#observations.get(session)?.standstillMs ?? 0) > 0;
  }

  /** When it was looked at last, on the monotonic clock; never: before everything. */
  lastReadAtMs(session: string): number {
    return this.#observations.get(session)?.readAtMs ?? -1;
  }

  /**
   * Declares a session dead that stood still for long enough, by a tombstone under the condition that its record
   * is what was observed. Answers whether it is dead: a heartbeat that came first makes it false, and a heartbeat
   * that comes later finds the tombstone.
   */
  async declareDead(session: string, by: string): Promise<boolean> {
    const { backend, runtime, driftTolerance } = this.#context;
    const observation = this.#observations.get(session);
    if (observation === undefined || untilDeathMs(observation, driftTolerance) > 0) return false;
    const value = encodeSession({ state: "dead", by, atMs: runtime.wallMs() });
    const key = this.keyOf(session);
    const result = await backend.commit([
      { kind: "put", key, value, expect: observation.version, ttlMs: tombstoneTtlMs },
    ]);
    // Only now: after an unknown outcome the same observation still holds, and the same write is tried again.
    this.#observations.delete(session);
    if (result.committed) {
      this.#context.events?.emit("takeover", () => ({ session }));
      return true;
    }
    const current = result.conflicts[0]?.current;
    // Another observer may have been first.
    return current != null && decodeSession(key, current.value).state === "dead";
  }

  #remember(session: string, observation: Observation): void {
    this.#observations.delete(session);
    this.#observations.set(session, observation);
    for (const oldest of this.#observations.keys()) {
      if (this.#observations.size <= observationsMax) break;
      this.#observations.delete(oldest);
    }
  }
}
