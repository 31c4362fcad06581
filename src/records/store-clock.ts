import type { Backend, StoreTime } from "../core/backend.ts";
import { UnavailableError } from "../core/errors.ts";
import { invariant } from "../core/invariant.ts";
import type { Runtime } from "../core/runtime.ts";

/** What a {@link StoreClock} is made of. */
export interface StoreClockOptions {
  readonly backend: Pick<Backend, "time">;
  readonly runtime: Runtime;
  /**
   * By how much the rates of the store's clock and of this machine's monotonic clock may differ. Default: 0.0005, more
   * than crystals do and as much as NTP slews.
   */
  readonly driftTolerance?: number;
}

/** A sample older than this is renewed by whoever uses the clock next, while the old one still answers. */
const refreshMaxMs = 60_000;
/** The same, where much drift is tolerated: sooner, so that it does not move the bounds by more. */
const driftMaxMs = 30;
const refreshMinMs = 1_000;
/** An old sample answers until its bounds are this far apart: about half an hour after the last good one. */
const widthMaxMs = 2_000;
/** After a request in the background that failed, the next one is not sent before. */
const retryMs = 5_000;
/** A machine that slept for less is not told from one whose uptime is counted in whole seconds. */
const sleepMs = 1_000;
/** In a row, until a clock gives up on a machine that falls asleep during each request. */
const attemptsMax = 3;
/** Bounds this far apart are worth another request, when it can halve them. */
const coarseMs = 200;
/** Requests beyond the first one that go into narrowing a new sample. Each refresh adds one more. */
const narrowingsMax = 3;

/** Bounds, and when they held. */
interface Sample extends StoreTime, Moment {}

/** A moment on the monotonic clock, and on the one that counts while the machine sleeps. */
interface Moment {
  readonly atMs: number;
  readonly atUptimeMs: number;
}

/**
 * The store's clock, as one client knows it: rare requests for {@link Backend.time}, carried on by the monotonic clock
 * of this machine, whose wall clock decides nothing.
 *
 * The store's clock lies within the bounds of each answer, as long as it runs evenly: to `driftTolerance`, and without
 * being set. The bounds are as wide as the store's answer was, and a round trip, and grow by 1 ms a second until the next
 * sample, which is taken on use, at most once a minute, in the background, and intersected with what was known. Where a
 * store tells whole seconds, up to three more are taken at moments when they about halve the bounds, so that less than
 * 200 ms and a round trip are left.
 *
 * A store's clock that was set is noticed when new bounds do not meet the old ones; a step that is smaller than the bounds
 * are wide shows later or not at all, and puts the answers off by no more than itself. `earliestMs` never goes back: it
 * stands still until a clock that was set back has caught up.
 */
export class StoreClock {
  readonly #backend: Pick<Backend, "time">;
  readonly #runtime: Runtime;
  readonly #driftTolerance: number;
  readonly #refreshMs: number;
  #sample: Sample | undefined;
  #sampledAtMs = 0;
  #nextSampleMs = 0;
  #narrowings = 0;
  #earliestToldMs = Number.NEGATIVE_INFINITY;
  #sampling: Promise<void> | undefined;
  /** When this machine was last looked at for having slept. */
  #lookedAt = { monotonicMs: 0, wallMs: 0 };

  constructor({ backend, runtime, driftTolerance = 0.0005 }: StoreClockOptions) {
    invariant(driftTolerance >= 0 && driftTolerance < 1, `a drift tolerance of ${driftTolerance} is none`);
    this.#backend = backend;
    this.#runtime = runtime;
    this.#driftTolerance = driftTolerance;
    this.#refreshMs = Math.min(refreshMaxMs, Math.max(refreshMinMs, driftMaxMs / driftTolerance));
  }

