import type { Events } from "../core/events.ts";
import type { TurnSharing } from "../core/turn-sharing.ts";
import type { Session } from "../sessions/session.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import { type AcquireRequest, Acquisition, holders, notHadNow } from "./acquisition.ts";
import { type Contender, Contention, type ContentionContext } from "./contention.ts";
import { decided } from "./decided.ts";
import { depart, leaveBehind } from "./departure.ts";
import { HeldGrant } from "./grant.ts";
import type { GrantKeeper } from "./grant-origin.ts";
import { Growth, type GrowthRetreat } from "./growth.ts";
import { JointEntry } from "./joint-entry.ts";
import { Limit } from "./limit.ts";
import type { LookoutContext } from "./lookout.ts";
import { NoticeBoard } from "./notice-board.ts";
import { type Holder, hasRoom, type Roster, resize } from "./roster.ts";
import { untilItFails } from "./roster-change.ts";
import { RosterDriver, type RosterListener, type RosterTarget } from "./roster-driver.ts";
import type { RosterView } from "./roster-view.ts";
import { SparseMap, SparseSet } from "./sparse.ts";
import { Telemetry } from "./telemetry.ts";

/** What all queues of one coordinator share, and the record that this one is about. */
export interface QueueContext extends LookoutContext, RosterTarget {
  readonly sessions: SessionPool;
  readonly events: Events;
  readonly kind: string;
  /** Whether several may hold it at a time. */
  readonly isShared: boolean;
  /** Counts tries that are answered here: who asks again and again must not keep the holder from ever going on. */
  readonly localAnswers: TurnSharing;
  /** Whether this name may have been used and forgotten before: then its first try already looks who died. */
  readonly mayBeForgotten: boolean;
}

/**
 * All that one client does with one name. Its callers stand in local order behind those that contend in the roster:
 * one at a time, and more only where there is room for all of them. First come, first served.
 */
export class RosterQueue implements RosterListener, GrantKeeper {
  #board: NoticeBoard | undefined;
  readonly #context: ContentionContext & QueueContext;
  readonly #driver: RosterDriver;
  readonly #telemetry: Telemetry;
  readonly #held = new SparseSet<HeldGrant>();
  /** Only those who still want it, in order of arrival. */
  readonly #waiting = new SparseSet<Acquisition>();
  readonly #contending = new SparseMap<Contender, Promise<unknown>>();
  readonly #growing = new SparseSet<Growth>();

