import type { Backend } from "../core/backend.ts";
import { type Sleep, startSleep } from "../core/runtime.ts";
import type { Session } from "../sessions/session.ts";
import type { Acquisition } from "./acquisition.ts";
import type { JoinOptions } from "./entry.ts";
import { type LookoutContext, lookEveryTtls, lookOut } from "./lookout.ts";
import {
  ahead,
  type Entrant,
  type Holder,
  predecessors,
  type Roster,
  type Standing,
  standing,
} from "./roster.ts";
import { isTransient, WithdrawnError } from "./roster-change.ts";
import type { RosterDriver } from "./roster-driver.ts";
import type { RosterView } from "./roster-view.ts";

/** What a turn is waited for with. */
export interface TurnContext extends LookoutContext {
  readonly backend: Backend;
  readonly driver: RosterDriver;
  readonly key: string;
}

/** Who waits, and how it joins where it does not stand. */
export interface Waiting {
  readonly entrant: Entrant;
  join(options: JoinOptions): Promise<RosterView | undefined>;
  /** Whether a holder has what is waited for. An old read may show it as it was before. */
  isServed(holder: Holder): boolean;
}

/** How soon a backend without wakes and watches is asked again by the first in line. */
const headPoll = { firstMs: 50, growth: 1.5, maxMs: 1_000, jitter: 0.25 };
/** How soon it is asked by the others, and every backend by those who stand outside a full queue. */
const otherPollTtls = 0.25;
/** A wait that ends sooner than this never looks at a session. */
const firstLookTtls = 0.1;

/**
 * Waits in a roster until the entry is admitted. Wakes and watches make it quick; its own slow timer, which also
 * watches over the entrant before it, makes it right when every hint is lost.
 */
export class Turn {
  readonly acquisition: Acquisition;
  readonly session: Session;
  readonly #context: TurnContext;
  readonly #entry: Waiting;
  readonly #isNotified: boolean;
  #isPoked = false;
  #sleep: Sleep | undefined;
  #polls = 0;
  #position: number | undefined;
  #seen: RosterView | undefined;
  #watched: readonly Entrant[] = [];
  #further: readonly Entrant[] = [];
  #lookAtMs = 0;

  constructor(context: TurnContext, acquisition: Acquisition, entry: Waiting, session: Session) {
    this.#context = context;
    this.acquisition = acquisition;
    this.#entry = entry;
    this.session = session;
    const { wake, watch } = context.backend.capabilities;
    this.#isNotified = wake || watch === "push";
  }

  /** Something may have changed: look now. */
  readonly poke = (): void => {
    this.#isPoked = true;
    this.#sleep?.end();
  };

