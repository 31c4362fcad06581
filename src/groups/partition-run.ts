import { AbortedError } from "../core/errors.ts";
import { startSleep } from "../core/runtime.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import { watchClocks } from "../roster/clock-signal.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import type { Holder } from "../roster/roster.ts";
import { isTransient } from "../roster/roster-change.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import type { Member } from "./member.ts";
import type { OwnedPartition, PartitionsTarget, RunPartitionsOptions } from "./partitions.ts";
import { quotaOf, searchOrder } from "./quota.ts";

/** What a run works with. */
export interface PartitionRunContext extends PartitionsTarget {
  readonly count: number;
  readonly options: RunPartitionsOptions;
  work(owned: OwnedPartition): Promise<void> | void;
  /** Who holds each of these, as one look at the store shows it. */
  holders(partitions: readonly number[]): Promise<readonly (Holder | undefined)[]>;
  nameFor(partition: number): RosterName;
}

/** A partition that this member has; given back once its work has ended. */
interface Owned {
  readonly move: AbortController;
  readonly over: Promise<void>;
}

/** How soon a member that has less than its share looks again for what is free. */
const lookEveryTtls = 0.25;

/**
 * One member's part in sharing out partitions. Everybody goes by the same list of members: who has more than its quota
 * gives up the surplus, and who has less takes what is free. Nobody leads, and a wrong list only means a move too many:
 * the lock of each partition decides.
 */
export class PartitionRun {
  readonly #host: RosterHost;
  readonly #context: PartitionRunContext;
  readonly #owned = new Map<number, Owned>();
  readonly #stop = new AbortController();
  #members: readonly Member[] = [];
  #looks = 0;
  #failure: { readonly error: unknown } | undefined;
  #news = Promise.withResolvers<void>();

  constructor(host: RosterHost, context: PartitionRunContext) {
    this.#host = host;
    this.#context = context;
  }

