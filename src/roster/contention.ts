import { backoffMs } from "../core/backoff.ts";
import { startSleep } from "../core/runtime.ts";
import type { Session } from "../sessions/session.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import type { Acquisition } from "./acquisition.ts";
import { Entry } from "./entry.ts";
import type { HeldGrant } from "./grant.ts";
import type { Limit } from "./limit.ts";
import { type Healing, lookOut } from "./lookout.ts";
import { type Holder, hasRoom } from "./roster.ts";
import { failureBackoff, isTransient } from "./roster-change.ts";
import type { RosterView } from "./roster-view.ts";
import { Turn, type TurnContext } from "./turn.ts";

/** What a contention works with. */
export interface ContentionContext extends TurnContext {
  readonly name: string;
  readonly sessions: SessionPool;
  readonly limit: Limit;
  /** Whether this name may have been used and forgotten before: then its first try already looks who died. */
  readonly mayBeForgotten: boolean;
  /** Hands a grant over. Answers false where the caller has gone, or the lease ended on the way. */
  deliver(acquisition: Acquisition, session: Session, holder: Holder): boolean;
}

/** Somebody of this process who wants into the roster, or stands in it and waits. */
export interface Contender {
  readonly acquisition: Acquisition;
  /** Whether it stands in the roster and waits for others. */
  readonly isInLine: boolean;
  /** Resolves when that is so. Left out: it never waits for others. */
  whenInLine?(): Promise<void>;
  /** Something may have changed: look now. */
  poke(): void;
  /** A change of the record was seen, with the roster it led to where the hint carries it. */
  onChange(view: RosterView | undefined): void;
}

/** One caller's way to a grant: in the roster, not only in the queue of its own process. */
export class Contention implements Contender {
  readonly acquisition: Acquisition;
  readonly #context: ContentionContext;
  #turn: Turn | undefined;
  #lining: PromiseWithResolvers<void> | undefined;
  /** A change may be told before the answer to the join that it was about. */
  #lastHinted: RosterView | undefined;

  constructor(context: ContentionContext, acquisition: Acquisition) {
    this.#context = context;
    this.acquisition = acquisition;
  }

  get isInLine(): boolean {
    return this.#turn !== undefined;
  }

  whenInLine(): Promise<void> {
    if (this.isInLine) return Promise.resolve();
    this.#lining ??= Promise.withResolvers();
    return this.#lining.promise;
  }

  poke(): void {
    this.#turn?.poke();
  }

  onChange(view: RosterView | undefined): void {
    this.#lastHinted = view;
    this.#turn?.onChange(view);
  }

  /** Stands in the roster until the caller is answered; again with a new session when one was lost. Never rejects. */
  async wait(): Promise<void> {
    const { acquisition } = this;
    const { sessions } = this.#context;
    try {
      for (let attempt = 0; acquisition.isOpen; attempt += 1) {
        const live = sessions.live(acquisition.request.ttlMs);
        const session = live ?? (await this.#openSession(attempt));
        if (session !== undefined && (await this.#standWith(session))) return;
      }
    } catch (error) {
      acquisition.reject(error);
    }
  }

  /** A grant if there is room for it now, else `null`. */
  async try(): Promise<HeldGrant | null> {
    const { acquisition } = this;
    const { driver, limit, mayBeForgotten, sessions } = this.#context;
    const { weight, capacity, ttlMs } = acquisition.request;
    const { known } = driver;
    const isFree = ({ roster }: RosterView): boolean =>
      hasRoom(limit.opened(roster, capacity, weight), weight);
    let view = known ?? (await driver.read()).view;
    let heal: Healing | undefined;
    if (!isFree(view) && (known !== undefined || mayBeForgotten)) {
      const { holders, waiters } = view.roster;
      ({ view, heal } = await lookOut(this.#context, driver, holders, waiters));
    }
    if (heal === undefined && !isFree(view)) return null;
    const session = await sessions.get(ttlMs);
    const entry = this.#entry(session);
    let isDelivered = false;
    try {
      const isWanted = (failure?: Error): boolean => failure === undefined && acquisition.isOpen;
      const joined = await entry.join({ onlyIfRoom: true, heal, isWanted });
      const holder = entry.holderIn(joined);
      isDelivered = holder !== undefined && this.#context.deliver(acquisition, session, holder);
      return isDelivered ? acquisition.answer : null;
    } finally {
      if (!isDelivered) entry.leaveBehind();
    }
  }

  #entry(session: Session): Entry {
    const { driver, limit } = this.#context;
    return new Entry(driver, session, limit, this.acquisition.request);
  }

  async #openSession(attempt: number): Promise<Session | undefined> {
    const { acquisition } = this;
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
  async #standWith(session: Session): Promise<boolean> {
    const { acquisition } = this;
    const entry = this.#entry(session);
    let isDelivered = false;
    try {
      const view = await entry.join(acquisition);
      if (view === undefined) return false;
      let holder = entry.holderIn(view) ?? entry.holderIn(this.#lastHinted);
      if (holder === undefined) {
        acquisition.wasInLine = true;
        this.#turn = new Turn(this.#context, acquisition, entry, session);
        this.#lining?.resolve();
        // It may have to join again.
        this.#lining = undefined;
        holder = await this.#turn.wait(view);
      }
      isDelivered = holder !== undefined && this.#context.deliver(acquisition, session, holder);
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
}
