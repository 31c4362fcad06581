import type { Unsubscribe } from "../core/backend.ts";
import { type AbortedError, type LeaseholdError, LeaseLostError } from "../core/errors.ts";
import { invariant } from "../core/invariant.ts";
import type { LossListener, Session } from "../sessions/session.ts";
import type { SessionRequest } from "../sessions/session-request.ts";
import type { AcquireRequest } from "./acquisition.ts";
import { watchClocks } from "./clock-signal.ts";
import { GrantEvents, type GrantListener } from "./grant-events.ts";
import type { GrantOrigin } from "./grant-origin.ts";
import type { GrowthRetreat } from "./growth.ts";
import { HoldLimit } from "./hold-limit.ts";
import {
  forcedReleaseError,
  heldTooLongError,
  lostWithSession,
  revokeRequest,
  takenMessage,
} from "./intervention.ts";
import { type Holder, type Roster, standing } from "./roster.ts";

/**
 * `held`: yours. `uncertain`: a renewal is overdue and the deadline has not come; finish or pause. `lost`: not
 * yours any more, somebody else may hold it. `released`: given back.
 */
export type GrantState = "held" | "uncertain" | "lost" | "released";

/**
 * What a successful acquire returns.
 *
 * Guarantee: at most one holder for each fence, and fences of a name rise for ever. As long as the holder stops
 * when `signal` aborts, and clock rates of any two machines differ by no more than the stated tolerance, critical
 * sections do not overlap. Limit: nothing can stop a process that is paused and wakes up late from acting once
 * more; a resource that refuses a smaller `fence` than it has seen can.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * await using grant = await coordinator.lock("invoice-42").acquire();
 * console.log(grant.fence > 0, grant.state, grant.signal.aborted); // true held false
 * ```
 */
export interface Grant extends AsyncDisposable {
  /** The name that was acquired. */
  readonly name: string;
  /** The fencing token: larger than that of every earlier grant of this name. A safe integer. */
  readonly fence: number;
  /**
   * Aborts with a {@link LeaseLostError} when the lease is lost. Reading `aborted` looks at the clocks first, so
   * a process that was paused learns of the loss at its first question.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts when somebody asks the holder to give it back, by `requestRevoke`. A request, no more: the grant goes on
   * until it is released. The reason is an `AbortedError` whose `cause` is an {@link Intervention}.
   */
  readonly revokeRequested: AbortSignal;
  /** When it was granted, by this machine's wall clock. */
  readonly acquiredAt: Date;
  /** The state now. Looks at the clocks; asks no store. */
  readonly state: GrantState;
  /** Milliseconds until the lease ends unless it is renewed before, or `maxHold` is over; 0 when it is not held. */
  remainingMs(): number;
  /**
   * Throws unless it is held now. Put it right before an action that must not come late.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when lost or released; the message says which.
   */
  assertHeld(): void;
  /**
   * Calls `listener` each time the grant becomes `uncertain` or, after that, `held` again; and once when it is `lost` or
   * `released`, right after this call if it is so already. A timer runs only while somebody listens for the first two.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for another event, or something that is no function.
   */
  on(state: GrantState, listener: GrantListener): Unsubscribe;
  /**
   * Gives it back: one write, which also admits the next in line. Idempotent. An unreachable store is tried
   * until it answers or the lease ends by itself.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when it was lost before; nobody else's grant is touched.
   */
  release(): Promise<void>;
  /** As {@link Grant.release}, but never throws, so that it cannot hide an error of the block it ends. */
  [Symbol.asyncDispose](): Promise<void>;
}

const inspectCustom = Symbol.for("nodejs.util.inspect.custom");

/** The one implementation of {@link Grant}. Small: a process may hold ten thousand. */
export class HeldGrant implements Grant, LossListener {
  readonly #origin: GrantOrigin;
  readonly #limit: HoldLimit | undefined;
  #holder: Holder;
  #lost: LeaseLostError | undefined;
  #release: Promise<void> | undefined;
  #abort: AbortController | undefined;
  #revoke: AbortController | undefined;
  #revokeRequest: AbortedError | undefined;
  #events: GrantEvents | undefined;

  constructor(origin: GrantOrigin) {
    invariant(
      origin.holder.session === origin.session.id,
      "a grant lives and dies with the session that entered",
    );
    this.#origin = origin;
    this.#holder = origin.holder;
    const { maxHold } = origin;
    if (maxHold !== undefined) {
      const { runtime, maxHoldMs } = maxHold;
      this.#limit = new HoldLimit(runtime, maxHoldMs, () => this.lose(heldTooLongError(this, maxHoldMs)));
    }
    origin.session.addLossListener(this);
  }

  get name(): string {
    return this.#origin.name;
  }

  /** What was acquired: `lock`, `semaphore` and so on. */
  get kind(): string {
    return this.#origin.kind;
  }

  get fence(): number {
    return this.#holder.fence;
  }

  /** Who stands in the roster for this grant. */
  get holder(): Holder {
    return this.#holder;
  }

  get session(): Session {
    return this.#origin.session;
  }

