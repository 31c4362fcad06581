import { backoffMs } from "../core/backoff.ts";
import { AcquireTimeoutError } from "../core/errors.ts";
import { startSleep } from "../core/runtime.ts";
import type { TurnSharing } from "../core/turn-sharing.ts";
import type { Session } from "../sessions/session.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import { type AcquireRequest, Acquisition } from "./acquisition.ts";
import { Entry } from "./entry.ts";
import { type GrantKeeper, HeldGrant } from "./grant.ts";
import { type Healing, type LookoutContext, lookOut } from "./lookout.ts";
import { type Holder, hasRoom, leave, type Roster, standing } from "./roster.ts";
import { failureBackoff, isTransient } from "./roster-change.ts";
import { RosterDriver, type RosterListener, type RosterTarget } from "./roster-driver.ts";
import type { RosterView } from "./roster-view.ts";
import { Turn } from "./turn.ts";

/** What all queues of one coordinator share, and the record that this one is about. */
export interface QueueContext extends LookoutContext, RosterTarget {
  readonly sessions: SessionPool;
  /** Counts tries that are answered here: who asks again and again must not keep the holder from ever going on. */
  readonly localAnswers: TurnSharing;
  /** Whether this name may have been used and forgotten before: then its first try already looks who died. */
  readonly mayBeForgotten: boolean;
}

/**
 * All that one client does with one name. Its callers stand in local order behind one entrant in the roster; the
 * entrant's place passes on from process to process, first come, first served.
 */
export class RosterQueue implements RosterListener, GrantKeeper {
  readonly #context: QueueContext;
  readonly #driver: RosterDriver;
  readonly #held = new Set<HeldGrant>();
  /** Only those who still want it, in order of arrival. */
  readonly #waiting = new Set<Acquisition>();
  #contending: Acquisition | undefined;
  #contention: Promise<unknown> = Promise.resolve();
  #turn: Turn | undefined;
  /** A change may be told before the answer to the join that it was about. */
  #lastHinted: RosterView | undefined;

  constructor(context: QueueContext) {
    this.#context = context;
    this.#driver = new RosterDriver(context, this);
  }

  /** Whether nothing is held, waited for or in flight: all that is lost by forgetting it is a known version. */
  get isIdle(): boolean {
    return (
      this.#held.size === 0 &&
      this.#waiting.size === 0 &&
      this.#contending === undefined &&
      !this.#driver.busy
    );
  }

  /** The grants that are held now. */
  get grants(): Iterable<HeldGrant> {
    return this.#held;
  }

