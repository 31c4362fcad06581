import { backoffMs } from "../core/backoff.ts";
import { ClosedError } from "../core/errors.ts";
import { sleep } from "../core/runtime.ts";
import type { Pooled } from "../records/record-pool.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import type { Change, PastEntry, Removal, Reset, WatchOptions } from "./change.ts";
import { encodeCursor } from "./cursor.ts";
import { entryKeyPrefix } from "./entry-key.ts";
import type { EntryRecord } from "./entry-record.ts";
import type { TypedEntries } from "./typed-entries.ts";
import { WatchFeed } from "./watch-feed.ts";
import { expiryOf, type News } from "./watch-news.ts";
import { parseWatchOptions, type WatchRequest } from "./watch-options.ts";

/** Makes the changes of a namespace. Each iteration is a watch of its own, which begins with it. @throws InvalidArgumentError */
export function createWatch<T>(
  entries: TypedEntries<T, never>,
  options: WatchOptions | undefined,
): AsyncIterable<Change<T> | Reset> {
  const request = parseWatchOptions(entries.store, options);
  return { [Symbol.asyncIterator]: () => new EntryWatch(entries, request) };
}

/** The watches that one client has open in one namespace. */
class OpenWatches implements Pooled {
  readonly all = new Set<() => void>();

  get isBusy(): boolean {
    return this.all.size > 0;
  }

  async close(): Promise<void> {
    for (const end of this.all) end();
  }
}

/**
 * Tells one reader what changes. What happens while the reader is busy is not queued up: it gets the newest state of each key
 * when it asks next.
 */
class EntryWatch<T> implements AsyncIterator<Change<T> | Reset> {
  readonly #entries: TypedEntries<T, never>;
  readonly #request: WatchRequest;
  readonly #feed: WatchFeed;
  readonly #stop = new AbortController();
  #open: OpenWatches | undefined;
  /** Resolved when there may be something to say. */
  #news = Promise.withResolvers<void>();
  #isReadyTold = false;
  #failure: { readonly error: unknown } | undefined;
  /** Who asks before an earlier question is answered, is answered after it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(entries: TypedEntries<T, never>, request: WatchRequest) {
    this.#entries = entries;
    this.#request = request;
    const { store } = entries;
    this.#feed = new WatchFeed(store, request, () => this.#news.resolve());
    const { signal } = request;
    if (signal?.aborted === true) {
      this.#end();
      return;
    }
    signal?.addEventListener("abort", this.#end, { once: true });
    try {
      // No entry has this key.
      this.#open = store.host.pooled(entryKeyPrefix(store.place), () => new OpenWatches());
      this.#open.all.add(this.#end);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#feed.follow().catch((error: unknown) => this.#fail(error));
  }

  next(): Promise<IteratorResult<Change<T> | Reset>> {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(toldAlready);
    return next;
  }

  async return(): Promise<IteratorResult<Change<T> | Reset>> {
    this.#end();
    return { done: true, value: undefined };
  }

  async #next(): Promise<IteratorResult<Change<T> | Reset>> {
    try {
      while (!this.#isOver) {
        this.#news = Promise.withResolvers();
        const told = await this.#tell();
        if (this.#isOver) break;
        if (told !== undefined) return { done: false, value: told };
      }
    } catch (error) {
      this.#fail(error);
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return { done: true, value: undefined };
  }

  /** Ends with what it promises and does not keep, as with what it throws. */
  #heed(answer: unknown): void {
    Promise.resolve(answer).catch((error: unknown) => this.#fail(error));
  }

  /** What is to be said; `undefined`: ask again. */
  async #tell(): Promise<Change<T> | Reset | undefined> {
    const { queue } = this.#feed;
    if (!this.#isReadyTold && queue.isReady) {
      this.#isReadyTold = true;
      this.#heed(this.#request.onReady?.());
    }
    const { hasRoom } = queue;
    const news = queue.take();
    if (news === undefined) {
      if (!this.#isOver) await this.#news.promise;
      return undefined;
    }
    if (!hasRoom && queue.hasRoom) this.#feed.poke();
    return this.#describe(news, this.#cursor());
  }

  async #describe(news: News, cursor: string): Promise<Change<T> | Reset | undefined> {
    if (news.kind === "reset") return { operation: "reset", isInitial: false, cursor };
    if (news.kind === "removal") return { ...news.removal, isInitial: false, cursor };
    const { key, record, isInitial } = news;
    const entry = (await this.#show(key, record)) ?? this.#expired(key, record, isInitial);
    return entry && { ...entry, isInitial: isInitial && entry.operation === "put", cursor };
  }

  async #show(key: string, record: EntryRecord): Promise<PastEntry<T> | undefined> {
    const { runtime } = this.#entries.store.host;
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#entries.show(key, { record });
      } catch (error) {
        // The store's clock is asked for.
        if (!isTransient(error) || this.#isOver) throw error;
        await sleep(runtime, backoffMs(runtime, failures, failureBackoff), {
          ...{ signal: this.#stop.signal, holdsProcessOpen: true },
        });
      }
    }
  }

  /** A value whose time was over before it was its turn. */
  #expired(key: string, record: EntryRecord, isInitial: boolean): Removal | undefined {
    const isNews = this.#feed.noteOver(key, record) && !isInitial && this.#request.removals;
    return isNews ? expiryOf(record) : undefined;
  }

  #cursor(): string {
    const { atMs, isComplete } = this.#feed.queue.covered;
    return encodeCursor(this.#request.identity, atMs.toString(36) + (isComplete ? "+" : "-"));
  }

  get #isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  #fail(error: unknown): void {
    // A coordinator that was closed ends it like a signal does.
    if (!this.#isOver && !(error instanceof ClosedError)) this.#failure = { error };
    this.#end();
  }

  readonly #end = (): void => {
    if (this.#isOver) return;
    this.#request.signal?.removeEventListener("abort", this.#end);
    this.#open?.all.delete(this.#end);
    this.#stop.abort();
    this.#feed.stop();
    this.#news.resolve();
  };
}

/** Whoever asked has its error. */
function toldAlready(): void {}
