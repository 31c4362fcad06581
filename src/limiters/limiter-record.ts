import { UnavailableError } from "../core/errors.ts";
import type { RecordHost } from "../records/record-host.ts";
import { SharedRecord } from "../records/shared-record.ts";
import type { Bounds, Used } from "./algorithms/algorithm.ts";
import type { Decision } from "./decision.ts";
import {
  applyCommand,
  applyNow,
  asOf,
  harmlessTwice,
  type LimiterAnswer,
  type LimiterCommand,
} from "./limiter-commands.ts";
import {
  decodeState,
  emptyState,
  encodeState,
  type LimiterState,
  type Rule,
  stampState,
  stateTtlMs,
} from "./limiter-state.ts";

/** For how long a denial is answered by what was last seen: others may have given something back since. */
const denialMs = 1_000;

/** The record of one key of a limiter, and the store's clock by which it is judged. */
export class LimiterRecord {
  readonly #host: RecordHost;
  readonly #rules: readonly Rule[];
  readonly #record: SharedRecord<LimiterState, LimiterCommand, LimiterAnswer>;
  readonly #subject: string;
  #writers = 1;
  #judged: { readonly state: LimiterState | undefined; readonly least: number } = {
    state: undefined,
    least: 0,
  };

  constructor(host: RecordHost, rules: readonly Rule[], key: string, subject: string) {
    const { backend, runtime } = host;
    this.#host = host;
    this.#rules = rules;
    this.#subject = subject;
    this.#record = new SharedRecord({
      ...{ backend, runtime, key, subject },
      rules: {
        decode: (at, value) => this.#note(decodeState(rules, at, value)),
        encode: (state) => encodeState(rules, state),
        ready: (state) => asOf(rules, state, this.#time()),
        apply: (state, command) => applyNow(rules, state, command),
        stamp: (state, write) => this.#note(stampState(state, write)),
        stamps: ({ stamps }) => stamps,
        again: harmlessTwice,
        ttlMs: (state) => stateTtlMs(rules, state),
      },
    });
  }

  get isBusy(): boolean {
    return this.#record.isBusy;
  }

  close(): Promise<void> {
    return this.#record.close();
  }

  /** Processes that wrote to this key lately, at least one: as last seen, also when the store is away since. */
  get writers(): number {
    return this.#writers;
  }

  /** Asks the store. Commands that come while a write is in flight ride together in the next one. */
  run(command: LimiterCommand, signal?: AbortSignal): Promise<LimiterAnswer> {
    const { clock } = this.#host;
    // Known, but for the first time: a hot path waits for no promise that it does not need.
    if (clock.peek() !== undefined) return this.#record.run(command, signal);
    return clock.now().then(() => this.#record.run(command, signal));
  }

  /**
   * The denial of what costs more than can ever be had, or, beside what is `held` here, than was there a moment ago. Asks
   * nobody.
   */
  denial(cost: number, held: number): Decision | undefined {
    const time = this.#host.clock.peek();
    if (this.#rules.some(({ policy }) => cost > policy.burst)) {
      const state = this.#record.seen?.state ?? emptyState(this.#rules);
      return this.#judge(state, cost, time ?? { earliestMs: state.atMs, latestMs: state.atMs });
    }
    const seen = this.#record.seen;
    if (time === undefined || seen === undefined) return undefined;
    if (this.#host.runtime.monotonicMs() - seen.seenAtMs > denialMs) return undefined;
    // Nothing is used up but by a write that would have been seen: what was there then is there still.
    if (cost - held <= this.#leastIn(seen.state)) return undefined;
    const decision = this.#judge(seen.state, cost - held, time);
    return decision.allowed ? undefined : { ...decision, cost };
  }

  /** What could be taken when this was seen, at least. */
  #leastIn(state: LimiterState): number {
    if (this.#judged.state === state) return this.#judged.least;
    const now = { earliestMs: state.atMs, latestMs: state.atMs };
    const left = this.#rules.map(({ algorithm }, index) =>
      algorithm.remaining(state.used[index] as Used, now),
    );
    this.#judged = { state, least: state.blockedUntilMs > 0 ? 0 : Math.min(...left) };
    return this.#judged.least;
  }

  /** The decision by what was last seen, as if it were so still. */
  #judge(state: LimiterState, cost: number, time: Bounds): Decision {
    const { decision } = applyCommand(this.#rules, state, { kind: "peek", cost }, time).answer;
    return { ...decision, source: "cache" };
  }

  #note(state: LimiterState): LimiterState {
    this.#writers = Math.max(1, state.stamps.length);
    return state;
  }

  #time(): Bounds {
    const time = this.#host.clock.peek();
    if (time !== undefined) return time;
    throw new UnavailableError(
      `the time of the store is not known just now, and ${this.#subject} is decided by it; nothing was taken`,
    );
  }
}
