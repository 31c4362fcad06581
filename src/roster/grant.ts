import { type LeaseholdError, LeaseLostError } from "../core/errors.ts";
import type { LossListener, Session } from "../sessions/session.ts";
import type { AcquireRequest } from "./acquisition.ts";
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
  /** When it was granted, by this machine's wall clock. */
  readonly acquiredAt: Date;
  /** The state now. Looks at the clocks; asks no store. */
  readonly state: GrantState;
  /** Milliseconds until the lease ends unless it is renewed before; 0 when it is not held. */
  remainingMs(): number;
  /**
   * Throws unless it is held now. Put it right before an action that must not come late.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when lost or released.
   */
  assertHeld(): void;
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

/** Who is told what happens to a grant. */
export interface GrantKeeper {
  /** Takes the grant out of the roster. */
  giveBack(grant: HeldGrant): Promise<void>;
  /** The grant was lost. */
  onLost(grant: HeldGrant): void;
  /** Changes the roster on behalf of a holder. */
  change(apply: (roster: Roster) => Roster): Promise<Roster>;
  /** Waits for a larger weight. */
  grow(grant: HeldGrant, request: AcquireRequest): Promise<void>;
}

/** Where a grant came from. */
export interface GrantOrigin {
  readonly name: string;
  readonly session: Session;
  readonly holder: Holder;
  readonly acquiredAtMs: number;
  readonly keeper: GrantKeeper;
}

/** The one implementation of {@link Grant}. Small: a process may hold ten thousand. */
export class HeldGrant implements Grant, LossListener {
  readonly #origin: GrantOrigin;
  #holder: Holder;
  #lost: LeaseLostError | undefined;
  #release: Promise<void> | undefined;
  #abort: AbortController | undefined;

  constructor(origin: GrantOrigin) {
    this.#origin = origin;
    this.#holder = origin.holder;
    origin.session.addLossListener(this);
  }

  get name(): string {
    return this.#origin.name;
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
    this.#origin.session.check();
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      watchClocks(this.#abort.signal, () => this.#origin.session.check());
      if (this.#lost !== undefined) this.#abort.abort(this.#lost);
    }
    return this.#abort.signal;
  }

  get state(): GrantState {
    const state = this.#origin.session.state;
    if (this.#lost !== undefined) return "lost";
    return this.#release !== undefined ? "released" : state;
  }

  remainingMs(): number {
    this.#origin.session.check();
    return this.#lost !== undefined || this.#release !== undefined ? 0 : this.#origin.session.remainingMs();
  }

  assertHeld(): void {
    const { state } = this;
    if (this.#lost !== undefined) throw this.#lost;
    if (state === "released")
      throw new LeaseLostError(`the grant of ${JSON.stringify(this.name)} was released`);
  }

  release(): Promise<void> {
    this.#origin.session.check();
    this.#release ??= this.#giveBack();
    return this.#release;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The signal has told of a loss already, and a store that does not answer leaves the rest to expiry.
    await this.release().catch(() => undefined);
  }

  onSessionLost(reason: LeaseLostError): void {
    this.#lost = reason;
    this.#origin.keeper.onLost(this);
    this.#abort?.abort(reason);
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
  async grow(request: AcquireRequest): Promise<void> {
    await this.#origin.keeper.grow(this, request);
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
    // From here on there is nothing left to lose.
    session.removeLossListener(this);
    await keeper.giveBack(this);
    if (this.#lost !== undefined) throw this.#lost;
  }
}

/**
 * Makes a signal look at the clocks whenever it is asked. A stalled event loop may run the holder's code before
 * the timer of the deadline.
 */
function watchClocks(signal: AbortSignal, check: () => void): void {
  const { get: isAborted } = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted") ?? {};
  Object.defineProperties(signal, {
    aborted: {
      configurable: true,
      get(): boolean {
        check();
        return isAborted?.call(signal) === true;
      },
    },
    throwIfAborted: {
      configurable: true,
      value(): void {
        check();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
}

/** Why nothing is there of a grant. */
export function takenMessage({ name, fence }: Grant): string {
  return (
    `the grant of ${JSON.stringify(name)} with fence ${fence} was not there any more: somebody released it by force, ` +
    "or the store was wiped or rolled back. Somebody else may hold it"
  );
}
