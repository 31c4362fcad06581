import type { Backend } from "../core/backend.ts";
import { Events } from "../core/events.ts";
import type { Runtime } from "../core/runtime.ts";
import { elapsedMs, type Instant, instant } from "../sessions/lease-clock.ts";
import { type LeaseKeeper, RenewalLoop } from "../sessions/renewal-loop.ts";
import type { SessionRequest } from "../sessions/session-request.ts";
import type { TicketClaim } from "../sessions/ticket-book.ts";
import { copyError } from "./error-copy.ts";
import { SharedInstant } from "./shared-memory.ts";
import type { FromThread, SessionOrder } from "./thread-messages.ts";

/** What the sessions of one heartbeat thread have in common. */
export interface ThreadContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  /** When the main thread showed last that its event loop runs. */
  readonly life: SharedInstant;
  readonly post: (message: FromThread) => void;
}

/** One session in the heartbeat thread: keeps its deadline as the main thread does, and watches over that thread. */
export class ThreadSession implements LeaseKeeper {
  readonly loop: RenewalLoop;
  readonly #context: ThreadContext;
  readonly #session: string;
  readonly #order: SessionOrder;
  readonly #lease: SharedInstant;
  #claim: TicketClaim;
  #renewedAt: Instant;
  #lastFailure: unknown;
  #isOver = false;

  constructor(context: ThreadContext, session: string, order: SessionOrder) {
    const { backend, runtime, post } = context;
    const { namespace, client, ttlMs, lease, claim } = order;
    this.#context = context;
    this.#session = session;
    this.#order = order;
    this.#lease = new SharedInstant(lease);
    this.#claim = claim;
    this.#renewedAt = instant(runtime);
    const events = new Events();
    events.on("heartbeat", ({ lateMs, roundTripMs, error }) =>
      post({ kind: "heartbeat", session, ttlMs, lateMs, roundTripMs, error: copyError(error) }),
    );
    this.loop = new RenewalLoop({ backend, runtime, namespace, client, events }, session, ttlMs, this);
  }

  /** Opens the record and answers. */
  async open(): Promise<void> {
    const { post } = this.#context;
    const session = this.#session;
    try {
      await this.loop.open();
      post({ kind: "opened", session });
    } catch (error) {
      post({ kind: "refused", session, error: copyError(error) ?? { name: "Error", message: "unknown" } });
    }
  }

  /** Takes the newest claim. */
  heed(claim: TicketClaim): void {
    this.#claim = claim;
  }

  /** Ends it, for the main thread. */
  stop(): void {
    this.#isOver = true;
    this.loop.stop();
    this.#context.post({ kind: "stopped", session: this.#session, version: this.loop.version });
  }

  isOver(): boolean {
    this.#checkDeadline();
    if (!this.#isOver) this.#checkLife();
    return this.#isOver;
  }

  claim(): TicketClaim {
    return this.#claim;
  }

  onRenewed(sentAt: Instant): void {
    // The answer may come after the deadline: then nobody may be told that it was renewed.
    this.#checkDeadline();
    if (this.#isOver) return;
    this.#renewedAt = sentAt;
    this.#lease.write(sentAt);
    this.#context.post({ kind: "renewed", session: this.#session, version: this.loop.version });
  }

  onAttempt(failure: unknown): void {
    this.#lastFailure = failure;
    this.#context.post({ kind: "attempt", session: this.#session, failure: copyError(failure) });
  }

  onEnded(why: string, cause?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.loop.stop();
    // In this order: who sees the end looks for the reason.
    this.#context.post({ kind: "ended", session: this.#session, why, cause: copyError(cause) });
    this.#lease.end();
  }

  onRequest(request: SessionRequest): void {
    this.#context.post({ kind: "request", session: this.#session, request });
  }

  #checkDeadline(): void {
    const { ttlMs } = this.#order;
    if (elapsedMs(this.#renewedAt, instant(this.#context.runtime)) < ttlMs) return;
    this.onEnded(`it was not renewed within its TTL of ${ttlMs} ms`, this.#lastFailure);
  }

  #checkLife(): void {
    const { runtime, life } = this.#context;
    const { watchdogMs } = this.#order;
    const livedAtMs = life.read()?.monotonicMs ?? runtime.monotonicMs();
    const silentMs = runtime.monotonicMs() - livedAtMs;
    if (silentMs <= watchdogMs) return;
    this.onEnded(
      `its watchdog let it go: the event loop of the main thread had not run for ${Math.round(silentMs)} ms, and ` +
        `the watchdog allows ${watchdogMs} ms`,
    );
  }
}