  /** Resolves with the holder, or `undefined` when nobody wants it any more or the session was lost. */
  async wait(joined: RosterView): Promise<Holder | undefined> {
    const { acquisition, session, poke } = this;
    const { backend, driver, key } = this.#context;
    const loss = { onSessionLost: poke };
    session.addLossListener(loss);
    const unsubscribes = [acquisition.onAnswered(poke)];
    if (backend.capabilities.wake) unsubscribes.push(session.onWake(key, () => this.#onWoken()));
    else if (driver.watch()) this.poke();
    try {
      return await this.#follow(joined);
    } finally {
      session.removeLossListener(loss);
      for (const unsubscribe of unsubscribes) unsubscribe();
    }
  }

  async #follow(joined: RosterView): Promise<Holder | undefined> {
    let view = joined;
    // The store answers: who runs out of time from now on does so because others hold it.
    this.acquisition.failure = undefined;
    while (this.#isWanted()) {
      const place = standing(view.roster, this.#entry.entrant);
      if (place.place === "holder" && this.#entry.isServed(place.holder)) return place.holder;
      const position = positionOf(place);
      this.#position = position;
      // A client that waits in line is woken; the first in line sees the change that admits it as it happens. What
      // changed before a watch began only a read tells.
      if (position === 0 && this.#context.driver.watch()) this.poke();
      this.#watch(view.roster, position);
      await this.#pause(position);
      if (!this.#isWanted()) break;
      try {
        const next = this.#seen ?? (position === undefined ? await this.#rejoin() : await this.#look());
        this.#seen = undefined;
        if (next === undefined) break;
        if (next.version !== view.version) this.#polls = 0;
        view = next;
        this.acquisition.failure = undefined;
      } catch (error) {
        // Withdrawn by ourselves, because nobody wants it any more: the next turn of this loop ends it.
        if (error instanceof WithdrawnError) continue;
        if (!isTransient(error)) throw error;
        this.acquisition.failure = error;
      }
    }
    return undefined;
  }

  #isWanted(): boolean {
    return this.acquisition.isOpen && this.session.lost === undefined;
  }

  /** A change of the record was seen, with the roster it led to where the hint carries it. */
  onChange(view: RosterView | undefined): void {
    const place = view && standing(view.roster, this.#entry.entrant);
    // Tickets are unique: a roster that shows us as its holder proves that we were admitted, however late it comes.
    const isServed = place?.place === "holder" && this.#entry.isServed(place.holder);
    if (isServed) this.#seen = view;
    // Somebody else joined or left behind us.
    else if (place !== undefined && place.place !== "absent" && positionOf(place) === this.#position) return;
    this.poke();
  }

  /** Only who was admitted is woken, and who is first in line since: the next change will be about this one. */
  #onWoken(): void {
    this.#context.driver.watch();
    this.poke();
  }

  /** Keeps the time of the next look as long as the same sessions are watched. */
  #watch(roster: Roster, position: number | undefined): void {
    // Who stands outside a full queue watches the last one in it.
    const entrants = predecessors(roster, position ?? roster.waiters.length, this.#entry.entrant);
    this.#further = ahead(roster, position ?? roster.waiters.length);
    const isSame =
      entrants.length === this.#watched.length &&
      entrants.every(({ session }, index) => session === this.#watched[index]?.session);
    // The same session may stand there with another ticket.
    this.#watched = entrants;
    if (isSame) return;
    this.#lookIn(firstLookTtls * this.#watchedTtlMs());
  }

  #lookIn(delayMs: number): void {
    this.#lookAtMs = this.#context.runtime.monotonicMs() + delayMs;
  }

  #watchedTtlMs(): number {
    return Math.min(this.session.ttlMs, ...this.#watched.map((entrant) => entrant.ttlMs));
  }

  /** One read; with the sessions before us when their time has come. */
  async #look(): Promise<RosterView> {
    const { driver, runtime } = this.#context;
    if (runtime.monotonicMs() < this.#lookAtMs) return (await driver.read()).view;
    this.#lookIn(lookEveryTtls * this.#watchedTtlMs());
    const { view, heal, nextLookMs } = await lookOut(this.#context, driver, this.#watched, this.#further);
    if (Number.isFinite(nextLookMs)) this.#lookIn(nextLookMs);
    return heal === undefined ? view : driver.submit({ apply: heal, isWanted: () => this.#isWanted() });
  }

  async #rejoin(): Promise<RosterView | undefined> {
    if (this.#context.runtime.monotonicMs() >= this.#lookAtMs) await this.#look();
    return this.#entry.join(this.acquisition);
  }

  async #pause(position: number | undefined): Promise<void> {
    const { runtime } = this.#context;
    const pollMs =
      this.#isNotified && position !== undefined ? Number.POSITIVE_INFINITY : this.#pollDelayMs(position);
    const delayMs = Math.min(
      pollMs,
      position === undefined ? pollMs : this.#lookAtMs - runtime.monotonicMs(),
    );
    if (!this.#isPoked) {
      this.#sleep = startSleep(runtime, delayMs, { holdsProcessOpen: true });
      await this.#sleep.over;
      this.#sleep = undefined;
    }
    this.#isPoked = false;
  }

  #pollDelayMs(position: number | undefined): number {
    if (position !== 0) return otherPollTtls * this.session.ttlMs;
    const { firstMs, growth, maxMs, jitter } = headPoll;
    const delayMs = Math.min(maxMs, firstMs * growth ** this.#polls);
    this.#polls += 1;
    return delayMs * (1 + jitter * (2 * this.#context.runtime.random() - 1));
  }
}

/** A holder that waits for more stands before the first waiter, and is served like it. */
function positionOf(place: Standing): number | undefined {
  if (place.place === "growing" || place.place === "holder") return 0;
  return place.place === "waiter" ? place.position : undefined;
}