  async run(): Promise<void> {
    const { signal } = this.#context.options;
    const stop = (): void => this.#end();
    if (signal?.aborted === true) return;
    signal?.addEventListener("abort", stop, { once: true });
    try {
      while (!this.#stop.signal.aborted) await this.#runAsMember();
    } catch (error) {
      if (!(error instanceof AbortedError && this.#stop.signal.aborted)) this.#failure ??= { error };
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#end();
      await this.#giveUpAll();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** From joining the group to losing the membership, or the end of the run. */
  async #runAsMember(): Promise<void> {
    const { group, options } = this.#context;
    const { identity, metadata } = options;
    const membership = await group.join({
      ...{ signal: this.#stop.signal, ...(identity !== undefined && { identity }) },
      ...(metadata !== undefined && { metadata }),
    });
    const unfollow = new AbortController();
    const following = this.#follow(unfollow.signal);
    const over = AbortSignal.any([this.#stop.signal, membership.signal]);
    watchClocks(over, () => void membership.signal);
    over.addEventListener("abort", () => this.#news.resolve(), { once: true });
    try {
      while (!over.aborted) await this.#share(membership, over);
      // Also where the membership was lost: it joins again with nothing in hand.
      await this.#giveUpAll();
    } finally {
      unfollow.abort();
      await following;
      await membership[Symbol.asyncDispose]();
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      for await (const members of this.#context.group.observe({ signal })) {
        this.#members = members;
        this.#news.resolve();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes or gives up what the list of members says, and waits until something may have changed. */
  async #share(membership: Grant, over: AbortSignal): Promise<void> {
    this.#news = Promise.withResolvers();
    const { count, ttlMs } = this.#context;
    const rank = this.#members.findIndex(({ fence }) => fence === membership.fence);
    let pauseMs = Number.POSITIVE_INFINITY;
    if (rank >= 0) {
      const quota = quotaOf(rank, this.#members.length, count);
      const kept = [...this.#owned].filter(([, { move }]) => !move.signal.aborted);
      for (const [partition, { move }] of kept.slice(quota)) {
        move.abort(new AbortedError(`partition ${partition} moves to another member`));
      }
      if (this.#owned.size < quota) await this.#take(rank, quota, over);
      if (this.#owned.size < quota) pauseMs = lookEveryTtls * ttlMs;
    }
    if (over.aborted) return;
    if (pauseMs === Number.POSITIVE_INFINITY) return this.#news.promise;
    const pause = startSleep(this.#host.runtime, pauseMs, { holdsProcessOpen: true });
    await Promise.race([pause.over, this.#news.promise]);
    pause.end();
  }

  /** Gives up when it is `over`: a store that hangs must not keep a run from its end. */
  async #take(rank: number, quota: number, over: AbortSignal): Promise<void> {
    const { count, holders, nameFor, options, ttlMs } = this.#context;
    const wanted = searchOrder(rank, this.#members.length, count).filter((it) => !this.#owned.has(it));
    const request = { ttlMs, weight: 1, capacity: 1, waitMs: 0, signal: over, metadata: undefined };
    try {
      const found = await unlessAborted(holders(wanted), over);
      const free = wanted.filter((_, index) => found[index] === undefined);
      // What a member holds that is there, it gives up by itself; a try of the others sees whether their holder died. By
      // session, and not by identity: the next life of a process may have the name of the one that died.
      const group = { kind: "group", name: this.#context.name, isShared: true } as const;
      const present = this.#host.queue(group).board.known?.holders ?? [];
      const sessions = new Set(present.map(({ session }) => session));
      const doubtful = wanted.filter((_, index) => {
        const holder = found[index];
        return holder !== undefined && !sessions.has(holder.session);
      });
      // One of the others at each look, in turn: a record that was rolled back shows what a member gave up long ago.
      const others = wanted.filter((_, index) => sessions.has(found[index]?.session ?? ""));
      const suspect = others.slice(this.#looks % Math.max(1, others.length)).slice(0, 1);
      this.#looks += 1;
      for (const partition of [...free, ...doubtful, ...suspect]) {
        if (this.#owned.size >= quota || over.aborted) return;
        const target = nameFor(partition);
        const identity = options.identity === undefined ? {} : { identity: options.identity };
        const grant = await this.#host
          .queue(target)
          .tryAcquire({ ...request, name: target.name, ...identity });
        if (grant !== null) this.#own(partition, grant);
      }
    } catch (error) {
      // Looked for again soon, unless it is over.
      if (!over.aborted && !isTransient(error)) throw error;
    }
  }

  #own(partition: number, grant: HeldGrant): void {
    const move = new AbortController();
    const signal = AbortSignal.any([grant.signal, move.signal]);
    // By itself it asks the signals behind it, and with them the clocks, in newer versions of Node only.
    watchClocks(signal, () => void grant.signal);
    const { fence } = grant;
    const working = async (): Promise<void> => {
      try {
        await this.#context.work({ partition, fence, signal });
      } catch (error) {
        // Work that is asked to stop may do so by throwing.
        if (!signal.aborted) this.#fail(error);
      }
      if (!signal.aborted) await new Promise((end) => signal.addEventListener("abort", end, { once: true }));
    };
    const over = this.#host
      .whileHolding([grant], working)
      .catch((error: unknown) => this.#fail(error))
      .then(() => grant[Symbol.asyncDispose]())
      .then(() => {
        this.#owned.delete(partition);
        this.#news.resolve();
      });
    this.#owned.set(partition, { move, over });
    if (this.#stop.signal.aborted) move.abort(this.#stop.signal.reason);
  }

  async #giveUpAll(): Promise<void> {
    for (const { move } of this.#owned.values())
      move.abort(new AbortedError("this member gives everything up"));
    await Promise.all([...this.#owned.values()].map(({ over }) => over));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end();
  }

  #end(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new AbortedError("the run of partitions ends"));
    for (const { move } of this.#owned.values()) move.abort(this.#stop.signal.reason);
    this.#news.resolve();
  }
}
