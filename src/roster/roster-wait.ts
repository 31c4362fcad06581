import type { Backend } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { type Sleep, startSleep } from "../core/runtime.ts";
import { type LookoutContext, lookEveryTtls, lookOut } from "./lookout.ts";
import { type Patience, PendingAnswer } from "./pending-answer.ts";
import type { Entrant, Roster } from "./roster.ts";
import { failureBackoff, isTransient, WithdrawnError } from "./roster-change.ts";
import type { RosterDriver } from "./roster-driver.ts";
import type { RosterView } from "./roster-view.ts";

/** Where a roster was seen. Only a commit proves that something is not there; hints may come late. */
export type Source = "hint" | "read" | "commit";

/** Something that a roster is to show. Who waits for it does not stand in the roster's queue. */
export interface Expected<T> extends Patience {
  /** The pace of the re-reads that make up for lost hints. */
  readonly ttlMs: number;
  /**
   * What the caller gets; `undefined`: not yet. A hint may show an older roster than one seen before, so this goes by
   * what stays true once it is true. What it throws, the caller gets.
   */
  find(roster: Roster, source: Source): T | undefined;
  /** What is to be written before the wait goes on: idempotent. What that led to comes back as a commit. */
  react?(roster: Roster, source: Source): ((roster: Roster) => Roster) | undefined;
  /** Whose death changes something: looked at always, and once one of them stands still. */
  watched?(roster: Roster): { readonly near: readonly Entrant[]; readonly further: readonly Entrant[] };
}

/** What a wait works with. */
export interface RosterWaitContext extends LookoutContext {
  readonly backend: Backend;
  readonly driver: RosterDriver;
}

/** How soon a backend that reports no changes is asked again. */
const poll = { firstMs: 50, growth: 1.5, maxMs: 1_000, jitter: 0.25 };
/** A wait that ends sooner than this never looks at a session. */
const firstLookTtls = 0.1;

/** One caller's wait, until it is answered. */
export class RosterWait<T> {
  readonly answer: PendingAnswer<T>;
  readonly #context: RosterWaitContext;
  readonly #expected: Expected<T>;
  readonly #tellOthers: (view: RosterView) => void;
  #failures = 0;
  #hasLooked = false;
  #isPoked = false;
  #sleep: Sleep | undefined;
  #seen: RosterView | undefined;
  #roster: Roster | undefined;
  #watched: readonly string[] = [];
  #lookAtMs = 0;
  #polls = 0;

  constructor(context: RosterWaitContext, expected: Expected<T>, tellOthers: (view: RosterView) => void) {
    this.#context = context;
    this.#expected = expected;
    this.#tellOthers = tellOthers;
    this.answer = new PendingAnswer(context.runtime, expected, false);
    this.answer.onAnswered(() => this.#sleep?.end());
  }

  /** Something may have changed; with the roster it led to, where that is known. */
  onChange(view: RosterView | undefined): void {
    // What was read before this wait began tells nothing about it.
    if (this.#hasLooked) this.#seen = view;
    // Somebody else looked just now, or the store told.
    if (view !== undefined && this.#toWatch().near.length === 0)
      this.#lookIn(lookEveryTtls * this.#expected.ttlMs);
    this.#isPoked = true;
    this.#sleep?.end();
  }

  /** Looks, and looks again, until it is answered. Never rejects. */
  async follow(): Promise<void> {
    const { driver } = this.#context;
    while (this.answer.isOpen) {
      try {
        driver.watch();
        const seen = this.#seen;
        this.#seen = undefined;
        const { view, source } =
          seen === undefined ? await this.#look() : { view: seen, source: "hint" as const };
        this.#hasLooked = true;
        if (await this.#settle(view.roster, source)) return;
        this.answer.failure = undefined;
        this.#failures = 0;
      } catch (error) {
        if (error instanceof WithdrawnError) continue;
        if (!isTransient(error)) return this.answer.reject(error);
        this.answer.isWanted(error);
        this.#failures += 1;
      }
      if (this.answer.isOpen) await this.#pause();
    }
  }

  /** Answers whether that was the end. */
  async #settle(first: Roster, from: Source): Promise<boolean> {
    const { find, react } = this.#expected;
    let [roster, source] = [first, from];
    while (this.answer.isOpen) {
      const found = find(roster, source);
      if (found !== undefined) {
        this.answer.resolve(found);
        return true;
      }
      this.#roster = roster;
      const apply = react?.(roster, source);
      if (apply === undefined) return false;
      roster = (await this.#submit(apply)).roster;
      source = "commit";
    }
    return true;
  }

  #submit(apply: (roster: Roster) => Roster): Promise<RosterView> {
    return this.#context.driver.submit({ apply, isWanted: (failure) => this.answer.isWanted(failure) });
  }

  async #look(): Promise<{ readonly view: RosterView; readonly source: Source }> {
    const { driver, runtime } = this.#context;
    const { near, further } = this.#toWatch();
    const ttlMs = Math.min(this.#expected.ttlMs, ...near.map((entrant) => entrant.ttlMs));
    if (near.length === 0 || runtime.monotonicMs() < this.#lookAtMs) {
      if (near.length === 0) this.#lookIn(lookEveryTtls * ttlMs);
      const { view } = await driver.read();
      this.#tellOthers(view);
      return { view, source: "read" };
    }
    this.#lookIn(lookEveryTtls * ttlMs);
    const { view, heal, nextLookMs } = await lookOut(this.#context, driver, near, further);
    if (Number.isFinite(nextLookMs)) this.#lookIn(nextLookMs);
    return heal === undefined
      ? { view, source: "read" }
      : { view: await this.#submit(heal), source: "commit" };
  }

  /** Keeps the time of the next look as long as the same sessions are watched. */
  #toWatch(): { readonly near: readonly Entrant[]; readonly further: readonly Entrant[] } {
    const roster = this.#roster;
    return (roster && this.#expected.watched?.(roster)) ?? { near: [], further: [] };
  }

  async #pause(): Promise<void> {
    const { backend, runtime } = this.#context;
    const { near } = this.#toWatch();
    const sessions = [...new Set(near.map(({ session }) => session))];
    const isSame =
      sessions.length === this.#watched.length && sessions.every((it) => this.#watched.includes(it));
    this.#watched = sessions;
    // Whoever came to be watched just now gets its first look soon.
    if (!isSame && sessions.length > 0) this.#lookIn(firstLookTtls * this.#expected.ttlMs);
    let delayMs = Math.max(0, this.#lookAtMs - runtime.monotonicMs());
    if (backend.capabilities.watch !== "push") delayMs = Math.min(delayMs, this.#pollDelayMs());
    if (this.#failures > 0) delayMs = Math.min(delayMs, backoffMs(runtime, this.#failures, failureBackoff));
    if (!this.#isPoked) {
      this.#sleep = startSleep(runtime, delayMs, { holdsProcessOpen: true });
      await this.#sleep.over;
      this.#sleep = undefined;
    }
    this.#isPoked = false;
  }

  #pollDelayMs(): number {
    const { firstMs, growth, maxMs, jitter } = poll;
    const delayMs = Math.min(maxMs, firstMs * growth ** this.#polls);
    this.#polls += 1;
    return delayMs * (1 + jitter * (2 * this.#context.runtime.random() - 1));
  }

  #lookIn(delayMs: number): void {
    this.#lookAtMs = this.#context.runtime.monotonicMs() + delayMs;
  }
}
