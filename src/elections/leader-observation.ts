import { ClosedError } from "../core/errors.ts";
import type { Roster } from "../roster/roster.ts";
import { isTransient } from "../roster/roster-change.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import type { Source } from "../roster/roster-wait.ts";
import { describeLeader, type Leader, leaderOf } from "./leader.ts";
import { NewestLeader } from "./newest-leader.ts";

/** What an observation needs to know. */
export interface ObservationTarget extends RosterName {
  /** The pace of the re-reads that make up for lost hints. */
  readonly ttlMs: number;
}

/**
 * Follows who leads, for one reader. What happens while the reader is busy is not queued up: it gets the newest state
 * when it asks next. It also looks after the leader's session, and takes out one that died: an election that nobody
 * campaigns in has an end as well.
 */
export class LeaderObservation implements AsyncIterator<Leader | null> {
  readonly #host: RosterHost;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = new AbortController();
  readonly #newest = new NewestLeader();
  /** Resolved when there may be something to say. */
  #news = Promise.withResolvers<void>();
  #hasSeen = false;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #told: string | undefined;
  /** Who asks before an earlier question is answered, is answered after it. */
  #last: Promise<unknown> = Promise.resolve();
  #known: { readonly session: string; readonly client: Leader["client"] } | undefined;

  constructor(host: RosterHost, target: ObservationTarget, signal: AbortSignal | undefined) {
    this.#host = host;
    this.#signal = signal;
    if (signal?.aborted === true) {
      this.#end();
      return;
    }
    signal?.addEventListener("abort", this.#end, { once: true });
    this.#follow(target);
  }

  next(): Promise<IteratorResult<Leader | null>> {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(toldAlready);
    return next;
  }

  async #next(): Promise<IteratorResult<Leader | null>> {
    while (!this.#isOver) {
      this.#news = Promise.withResolvers();
      const told = this.#hasSeen ? await this.#tell() : undefined;
      if (this.#isOver) break;
      if (told !== undefined) return { done: false, value: told };
      await this.#news.promise;
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Leader | null>> {
    this.#end();
    return { done: true, value: undefined };
  }

  #follow({ ttlMs, ...name }: ObservationTarget): void {
    const find = (roster: Roster, source: Source): undefined => {
      if (this.#newest.note(roster, source)) this.#hasSeen = true;
      this.#news.resolve();
    };
    let following: Promise<unknown>;
    try {
      following = this.#host.queue(name).board.until<never>({
        ...{ failing: "the election is observed no more", ttlMs, find },
        ...{ waitMs: Number.POSITIVE_INFINITY, signal: this.#stop.signal },
        watched: ({ holders }) => ({ near: holders, further: [] }),
      });
    } catch (error) {
      following = Promise.reject(error);
    }
    following.catch((error: unknown) => this.#fail(error));
  }

  /** What is to be said; `undefined`: nothing new. */
  async #tell(): Promise<Leader | null | undefined> {
    const { leader } = this.#newest;
    const text = JSON.stringify([leader?.fence, leader?.session, leader?.metadata]);
    if (text === this.#told) return undefined;
    this.#told = text;
    if (leader === undefined) return null;
    if (this.#known?.session === leader.session) return leaderOf(leader, this.#known.client);
    try {
      const described = await describeLeader(this.#host, leader);
      if (described !== null) this.#known = { session: leader.session, client: described.client };
      return described;
    } catch (error) {
      // Who leads is known; on which machine is told with its next state.
      if (isTransient(error)) return leaderOf(leader, null);
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown): void {
    // A coordinator that was closed ends it like a signal does.
    if (!this.#isOver && !(error instanceof ClosedError)) this.#failure = { error };
    this.#end();
  }

  readonly #end = (): void => {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal?.removeEventListener("abort", this.#end);
    this.#stop.abort();
    this.#news.resolve();
  };
}

/** Whoever asked has its error. */
function toldAlready(): void {}