  constructor(context: QueueContext) {
    this.#driver = new RosterDriver(context, this);
    this.#telemetry = new Telemetry(context);
    this.#context = {
      ...context,
      driver: this.#driver,
      limit: new Limit(context.name),
      deliver: (acquisition, session, holder) => this.#deliver(acquisition, session, holder),
    };
  }

  /** What is done with the roster beside standing in it. Made for those who need it: there may be ten thousand queues. */
  get board(): NoticeBoard {
    this.#board ??= new NoticeBoard(this.#context, () => this.#endWatch());
    return this.#board;
  }

  /** Whether nothing is held, waited for or in flight: all that is lost by forgetting it is a known version. */
  get isIdle(): boolean {
    return !this.#isInUse && this.#waiting.size === 0 && !this.#driver.busy;
  }

  /** The grants that are held now. */
  get grants(): Iterable<HeldGrant> {
    return this.#held;
  }

  /** Waits for a grant, in order of arrival. */
  acquire(request: AcquireRequest): Promise<HeldGrant> {
    if (request.waitMs === 0) return this.#acquireNow(request);
    const acquisition = new Acquisition(this.#context.runtime, request, () => holders(this.#held.size));
    this.#telemetry.asked(acquisition);
    if (!acquisition.isOpen) return acquisition.answer;
    if (request.seize === undefined) this.#waiting.add(acquisition);
    else this.#contend(acquisition);
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
    this.#telemetry.asked(acquisition);
    if (!this.#mayTry()) {
      acquisition.dismiss();
      this.#telemetry.refused(acquisition, "HELD");
      await this.#context.localAnswers.take(1);
      return null;
    }
    const contention = new Contention(this.#context, acquisition);
    const trying = contention.try().finally(() => {
      // Only who was told `null` has not been answered yet.
      if (acquisition.dismiss()) this.#telemetry.refused(acquisition, "HELD");
      this.#endContention(contention);
    });
    this.#contending.set(contention, trying.catch(answeredAlready));
    // The caller's abort answers at once; what is in flight is cleaned up behind it.
    return Promise.race([trying, acquisition.answer]);
  }

  /** Resolves when everybody who asked here before is answered, or waits for others. */
  decided(): Promise<void> {
    return decided(this.#waiting, this.#contending);
  }

  async #acquireNow(request: AcquireRequest): Promise<HeldGrant> {
    const grant = await this.tryAcquire(request);
    if (grant !== null) return grant;
    throw notHadNow(request, this.#held.size);
  }

  /** Takes part in an attempt to enter several rosters in one write. `null`: others of this process stand before it. */
  enterTogether(request: AcquireRequest): JointEntry | null {
    if (!this.#mayTry()) return null;
    const { runtime } = this.#context;
    const acquisition = new Acquisition(runtime, { ...request, waitMs: Number.POSITIVE_INFINITY });
    let finish = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const entry = new JointEntry(this.#context, acquisition, () => {
      this.#endContention(entry);
      finish();
    });
    this.#contending.set(entry, over);
    return entry;
  }

  /** Changes the roster for what this client holds or looks after. Answers what it led to. */
  async change(apply: (roster: Roster) => Roster, isWanted = untilItFails): Promise<Roster> {
    const view = await this.#driver.submit({ apply, isWanted });
    return view.roster;
  }

  /** Sets the capacity for everybody. `expected`: what the caller opened it with. */
  async resize(capacity: number, expected: number | undefined): Promise<void> {
    await this.change((roster) => resize(roster, capacity));
    this.#context.limit.follow(expected);
  }

  /** Resolves when nothing is in flight any more. Only after everybody who waits was answered. */
  async settled(): Promise<void> {
    await Promise.all([...this.#contending.values(), this.#board?.settled()]);
    await this.#driver.settled();
  }

  /** Answers everybody who waits here with `error`. */
  rejectWaiting(error: unknown): void {
    for (const acquisition of this.#waiting) acquisition.reject(error);
    for (const { acquisition } of [...this.#contending.keys(), ...this.#growing]) acquisition.reject(error);
    this.#board?.rejectWaiting(error);
  }

  get #isInUse(): boolean {
    return this.#held.size + this.#contending.size + this.#growing.size + (this.#board?.size ?? 0) > 0;
  }

  /** Who holds all of it need not queue for it: it joins again in the write that releases. */
  #mayEnter(weight: number): boolean {
    if (!this.#context.isShared) return this.#held.size + this.#contending.size === 0;
    if (this.#contending.size === 0) return true;
    const { known } = this.#driver;
    const contending = [...this.#contending.keys()].map(({ acquisition }) => acquisition.request.weight);
    const wanted = contending.reduce((sum, each) => sum + each, weight);
    return known !== undefined && hasRoom(known.roster, wanted);
  }

  /** A try stands behind everybody who waits, and before whoever comes after it. */
  #mayTry(): boolean {
    if (this.#waiting.size > 0) return false;
    if (!this.#context.isShared) return this.#held.size + this.#contending.size === 0;
    return [...this.#contending.keys()].every(({ isInLine }) => !isInLine);
  }

  #advance(): void {
    for (const next of this.#waiting) {
      if (!this.#mayEnter(next.request.weight)) return;
      this.#waiting.delete(next);
      this.#contend(next);
    }
  }

  #contend(next: Acquisition): void {
    const contention = new Contention(this.#context, next);
    this.#contending.set(contention, Promise.resolve());
    const over = contention.wait().finally(() => this.#endContention(contention));
    this.#contending.set(contention, over);
  }

  #endContention(contention: Contender): void {
    this.#contending.delete(contention);
    this.#advance();
    this.#endWatch();
  }

  /** A holder that had to wait goes on watching: others wait now, and it must release over what they wrote. */
  #endWatch(): void {
    if (!this.#isInUse) this.#driver.unwatch();
  }

  #deliver(acquisition: Acquisition, session: Session, holder: Holder): boolean {
    session.check();
    if (session.lost !== undefined || !acquisition.isOpen) return false;
    const { name, maxHoldMs } = acquisition.request;
    const { kind, runtime } = this.#context;
    // Taken away by force before the answer came here: the caller waits on.
    const message = session.unclaimed(holder.ticket);
    if (message?.kind === "released") return false;
    const acquiredAtMs = runtime.wallMs();
    const maxHold = maxHoldMs === undefined ? undefined : { maxHoldMs, runtime };
    const origin = { kind, name, session, holder, acquiredAtMs, keeper: this };
    const grant = new HeldGrant(maxHold === undefined ? origin : { ...origin, maxHold });
    if (message !== undefined) grant.onRequest(message);
    this.#held.add(grant);
    const isWanted = acquisition.resolve(grant);
    if (isWanted) this.#telemetry.acquired(acquisition, grant);
    return isWanted;
  }

  onLost(grant: HeldGrant): void {
    this.#held.delete(grant);
    this.#telemetry.lost(grant);
    if (grant.session.lost === undefined) leaveBehind(this.#driver, grant);
    this.#advance();
    this.#endWatch();
  }

  async giveBack(grant: HeldGrant): Promise<void> {
    const leaving = depart(this.#driver, grant);
    if (grant.session.lost !== undefined) return leaving;
    this.#held.delete(grant);
    this.#telemetry.released(grant);
    // In this turn, so that the next local caller joins in the write that releases.
    this.#advance();
    try {
      await leaving;
    } finally {
      this.#endWatch();
    }
  }

  async grow(grant: HeldGrant, request: AcquireRequest, retreat: GrowthRetreat): Promise<void> {
    const growth = new Growth(this.#context, grant, request, retreat);
    this.#growing.add(growth);
    try {
      await growth.wait();
    } finally {
      this.#growing.delete(growth);
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
    this.#board?.onChange(this.#driver.known);
  }

  onChange(view: RosterView | undefined): void {
    for (const each of [...this.#contending.keys(), ...this.#growing]) each.onChange(view);
    this.#board?.onChange(view);
  }

  #wake(session: string): void {
    const { backend, key, sessions } = this.#context;
    if (sessions.owns(session)) {
      for (const each of [...this.#contending.keys(), ...this.#growing]) each.poke();
    } else if (backend.capabilities.wake) {
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