  get acquiredAt(): Date {
    return new Date(this.#origin.acquiredAtMs);
  }

  get signal(): AbortSignal {
    this.#check();
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      watchClocks(this.#abort.signal, () => this.#check());
      if (this.#lost !== undefined) this.#abort.abort(this.#loss);
    }
    return this.#abort.signal;
  }

  get revokeRequested(): AbortSignal {
    if (this.#revoke === undefined) {
      this.#revoke = new AbortController();
      if (this.#revokeRequest !== undefined) this.#revoke.abort(this.#revokeRequest);
    }
    return this.#revoke.signal;
  }

  get state(): GrantState {
    const { state } = this.#origin.session;
    this.#limit?.check();
    if (this.#lost !== undefined) return "lost";
    return this.#release !== undefined ? "released" : state;
  }

  remainingMs(): number {
    this.#check();
    if (this.#lost !== undefined || this.#release !== undefined) return 0;
    const remainingMs = this.#origin.session.remainingMs();
    return this.#limit === undefined ? remainingMs : Math.min(remainingMs, this.#limit.remainingMs());
  }

  assertHeld(): void {
    const { state } = this;
    if (this.#loss !== undefined) throw this.#loss;
    if (state === "released") {
      throw new LeaseLostError(
        `the grant of ${JSON.stringify(this.name)} was released by its holder: acquire it again before going on`,
      );
    }
  }

  on(state: GrantState, listener: GrantListener): Unsubscribe {
    const { session } = this.#origin;
    this.#events ??= new GrantEvents({
      grant: this,
      loss: () => this.#loss,
      watch: (tell) => session.onUncertainty(tell),
    });
    return this.#events.add(state, listener);
  }

  release(): Promise<void> {
    this.#check();
    if (this.#release === undefined) {
      this.#limit?.cancel();
      this.#release = this.#giveBack();
      if (this.#lost === undefined) this.#events?.tell("released");
    }
    return this.#release;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The signal has told of a loss already, and a store that does not answer leaves the rest to expiry.
    await this.release().catch(() => undefined);
  }

  onSessionLost(reason: LeaseLostError): void {
    this.#lost = reason;
    this.#limit?.cancel();
    this.#origin.keeper.onLost(this);
    this.#abort?.abort(this.#loss);
    this.#events?.tell("lost");
  }

  onRequest(request: SessionRequest): boolean {
    if (request.ticket !== this.#holder.ticket) return false;
    if (request.kind === "released") this.lose(forcedReleaseError(this, request));
    else if (this.#revokeRequest === undefined) {
      this.#revokeRequest = revokeRequest(this, request);
      this.#revoke?.abort(this.#revokeRequest);
    }
    return true;
  }

  /** It is taken away, although its session lives on. */
  lose(reason: LeaseLostError): void {
    if (this.#lost !== undefined || this.#release !== undefined) return;
    this.#origin.session.removeLossListener(this);
    this.onSessionLost(reason);
  }

  /** Changes what the roster shows of it. Loses it where it does not stand there any more. */
  async change(apply: (roster: Roster, holder: Holder) => Roster): Promise<void> {
    const roster = await this.#origin.keeper.change((before) => apply(before, this.#holder));
    const place = standing(roster, this.#holder);
    if (place.place === "holder") this.#holder = place.holder;
    else if (place.place === "absent") this.lose(new LeaseLostError(takenMessage(this)));
  }

  /** Waits for a larger weight, which comes with a larger fence. */
  async grow(request: AcquireRequest, retreat: GrowthRetreat): Promise<void> {
    await this.#origin.keeper.grow(this, request, retreat);
  }

  /** The roster shows another weight and fence for it. */
  regrant(holder: Holder): void {
    this.#holder = holder;
  }

  /** Asks the holder to stop, without taking anything away: the lease goes on until it is released. */
  stop(reason: LeaseholdError): void {
    void this.signal;
    this.#abort?.abort(reason);
  }

  async #giveBack(): Promise<void> {
    const { session, keeper } = this.#origin;
    // It was taken away alone, and is being taken out already.
    if (this.#lost !== undefined && session.lost === undefined) throw this.#lost;
    // From here on there is nothing left to lose.
    session.removeLossListener(this);
    try {
      await keeper.giveBack(this);
    } catch (error) {
      const { lost } = session;
      throw lost !== undefined && error === lost ? lostWithSession(this, lost) : error;
    }
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** Named only where somebody reads it: a session may take ten thousand grants with it. */
  get #loss(): LeaseLostError | undefined {
    const { session } = this.#origin;
    if (this.#lost !== undefined && this.#lost === session.lost)
      this.#lost = lostWithSession(this, this.#lost);
    return this.#lost;
  }

  #check(): void {
    this.#origin.session.check();
    this.#limit?.check();
  }

  [inspectCustom](
    _depth: number,
    options: object,
    inspect: (value: object, options: object) => string,
  ): string {
    const { name, fence, state, acquiredAt } = this;
    return `Grant ${inspect({ name, fence, state, remainingMs: this.remainingMs(), acquiredAt }, options)}`;
  }
}
