import { LeaseBoard, type LeaseState, type Watcher } from "./lease-board.ts";
import { type LeaseRules, shippedLeaseRules } from "./rules.ts";
import { Violation, type Visit, type World } from "./search.ts";

/** One world to explore. */
export interface LeaseWorldOptions {
  /** How much the holder's clock moves in a tick, and the observers' clocks. */
  readonly holderTickMs: number;
  readonly observerTickMs: number;
  readonly observers: number;
  /** Heartbeats that may be on their way at once, or in doubt. */
  readonly doubtfulMax: number;
  /** Whether the holder's machine may sleep: its monotonic clock stands still, its wall clock does not. */
  readonly maySleep: boolean;
  /** Whether a replica may stop following and go on answering reads. */
  readonly mayLag: boolean;
}

const ttlMs = 40;
/** Large, so that it makes a difference within the few ticks of a small TTL. */
const driftTolerance = 0.5;
const dead = -1;

/**
 * One session between its holder and those who watch it, tick by tick: the heartbeats, how long they are on their way,
 * and what the clocks of both sides make of it. There is no bound of time: ages that make no difference are one.
 */
export class LeaseWorld implements World {
  readonly promise = "possible";
  readonly words: number;
  step = "";
  readonly #options: LeaseWorldOptions;
  readonly #rules: LeaseRules;
  readonly #board: LeaseBoard;
  #visit: Visit = () => {};

  constructor(options: LeaseWorldOptions, rules: Partial<LeaseRules> = {}) {
    this.#options = options;
    this.#rules = { ...shippedLeaseRules, ...rules };
    const agesMax = Math.ceil(ttlMs / options.holderTickMs);
    const { observers, doubtfulMax } = options;
    this.#board = new LeaseBoard({ observers, doubtfulMax, agesMax });
    this.words = this.#board.words;
  }

  initial(): Int32Array {
    return this.#board.initial();
  }

  canonical(state: Int32Array): Int32Array {
    return state;
  }

  isFinished(state: Int32Array): boolean {
    return this.#board.decode(state).record === dead;
  }

  describe(state: Int32Array): string {
    return this.#board.describe(state);
  }

  expand(state: Int32Array, visit: Visit): void {
    this.#visit = visit;
    this.step = "";
    const now = this.#board.decode(state);
    this.#passTime(now);
    this.#renew(now);
    for (const index of now.flights.keys()) this.#heartbeat(now, index);
    for (const index of now.watchers.keys()) this.#observe(now, index);
    if (this.#options.mayLag && now.replica !== now.record && now.record !== dead) {
      this.#become("the replica catches up, and stops", { ...now, replica: now.record }, false);
    }
  }