  /**
   * The store's time now. Asks the store only at first, after this machine slept, and when the last good sample is so old
   * that its bounds are more than 2 s apart; concurrent callers share the request.
   *
   * @throws what {@link Backend.time} rejects with, when it had to ask.
   */
  async now(): Promise<StoreTime> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const known = this.peek();
      if (known !== undefined) return known;
      await this.#refresh();
    }
    throw new UnavailableError(
      "this machine slept during each request for the store's time; it is not known",
    );
  }

  /** As {@link StoreClock.now}, without waiting: `undefined` when it would ask the store first. */
  peek(): StoreTime | undefined {
    const sample = this.#sample;
    if (sample === undefined) return undefined;
    const monotonicMs = this.#runtime.monotonicMs();
    if (this.#hasSlept(sample, monotonicMs)) return undefined;
    const bounds = this.#advance(sample, monotonicMs);
    const isOld = monotonicMs - this.#sampledAtMs > this.#refreshMs;
    if (isOld && bounds.latestMs - bounds.earliestMs > widthMaxMs) return undefined;
    const isDue = monotonicMs >= this.#nextSampleMs;
    if (isDue || (this.#narrowings > 0 && canBeHalved(bounds))) this.#refreshInBackground(isDue);
    return this.#tell(bounds);
  }

  /**
   * How long to wait on this machine until `earliestMs` has reached `storeMs` for sure, as long as the store's clock runs
   * evenly. A little longer than the difference, by the drift that is tolerated.
   */
  delayUntil(storeMs: number, { earliestMs }: StoreTime): number {
    return Math.max(0, storeMs - earliestMs) / (1 - this.#driftTolerance);
  }

  #tell({ earliestMs, latestMs }: StoreTime): StoreTime {
    this.#earliestToldMs = Math.max(this.#earliestToldMs, earliestMs);
    return { earliestMs: this.#earliestToldMs, latestMs: Math.max(latestMs, this.#earliestToldMs) };
  }

  #advance({ earliestMs, latestMs, atMs }: Sample, monotonicMs: number): StoreTime {
    const elapsedMs = monotonicMs - atMs;
    return {
      earliestMs: earliestMs + elapsedMs * (1 - this.#driftTolerance),
      latestMs: latestMs + elapsedMs * (1 + this.#driftTolerance),
    };
  }

  /** The uptime tells, and costs a system call: it is asked once a second, and when wall clock and monotonic clock differ. */
  #hasSlept(sample: Sample, monotonicMs: number): boolean {
    const wallMs = this.#runtime.wallMs();
    const elapsedMs = monotonicMs - this.#lookedAt.monotonicMs;
    const jumpMs = wallMs - this.#lookedAt.wallMs - elapsedMs;
    if (elapsedMs < sleepMs && Math.abs(jumpMs) < sleepMs) return false;
    this.#lookedAt = { monotonicMs, wallMs };
    if (!hasSleptSince(sample, { atMs: monotonicMs, atUptimeMs: this.#runtime.uptimeMs() })) return false;
    this.#sample = undefined;
    return true;
  }

  #refreshInBackground(isDue: boolean): void {
    if (this.#sampling !== undefined) return;
    this.#narrowings = isDue ? Math.min(this.#narrowings + 1, narrowingsMax) : this.#narrowings - 1;
    // The old sample goes on to answer; whoever finds it too old asks again, and hears what is wrong.
    this.#refresh().catch(() => {
      this.#narrowings = 0;
    });
  }

  #refresh(): Promise<void> {
    this.#sampling ??= this.#ask().finally(() => {
      this.#sampling = undefined;
    });
    return this.#sampling;
  }

  async #ask(): Promise<void> {
    const sent = this.#moment();
    this.#nextSampleMs = sent.atMs + retryMs;
    const { earliestMs, latestMs } = await this.#backend.time();
    invariant(earliestMs <= latestMs, `a store's bounds are in order; got ${earliestMs} and ${latestMs}`);
    const settled = this.#moment();
    // How old the answer is, then nobody knows.
    if (hasSleptSince(sent, settled)) return;
    const { atMs } = settled;
    this.#sampledAtMs = atMs;
    this.#nextSampleMs = atMs + this.#refreshMs;
    // The answer holds for the moment when the call settled. This process may have stood still since then.
    this.#add({ earliestMs, latestMs: latestMs + atMs - sent.atMs, ...settled });
  }

  #moment(): Moment {
    return { atMs: this.#runtime.monotonicMs(), atUptimeMs: this.#runtime.uptimeMs() };
  }

  #add(sample: Sample): void {
    const { atMs } = sample;
    const known = this.#sample;
    const old = known === undefined || hasSleptSince(known, sample) ? undefined : this.#advance(known, atMs);
    const earliestMs = Math.max(sample.earliestMs, old?.earliestMs ?? sample.earliestMs);
    const latestMs = Math.min(sample.latestMs, old?.latestMs ?? sample.latestMs);
    const isNew = old === undefined || earliestMs > latestMs;
    if (isNew) this.#narrowings = narrowingsMax;
    this.#sample = isNew ? sample : { ...sample, earliestMs, latestMs };
    this.#lookedAt = { monotonicMs: atMs, wallMs: this.#runtime.wallMs() };
  }
}

/** Whether the machine slept between two moments, on a clock that may count whole seconds. */
function hasSleptSince(since: Moment, until: Moment): boolean {
  return until.atUptimeMs - since.atUptimeMs - (until.atMs - since.atMs) > sleepMs;
}

/** Whether the middle of wide bounds is at a whole second: where a store tells these, it now says which half is right. */
function canBeHalved({ earliestMs, latestMs }: StoreTime): boolean {
  const widthMs = latestMs - earliestMs;
  if (widthMs <= coarseMs) return false;
  const middleMs = (earliestMs + latestMs) / 2;
  return Math.abs(middleMs - 1_000 * Math.round(middleMs / 1_000)) < widthMs / 16;
}
