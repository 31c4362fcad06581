import type { Backend, StoredRecord } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { OutcomeUnknownError, UnavailableError } from "../core/errors.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { messageHint } from "./session.ts";
import {
  decodeSession,
  encodeSession,
  type LiveSession,
  liveRecordTtlMs,
  sessionKey,
  tombstoneTtlMs,
} from "./session-record.ts";
import { addRequests, type SessionRequest } from "./session-request.ts";

/** `posted`: it stands in the record; its session reads it within a third of its TTL, if it lives. */
export type PostOutcome = "posted" | "gone" | "full";

/** What is needed to leave a message. */
export interface PostContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
}

/** Sessions that had no room when they were looked at last: since when at the same beat, by the session record's key. */
export type Standstills = Map<string, { readonly beat: number; readonly sinceMs: number }>;

interface Letter {
  readonly request: SessionRequest;
  readonly resolve: (outcome: PostOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Writes that may come between a read and the write over it: a heartbeat, or somebody else with a message. */
const conflictsMax = 64;
const failuresMax = 4;
const pauses = { firstMs: 20, maxMs: 1_000 };
/** Who has not renewed its session for this long reads nothing any more: its lease is over. */
const patienceTtls = 1;
/** Looks for room in a TTL, at least. */
const looksPerTtl = 10;
/** Heartbeats that made room which others took. */
const crowdedBeatsMax = 64;
const standstillsMax = 256;

/**
 * What one client has to say to one session. One write is on its way at a time, and the next one carries everything that
 * came meanwhile and that there is room for. A write goes through only if the record is what was read.
 */
export class Outbox {
  readonly #context: PostContext;
  readonly #session: string;
  readonly #key: string;
  readonly #standstills: Standstills;
  #letters: Letter[] = [];
  /** What the last write met, if it said so. */
  #met: StoredRecord | undefined;
  #failures = 0;
  #conflicts = 0;
  #crowdedBeats = 0;

  constructor(context: PostContext, session: string, standstills: Standstills) {
    this.#context = context;
    this.#session = session;
    this.#key = sessionKey(context.namespace, session);
    this.#standstills = standstills;
  }

  /** Puts a message in. */
  add(request: SessionRequest): Promise<PostOutcome> {
    return new Promise((resolve, reject) => this.#letters.push({ request, resolve, reject }));
  }

  /** Delivers what is put in, until nothing is left; then calls `done` before anything else can be put in. */
  async empty(done: () => void): Promise<void> {
    while (this.#letters.length > 0) {
      let pauseMs = 0;
      try {
        pauseMs = await this.#deliver();
      } catch (error) {
        pauseMs = this.#fail(error);
      }
      if (pauseMs > 0) await sleep(this.#context.runtime, pauseMs, { holdsProcessOpen: true });
    }
    done();
  }

  /** One read, if need be, and one write. Answers how long to wait before the next. */
  async #deliver(): Promise<number> {
    const { backend } = this.#context;
    const isDecided = this.#letters.some(({ request }) => request.kind === "released");
    const current = this.#met ?? (await this.#find(isDecided));
    this.#met = undefined;
    const record = current === null ? undefined : decodeSession(this.#key, current.value);
    if (current === null || record === undefined || record.state === "dead") {
      // Whoever came with a forced release meanwhile wants it decided.
      const isOver = current !== null || isDecided;
      this.#settle("gone", ({ kind }) => isOver || kind === "revoke");
      this.#standstills.delete(this.#key);
      return 0;
    }
    const wanted = this.#letters.map(({ request }) => request);
    const { record: changed, posted } = addRequests(record, wanted);
    if (posted.length === 0) return this.#waitForRoom(record);
    if (changed !== undefined) {
      const value = encodeSession(changed);
      const put = { kind: "put", key: this.#key, value, expect: current.version } as const;
      const result = await backend.commit([{ ...put, ttlMs: liveRecordTtlMs(record.ttlMs) }]);
      if (!result.committed) {
        this.#meet(result.conflicts[0]?.current ?? undefined);
        return 0;
      }
    }
    this.#standstills.delete(this.#key);
    this.#failures = 0;
    this.#conflicts = 0;
    this.#crowdedBeats = 0;
    wake(backend, this.#session);
    this.#settle("posted", (request) => posted.includes(request));
    return 0;
  }

  /**
   * A lagging replica may show a young session as absent. Who is asked to give up may miss that; before anything is
   * taken, a tombstone under the condition that there is nothing decides it.
   */
  async #find(isDecided: boolean): Promise<StoredRecord | null> {
    const { backend, runtime } = this.#context;
    const key = this.#key;
    const [read] = await backend.get([key]);
    if (read != null) return read;
    if (!isDecided) return null;
    const by = this.#letters.find(({ request }) => request.kind === "released")?.request.by ?? "";
    const value = encodeSession({ state: "dead", by, atMs: runtime.wallMs() });
    const put = { kind: "put", key, value, expect: null, ttlMs: tombstoneTtlMs } as const;
    const result = await backend.commit([put]);
    if (result.committed) return null;
    const current = result.conflicts[0]?.current;
    if (current == null)
      throw new UnavailableError(`the store shows no record of ${key}, and says there is one`);
    return current;
  }

  #meet(current: StoredRecord | undefined): void {
    this.#met = current;
    this.#conflicts += 1;
    if (this.#conflicts < conflictsMax) return;
    this.#failures = failuresMax;
    throw new UnavailableError(
      `the record of session ${this.#session} changed ${conflictsMax} times while a message was written into it`,
    );
  }

  /** Who lives makes room within a third of its TTL; who does not must not be waited for. */
  #waitForRoom({ beat, ttlMs }: LiveSession): number {
    const { runtime } = this.#context;
    const nowMs = runtime.monotonicMs();
    const seen = this.#standstills.get(this.#key);
    if (seen?.beat !== beat) {
      this.#standstills.delete(this.#key);
      this.#standstills.set(this.#key, { beat, sinceMs: nowMs });
      for (const oldest of this.#standstills.keys()) {
        if (this.#standstills.size <= standstillsMax) break;
        this.#standstills.delete(oldest);
      }
      this.#crowdedBeats += 1;
      if (this.#crowdedBeats > crowdedBeatsMax) {
        this.#failures = failuresMax;
        throw new UnavailableError(
          `others left messages for session ${this.#session} at each of ${crowdedBeatsMax} heartbeats: try again`,
        );
      }
    } else if (nowMs - seen.sinceMs >= patienceTtls * ttlMs) {
      this.#settle("full", () => true);
      return 0;
    }
    return (ttlMs / looksPerTtl) * (0.5 + runtime.random() / 2);
  }

  #fail(error: unknown): number {
    const isTransient = error instanceof UnavailableError || error instanceof OutcomeUnknownError;
    if (!isTransient || this.#failures >= failuresMax) {
      for (const { reject } of this.#letters.splice(0)) reject(error);
      return 0;
    }
    this.#failures += 1;
    return backoffMs(this.#context.runtime, this.#failures - 1, pauses);
  }

  #settle(outcome: PostOutcome, isMeant: (request: SessionRequest) => boolean): void {
    const letters = this.#letters;
    this.#letters = letters.filter(({ request }) => !isMeant(request));
    for (const { request, resolve } of letters) if (isMeant(request)) resolve(outcome);
  }
}

function wake(backend: Backend, session: string): void {
  if (!backend.capabilities.wake) return;
  try {
    backend.wake(session, messageHint);
  } catch {
    // The message stands there, whatever becomes of the hint: the next heartbeat finds it.
  }
}
