/** How long ago something was sent, in ticks of two clocks. */
export interface Age {
  readonly monotonic: number;
  readonly wall: number;
}

/** A heartbeat on its way, or its answer. It is applied once at most, so its number is the version it makes. */
export interface Flight {
  readonly beat: number;
  /** The version that it was written over. */
  readonly expect: number;
  readonly state: "sent" | "applied" | "refused";
}

/** What one observer remembers. */
export interface Watcher {
  readonly version: number | undefined;
  readonly standstillMs: number;
  /** Ticks since its last read was answered. */
  readonly sinceAnswer: number;
  /** `gap`: ticks from that answer to the sending of this read. */
  readonly read: { readonly gap: number; readonly version: number | undefined } | undefined;
  /** The version over which it declares the session dead, while that is on its way. */
  readonly tombstone: number | undefined;
}

/** A session on all sides. Heartbeats are numbered; so are versions, by the heartbeat that made them; -1: dead. */
export interface LeaseState {
  readonly record: number;
  readonly replica: number;
  readonly isLost: boolean;
  /** The last heartbeat that the holder knows was applied, and since when it counts. */
  readonly renewed: number;
  readonly age: Age;
  readonly doubtful: readonly { readonly beat: number; readonly age: Age }[];
  readonly flights: readonly Flight[];
  readonly watchers: readonly Watcher[];
}

/** The sizes that make the world finite. */
export interface LeaseBounds {
  readonly observers: number;
  readonly doubtfulMax: number;
  /** Ticks after which a lease is over on the holder's clock. */
  readonly agesMax: number;
}

const dead = -1;
const nothing = -2;
const flightStates = ["sent", "applied", "refused"] as const;
/** Ticks between two reads from which on a gap counts no more: half a TTL. */
const gapMax = 2;
const headWords = 7;
const doubtfulWords = 3;
const flightWords = 3;
const watcherWords = 6;

/** Turns a session into words and back. Numbers of heartbeats become ranks: only which are equal or earlier counts. */
export class LeaseBoard {
  readonly words: number;
  readonly #bounds: LeaseBounds;
  readonly #state: Int32Array;

  constructor(bounds: LeaseBounds) {
    const { observers, doubtfulMax } = bounds;
    this.words = headWords + doubtfulMax * (doubtfulWords + flightWords) + observers * watcherWords;
    this.#bounds = bounds;
    this.#state = new Int32Array(this.words);
  }

  initial(): Int32Array {
    const watcher: Watcher = {
      ...{ version: undefined, standstillMs: 0, sinceAnswer: 0, read: undefined, tombstone: undefined },
    };
    const watchers = Array.from({ length: this.#bounds.observers }, () => watcher);
    const age = { monotonic: 0, wall: 0 };
    const state = {
      record: 0,
      replica: 0,
      isLost: false,
      renewed: 0,
      age,
      doubtful: [],
      flights: [],
      watchers,
    };
    return this.encode(state).slice();
  }

  encode(state: LeaseState): Int32Array {
    const words = this.#state.fill(nothing);
    const rank = ranks(state);
    const tick = (age: number): number => Math.min(age, this.#bounds.agesMax);
    // Of a lost session only the record counts: nobody believes in it any more.
    const { isLost, age, renewed } = state;
    const head = isLost ? [0, 0, 0] : [rank(renewed), tick(age.monotonic), tick(age.wall)];
    words.set([rank(state.record), rank(state.replica), isLost ? 1 : 0, state.flights.length, ...head]);
    let at = headWords;
    for (const { beat, age: sent } of state.doubtful) {
      words.set([rank(beat), tick(sent.monotonic), tick(sent.wall)], at);
      at += doubtfulWords;
    }
    at = headWords + this.#bounds.doubtfulMax * doubtfulWords;
    for (const { beat, expect, state: stage } of state.flights) {
      words.set([rank(beat), rank(expect), flightStates.indexOf(stage)], at);
      at += flightWords;
    }
    at = headWords + this.#bounds.doubtfulMax * (doubtfulWords + flightWords);
    for (const watcher of state.watchers) {
      this.#putWatcher(watcher, rank, at);
      at += watcherWords;
    }
    return words;
  }

  decode(words: Int32Array): LeaseState {
    const at = (index: number): number => words[index] ?? nothing;
    const optional = (index: number): number | undefined => (at(index) === nothing ? undefined : at(index));
    const { doubtfulMax, observers } = this.#bounds;
    const ageAt = (index: number): Age => ({ monotonic: at(index), wall: at(index + 1) });
    const flightsFrom = headWords + doubtfulMax * doubtfulWords;
    const watchersFrom = flightsFrom + doubtfulMax * flightWords;
    return {
      ...{ record: at(0), replica: at(1), isLost: at(2) === 1, renewed: at(4), age: ageAt(5) },
      doubtful: starts(headWords, doubtfulWords, doubtfulMax)
        .filter((start) => at(start) !== nothing)
        .map((start) => ({ beat: at(start), age: ageAt(start + 1) })),
      flights: starts(flightsFrom, flightWords, at(3)).map((start) => ({
        ...{ beat: at(start), expect: at(start + 1), state: flightStates[at(start + 2)] ?? "sent" },
      })),
      watchers: starts(watchersFrom, watcherWords, observers).map((start) => ({
        ...{ version: optional(start), standstillMs: at(start + 1), sinceAnswer: at(start + 2) },
        read: at(start + 3) === nothing ? undefined : { gap: at(start + 3), version: optional(start + 4) },
        tombstone: optional(start + 5),
      })),
    };
  }

  describe(words: Int32Array): string {
    const { record, isLost, age, doubtful, flights, watchers } = this.decode(words);
    const seen = watchers.map(({ version, standstillMs }) =>
      version === undefined ? "nothing seen" : `version ${version} seen for ${standstillMs} ms`,
    );
    const holder = isLost
      ? "the holder gave up"
      : `the holder's lease is ${age.monotonic}/${age.wall} ticks old`;
    const store = record === dead ? "dead" : `version ${record}`;
    return `${store}, ${holder}, ${doubtful.length} in doubt, ${flights.length} on the way; ${seen.join("; ")}`;
  }

  #putWatcher(watcher: Watcher, rank: (beat: number) => number, at: number): void {
    const { version, standstillMs, sinceAnswer, read, tombstone } = watcher;
    const put = (beat: number | undefined): number => (beat === undefined ? nothing : rank(beat));
    const gap = read === undefined ? nothing : Math.min(read.gap, gapMax);
    // While a read is on its way only the gap before it counts.
    const since = read === undefined ? Math.min(sinceAnswer, gapMax) : 0;
    this.#state.set([put(version), standstillMs, since, gap, put(read?.version), put(tombstone)], at);
  }
}

function starts(from: number, size: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => from + index * size);
}

function ranks(state: LeaseState): (beat: number) => number {
  const { record, replica, renewed, isLost, doubtful, flights, watchers } = state;
  const beats = new Set<number>([record, replica]);
  if (!isLost) beats.add(renewed);
  for (const { beat } of doubtful) beats.add(beat);
  for (const { beat, expect } of flights) beats.add(beat).add(expect);
  for (const { version, read, tombstone } of watchers) {
    for (const beat of [version, read?.version, tombstone]) if (beat !== undefined) beats.add(beat);
  }
  beats.delete(dead);
  const sorted = [...beats].sort((left, right) => left - right);
  return (beat) => (beat === dead ? dead : sorted.indexOf(beat));
}