  #passTime(now: LeaseState): void {
    this.#become("a tick passes", this.#older(now, 1), true);
    if (this.#options.maySleep && !now.isLost) {
      this.#become("a tick passes, and the holder's machine sleeps", this.#older(now, 0), false);
    }
  }

  #older(now: LeaseState, monotonicTicks: number): LeaseState {
    const { age, doubtful, watchers } = now;
    const older = (one: typeof age): typeof age => ({
      monotonic: one.monotonic + monotonicTicks,
      wall: one.wall + 1,
    });
    return this.#checked({
      ...now,
      age: older(age),
      doubtful: doubtful.map((beat) => ({ ...beat, age: older(beat.age) })),
      watchers: watchers.map((watcher) => ({ ...watcher, sinceAnswer: watcher.sinceAnswer + 1 })),
    });
  }

  /** Whatever the holder asks it looks at its clocks first, so it cannot believe longer than they say. */
  #checked(now: LeaseState): LeaseState {
    if (now.isLost) return now;
    const { monotonic, wall } = now.age;
    const tickMs = this.#options.holderTickMs;
    const since = { monotonicMs: -monotonic * tickMs, wallMs: -wall * tickMs, uptimeMs: 0 };
    return this.#rules.elapsedMs(since, 0, 0) >= ttlMs ? givenUp(now) : now;
  }

  #renew(now: LeaseState): void {
    const { doubtfulMax } = this.#options;
    if (now.isLost || now.doubtful.length >= doubtfulMax || now.flights.length >= doubtfulMax) return;
    const beat =
      1 +
      Math.max(
        now.renewed,
        now.record,
        ...now.doubtful.map((it) => it.beat),
        ...now.flights.map((it) => it.beat),
      );
    const doubtful = [...now.doubtful, { beat, age: { monotonic: 0, wall: 0 } }];
    const flights = [...now.flights, { beat, expect: now.renewed, state: "sent" as const }];
    this.#become("the holder sends a heartbeat", { ...now, doubtful, flights }, false);
  }

  #heartbeat(now: LeaseState, index: number): void {
    const flight = now.flights[index];
    if (flight === undefined) return;
    const rest = now.flights.filter((_, other) => other !== index);
    this.#become("a heartbeat or its answer is lost", { ...now, flights: rest }, false);
    if (flight.state === "sent") {
      const isApplied = now.record === flight.expect || !this.#rules.heartbeatHasCondition;
      if (isApplied && now.record === dead)
        throw new Violation("a dead session stays dead", "a heartbeat revived it");
      const state = isApplied ? ("applied" as const) : ("refused" as const);
      const flights = now.flights.with(index, { ...flight, state });
      this.#become(
        `the store has ${state} a heartbeat`,
        { ...now, flights, record: isApplied ? flight.beat : now.record },
        false,
      );
      return;
    }
    const learnt = flight.state === "applied" ? flight.beat : now.record;
    this.#become("the holder gets an answer", this.#answered({ ...now, flights: rest }, learnt), false);
  }

  #answered(now: LeaseState, learnt: number): LeaseState {
    if (now.isLost) return now;
    if (learnt === dead) return givenUp(now);
    const sent = now.doubtful.find(({ beat }) => beat === learnt);
    if (sent === undefined || learnt <= now.renewed) return now;
    const doubtful = now.doubtful.filter(({ beat }) => beat > learnt);
    const age = this.#rules.countsFromSending ? sent.age : { monotonic: 0, wall: 0 };
    return this.#checked({ ...now, renewed: learnt, age, doubtful });
  }

  /** An observer reads, and the store answers with what it has at some moment between the two. */
  #observe(now: LeaseState, index: number): void {
    const watcher = now.watchers[index];
    if (watcher === undefined || now.record === dead) return;
    const become = (what: string, next: Watcher, isProgress: boolean): void =>
      this.#become(`an observer ${what}`, { ...now, watchers: now.watchers.with(index, next) }, isProgress);
    const { read, tombstone } = watcher;
    if (tombstone !== undefined) {
      this.#bury(now, index, tombstone);
      become("loses its tombstone on the way", { ...watcher, tombstone: undefined }, false);
    }
    if (read === undefined) {
      become("sends a read", { ...watcher, read: { gap: watcher.sinceAnswer, version: undefined } }, true);
    } else if (read.version === undefined) {
      become("has its read served", { ...watcher, read: { ...read, version: now.record } }, true);
      if (this.#options.mayLag && now.replica !== now.record) {
        become(
          "has its read served by the replica",
          { ...watcher, read: { ...read, version: now.replica } },
          false,
        );
      }
    } else become("gets an answer", this.#noted(watcher, read.gap, read.version), true);
  }

  /** On the observer's clock the last answer came at 0, so that only differences count. */
  #noted(watcher: Watcher, gap: number, seen: number): Watcher {
    const { observerTickMs } = this.#options;
    const previous =
      watcher.version === undefined
        ? undefined
        : {
            ...{ version: String(watcher.version), beat: watcher.version },
            ...{ ttlMs, standstillMs: watcher.standstillMs, readAtMs: 0 },
          };
    const sentAtMs = gap * observerTickMs;
    const readAtMs = Math.max(sentAtMs, watcher.sinceAnswer * observerTickMs);
    const reading = { version: String(seen), beat: seen, ttlMs, sentAtMs, readAtMs };
    const observation = this.#rules.observe(previous, reading);
    const isDue = this.#rules.untilDeathMs(observation, driftTolerance) <= 0;
    // Longer than long enough makes no difference.
    const standstillMs = Math.min(observation.standstillMs, ttlMs * (1 + driftTolerance));
    const noted = { ...watcher, read: undefined, version: seen, standstillMs, sinceAnswer: 0 };
    return isDue && watcher.tombstone === undefined ? { ...noted, tombstone: seen } : noted;
  }

  #bury(now: LeaseState, index: number, expect: number): void {
    const watcher = now.watchers[index];
    if (watcher === undefined) return;
    if (now.record !== expect && this.#rules.tombstoneHasCondition) {
      const restarted = { ...watcher, tombstone: undefined, version: undefined, standstillMs: 0 };
      const next = { ...now, watchers: now.watchers.with(index, restarted) };
      this.#become("the store refuses a tombstone", next, true);
      return;
    }
    this.step = "the store takes a tombstone";
    if (!now.isLost) throw new Violation("no live session is declared dead", "its holder still counts on it");
    this.#become(this.step, { ...now, record: dead }, true);
  }

  #become(what: string, next: LeaseState, isProgress: boolean): void {
    this.step = what;
    this.#visit(this.#board.encode(next), isProgress);
  }
}

/** The holder counts on nothing any more. Its heartbeats may still land; nobody listens to their answers. */
function givenUp(now: LeaseState): LeaseState {
  return { ...now, isLost: true, doubtful: [], flights: now.flights.filter(({ state }) => state === "sent") };
}
