import { ClosedError } from "../core/errors.ts";
import type { CancelTimer, Runtime } from "../core/runtime.ts";
import { instant } from "../sessions/lease-clock.ts";
import type { MakeRenewal } from "../sessions/renewal-loop.ts";
import { SharedInstant } from "./shared-memory.ts";
import { ThreadLink } from "./thread-link.ts";
import { ThreadedRenewal, type ThreadSource } from "./threaded-renewal.ts";

/** Signs of life in the time that a watchdog allows. */
const signsPerWatchdog = 10;
const watchdogDefaultMs = 30_000;

/** What {@link startHeartbeatThread} needs to know. */
export interface HeartbeatThreadOptions {
  readonly url: string;
  readonly runtime: Runtime;
  /** Left out: 30 s, or twice the TTL of a session where that is more. */
  readonly watchdogMs: number | undefined;
}

/** A thread that sends the heartbeats of one coordinator. */
export interface HeartbeatThread {
  /** For its sessions. */
  readonly makeRenewal: MakeRenewal;
  /** Ends the thread and its connection, in bounded time. Sessions are to be closed before. */
  close(): Promise<void>;
}

/**
 * Starts a thread that sends the heartbeats of one coordinator. Rejects with the error that it met when it connected.
 */
export async function startHeartbeatThread(options: HeartbeatThreadOptions): Promise<HeartbeatThread> {
  const threads = new HeartbeatThreads(options);
  try {
    await threads.link();
    return threads;
  } catch (error) {
    await threads.close();
    throw error;
  }
}

/** One thread at a time: another one is started on need after it died. */
class HeartbeatThreads implements HeartbeatThread, ThreadSource {
  readonly makeRenewal: MakeRenewal = (context, session, ttlMs, keeper) =>
    new ThreadedRenewal(this, context, session, ttlMs, keeper);
  readonly #options: HeartbeatThreadOptions;
  readonly #life = new SharedInstant();
  readonly #signEveryMs: number;
  #link: Promise<ThreadLink> | undefined;
  #cancelSign: CancelTimer = () => {};
  #isClosed = false;

  constructor(options: HeartbeatThreadOptions) {
    this.#options = options;
    this.#signEveryMs = (options.watchdogMs ?? watchdogDefaultMs) / signsPerWatchdog;
    this.#showLife();
  }

  async link(): Promise<ThreadLink> {
    if (this.#isClosed) throw new ClosedError("the coordinator is closed");
    const known = this.#link;
    if (known === undefined) return this.#start();
    const link = await known;
    if (!link.isGone) return link;
    // Of many that meet a dead one the first starts another.
    return this.#link === known ? this.#start() : this.link();
  }

  watchdogMs(ttlMs: number): number {
    const { watchdogMs } = this.#options;
    return watchdogMs === undefined ? Math.max(watchdogDefaultMs, 2 * ttlMs) : Math.max(watchdogMs, ttlMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelSign();
    const link = await this.#link?.catch(() => undefined);
    await link?.close();
  }

  #start(): Promise<ThreadLink> {
    const { url, runtime } = this.#options;
    const starting = ThreadLink.start(runtime, { url, life: this.#life.buffer });
    this.#link = starting;
    starting.catch(() => {
      if (this.#link === starting) this.#link = undefined;
    });
    return starting;
  }

  #showLife(): void {
    const { runtime } = this.#options;
    this.#life.write(instant(runtime));
    this.#cancelSign = runtime.schedule(this.#signEveryMs, () => this.#showLife());
  }
}
