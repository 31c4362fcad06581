import { ClosedError } from "../core/errors.ts";
import type { SessionContext } from "./renewal-loop.ts";
import { Session } from "./session.ts";
import type { SessionRequest } from "./session-request.ts";

/** One live session for each TTL, opened on first need and shared by everything that a coordinator holds. */
export class SessionPool {
  readonly #context: SessionContext;
  readonly #sessions = new Map<number, Promise<Session>>();
  readonly #live = new Map<number, Session>();
  #isClosed = false;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** The session of this TTL. A lost one is never revived: another one is opened. */
  get(ttlMs: number): Promise<Session> {
    return this.#sessions.get(ttlMs) ?? this.#open(ttlMs);
  }

  /** The session of this TTL, if there is one that lives. */
  live(ttlMs: number): Session | undefined {
    return this.#live.get(ttlMs);
  }

  /** Whether a session is this client's own and still lives. */
  owns(session: string): boolean {
    for (const own of this.#live.values()) if (own.id === session) return true;
    return false;
  }

  /** Hands a message to a session that is this client's own. Answers whether it is. */
  hear(session: string, request: SessionRequest): boolean {
    for (const own of this.#live.values()) {
      if (own.id !== session) continue;
      own.hear(request);
      return true;
    }
    return false;
  }

  /** Ends every session, and opens no other. What they held must be released before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const closing = [...this.#sessions.values()].map(async (session) => (await session).close());
    this.#sessions.clear();
    // A record that cannot be deleted is collected by the store: nothing refers to it.
    await Promise.allSettled(closing);
  }

  #open(ttlMs: number): Promise<Session> {
    if (this.#isClosed) return Promise.reject(new ClosedError("the coordinator is closed"));
    const forget = (): void => {
      if (this.#sessions.get(ttlMs) === opening) this.#sessions.delete(ttlMs);
    };
    const opening = Session.open(this.#context, ttlMs).then((session) => {
      this.#live.set(ttlMs, session);
      session.addLossListener({
        onSessionLost: () => {
          this.#live.delete(ttlMs);
          forget();
        },
      });
      return session;
    });
    opening.catch(forget);
    this.#sessions.set(ttlMs, opening);
    return opening;
  }
}