  /** Waits for a grant, in order of arrival. */
  acquire(request: AcquireRequest): Promise<HeldGrant> {
    if (request.waitMs === 0) return this.#acquireNow(request);
    const acquisition = new Acquisition(this.#context.runtime, request);
    if (!acquisition.isOpen) return acquisition.answer;
    this.#waiting.add(acquisition);
    this.#advance();
    // Who gives up goes at once: behind a lock that is held for long, callers may come and give up for ever.
    if (this.#waiting.has(acquisition)) acquisition.onAnswered(() => this.#waiting.delete(acquisition));
    return acquisition.answer;
  }

  /** A grant if nobody stands before us, else `null`, without ever waiting for anybody. */
  async tryAcquire(request: AcquireRequest): Promise<HeldGrant | null> {
    const acquisition = new Acquisition(this.#context.runtime, {
      ...request,
      waitMs: Number.POSITIVE_INFINITY,
    });
    if (!acquisition.isOpen) return acquisition.answer;
    if (this.#contending !== undefined || this.#waiting.size > 0 || !this.#mayEnter()) {
      acquisition.dismiss();
      await this.#context.localAnswers.take(1);
      return null;
    }
    this.#contending = acquisition;
    const trying = this.#tryOnce(acquisition).finally(() => {
      acquisition.dismiss();
      this.#endContention();
    });
    this.#contention = trying.catch(answeredAlready);
    // The caller's abort answers at once; what is in flight is cleaned up behind it.
    return Promise.race([trying, acquisition.answer]);
  }

  async #acquireNow(request: AcquireRequest): Promise<HeldGrant> {
    const grant = await this.tryAcquire(request);
    if (grant !== null) return grant;
    throw new AcquireTimeoutError(`${JSON.stringify(request.name)} is held by others, and wait is 0`);
  }

  /** Resolves when nothing is in flight any more. Only after everybody who waits was answered. */
  async settled(): Promise<void> {
    await this.#contention;
    await this.#driver.settled();
  }

  /** Answers everybody who waits here with `error`. */
  rejectWaiting(error: unknown): void {
    for (const acquisition of this.#waiting) acquisition.reject(error);
    this.#contending?.reject(error);
  }

  /** A process that holds a mutex need not queue for it: it joins again in the write that releases it. */
  #mayEnter(): boolean {
    return this.#held.size === 0 || this.#context.capacity > 1;
  }

  #advance(): void {
    if (this.#contending !== undefined || !this.#mayEnter()) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#contending = next;
    this.#contention = this.#contend(next);
  }

  #endContention(): void {
    this.#contending = undefined;
    this.#advance();
    this.#endWatch();
  }

  /** A holder that had to wait goes on watching: others wait now, and it must release over what they wrote. */
  #endWatch(): void {
    if (this.#held.size > 0 || this.#contending !== undefined) return;
    this.#driver.unwatch();
    this.#lastHinted = undefined;
  }

  /** Stands in the roster for one caller until it is answered; again with a new session when one was lost. */
  async #contend(acquisition: Acquisition): Promise<void> {
    const { sessions } = this.#context;
    try {
      for (let attempt = 0; acquisition.isOpen; attempt += 1) {
        const live = sessions.live(acquisition.request.ttlMs);
        const session = live ?? (await this.#openSession(acquisition, attempt));
        if (session !== undefined && (await this.#standFor(acquisition, session))) return;
      }
    } catch (error) {
      acquisition.reject(error);
    } finally {
      this.#endContention();
    }
  }

  async #openSession(acquisition: Acquisition, attempt: number): Promise<Session | undefined> {
    const { runtime, sessions } = this.#context;
    try {
      return await sessions.get(acquisition.request.ttlMs);
    } catch (error) {
      if (!isTransient(error)) throw error;
      acquisition.failure = error;
      const pause = startSleep(runtime, backoffMs(runtime, attempt, failureBackoff), {
        holdsProcessOpen: true,
      });
      const unsubscribe = acquisition.onAnswered(pause.end);
      await pause.over;
      unsubscribe();
      return undefined;
    }
  }

  /** Answers whether the grant was delivered. If not, nothing of it stays in the roster. */
  async #standFor(acquisition: Acquisition, session: Session): Promise<boolean> {
    const entry = new Entry(this.#driver, session, acquisition.request);
    let isDelivered = false;
    try {
      const view = await entry.join(acquisition);
      if (view === undefined) return false;
      let holder = entry.holderIn(view) ?? entry.holderIn(this.#lastHinted);
      if (holder === undefined) {
        this.#turn = new Turn({ ...this.#context, driver: this.#driver }, acquisition, entry, session);
        holder = await this.#turn.wait(view);
      }
      isDelivered = holder !== undefined && this.#deliver(acquisition, session, holder);
      return isDelivered;
    } catch (error) {
      // The session was lost while the store failed; the caller still waits, and gets a place with the next one.
      if (!isTransient(error)) throw error;
      acquisition.failure = error;
      return false;
    } finally {
      this.#turn = undefined;
      if (!isDelivered) entry.leaveBehind();
    }
  }

  async #tryOnce(acquisition: Acquisition): Promise<HeldGrant | null> {
    const { weight, ttlMs } = acquisition.request;
    const { known } = this.#driver;
    let view = known ?? (await this.#driver.read()).view;
    let heal: Healing | undefined;
    if (!hasRoom(view.roster, weight) && (known !== undefined || this.#context.mayBeForgotten)) {
      const { holders, waiters } = view.roster;
      ({ view, heal } = await lookOut(this.#context, this.#driver, holders, waiters));
    }
    if (heal === undefined && !hasRoom(view.roster, weight)) return null;
    const session = await this.#context.sessions.get(ttlMs);
    const entry = new Entry(this.#driver, session, acquisition.request);
    let isDelivered = false;
    try {
      const isWanted = (failure?: Error): boolean => failure === undefined && acquisition.isOpen;
      const joined = await entry.join({ onlyIfRoom: true, heal, isWanted });
      const holder = entry.holderIn(joined);
      isDelivered = holder !== undefined && this.#deliver(acquisition, session, holder);
      return isDelivered ? acquisition.answer : null;
    } finally {
      if (!isDelivered) entry.leaveBehind();
    }
  }

  /** Hands a grant over, unless the caller has gone or the lease ended on the way. */
  #deliver(acquisition: Acquisition, session: Session, holder: Holder): boolean {
    session.check();
    if (session.lost !== undefined || !acquisition.isOpen) return false;
    const { name } = acquisition.request;
    const acquiredAtMs = this.#context.runtime.wallMs();
    const grant = new HeldGrant({ name, session, holder, acquiredAtMs, keeper: this });
    this.#held.add(grant);
    return acquisition.resolve(grant);
  }

  onLost(grant: HeldGrant): void {
    this.#held.delete(grant);
    this.#advance();
    this.#endWatch();
  }

  async giveBack(grant: HeldGrant): Promise<void> {
    const { session, holder } = grant;
    const apply = (roster: Roster): Roster => leave(roster, holder);
    if (session.lost !== undefined) {
      // Its holder says that it has stopped: the next one need not wait for the expiry. Not worth a second try.
      const isSettledIn = (roster: Roster): boolean => standing(roster, holder).place === "absent";
      this.#driver
        .submit({ apply, isSettledIn, isWanted: (failure) => failure === undefined })
        .catch(expiryFrees);
      return;
    }
    this.#held.delete(grant);
    const change = { apply, isWanted: () => session.lost === undefined };
    const leaving = this.#driver.submit(change);
    // In this turn, so that the next local caller joins in the write that releases.
    this.#advance();
    try {
      await leaving;
      session.endTicket(holder.ticket);
    } catch (error) {
      if (session.lost !== undefined) throw session.lost;
      // Refused, and the session lives on: nobody else would ever take it out.
      this.#driver.insist(change).then(() => session.endTicket(holder.ticket), expiryFrees);
      throw error;
    } finally {
      this.#endWatch();
    }
  }

  /** Wakes whom a commit of ours admitted, and who is first in line since. Nobody else: there is no herd. */
  onCommitted(before: Roster, after: Roster): void {
    if (after.fence !== before.fence) {
      for (const holder of after.holders) if (holder.fence > before.fence) this.#wake(holder.session);
    }
    const [first] = after.waiters;
    if (first !== undefined && first.session !== before.waiters[0]?.session) this.#wake(first.session);
  }

  onChange(view: RosterView | undefined): void {
    this.#lastHinted = view;
    this.#turn?.onChange(view);
  }

  #wake(session: string): void {
    const { backend, key, sessions } = this.#context;
    if (sessions.owns(session)) this.#turn?.poke();
    else if (backend.capabilities.wake) {
      try {
        backend.wake(session, key);
      } catch {
        // The write went through, whatever becomes of the hint: who it is for also looks for himself.
      }
    }
  }
}

/** The caller of a try got its error already. */
function answeredAlready(): void {}

/** The answer to a leave that failed for good: the entrant's session ends, and whoever waits evicts it. */
function expiryFrees(): void {}
