import type { ChangeHint, StoreTime, Unsubscribe } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { type Sleep, startSleep } from "../core/runtime.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import type { Removal } from "./change.ts";
import { type EntryRecord, versionOf } from "./entry-record.ts";
import { tombstoneMs } from "./entry-rules.ts";
import type { EntryStore, SeenEntry } from "./entry-store.ts";
import { inParallel } from "./in-parallel.ts";
import { isWanted, type KeyFilter, scanEntries, scanPrefix } from "./listing.ts";
import { KnownEntries } from "./watch-known.ts";
import { endOf, type News } from "./watch-news.ts";
import { type FeedOptions, slackMs, type TellsFirst, tellsFirst } from "./watch-options.ts";
import { NewestProofs } from "./watch-proofs.ts";
import { WatchQueue } from "./watch-queue.ts";

/** A reading of everything, which began then on the store's clock. */
interface Scan {
  readonly atMs: number;
  cursor: string | undefined;
}

const resyncPushMs = 30_000;
const resyncPollMs = 2_000;
const resyncJitter = 0.1;
/** Entries in one page, and keys in one read. */
const pageSize = 100;
const resetId = "";

/**
 * Finds what is to be told of the entries of a namespace. Hints say where to look, or what is newer than what is known;
 * everything is read again and again, a page at a time, to find what they did not tell. What may be old, or gone, is told
 * only when the store confirms it by a commit.
 */
export class WatchFeed {
  readonly queue: WatchQueue;
  readonly #store: EntryStore;
  readonly #options: FeedOptions;
  readonly #filter: KeyFilter;
  readonly #onNews: () => void;
  readonly #known = new KnownEntries();
  /** Keys of records that must be read. */
  readonly #toRead = new Set<string>();
  readonly #proofs: NewestProofs;
  #unsubscribe: Unsubscribe = () => undefined;
  #scan: Scan | undefined;
  #tells: TellsFirst;
  #isBegun = false;
  /** Whether the first reading is over. */
  #isReady = false;
  #isOver = false;
  #resyncAtMs = 0;
  #failures = 0;
  #isPoked = false;
  #sleep: Sleep | undefined;

  constructor(store: EntryStore, options: FeedOptions, onNews: () => void) {
    this.#store = store;
    this.#options = options;
    this.#filter = options.filter;
    this.#onNews = onNews;
    this.#proofs = new NewestProofs(store.host.backend);
    this.queue = new WatchQueue(options.since ?? { atMs: 0, isComplete: false });
    this.#tells = tellsFirst(options);
  }

  /** Goes on until {@link WatchFeed.stop}. Rejects with what cannot be waited out. */
  async follow(): Promise<void> {
    const prefix = scanPrefix(this.#store, this.#filter);
    this.#unsubscribe = this.#store.host.backend.watch(prefix, (hint) => this.#hear(hint));
    while (!this.#isOver) {
      try {
        await this.#step();
        this.#failures = 0;
      } catch (error) {
        if (this.#isOver) return;
        if (!isTransient(error)) throw error;
        this.#failures += 1;
        // Whatever was hinted meanwhile may be lost.
        this.#resyncAtMs = 0;
      }
      await this.#pause();
    }
  }

  /** There is room again. */
  poke(): void {
    this.#isPoked = true;
    if (this.#failures === 0) this.#sleep?.end();
  }

  stop(): void {
    this.#isOver = true;
    this.#unsubscribe();
    this.#sleep?.end();
    this.#known.clear();
    this.#toRead.clear();
  }

  /** The value that was to be told is over. Answers whether that is news. */
  noteOver(key: string, { newest }: EntryRecord): boolean {
    const known = this.#known.get(this.#store.recordKey(key));
    if (known?.version !== versionOf(newest) || known.isGone) return false;
    known.isGone = true;
    return true;
  }

  #hear({ key: id, record }: ChangeHint): void {
    if (this.#isOver) return;
    // Until everything was read once, what is hinted at is only remembered: first what was there, then what changed.
    const isNothing = this.#isReady && record === null && this.#known.get(id)?.isGone !== false;
    if (isNothing || (this.#isReady && record && this.#takeHint(id, record))) return;
    this.#toRead.add(id);
    this.poke();
  }

  /** Answers whether nothing is left to look at. */
  #takeHint(id: string, stored: NonNullable<ChangeHint["record"]>): boolean {
    const now = this.#store.host.clock.peek();
    if (now === undefined || !this.queue.hasRoom) return false;
    try {
      return this.#see(id, this.#store.seen(stored, id).record, now) !== "doubt";
    } catch {
      // The reading that follows says what is wrong.
      return false;
    }
  }

  async #step(): Promise<void> {
    const { clock } = this.#store.host;
    if (!this.#isBegun) await this.#begin();
    if (this.#isReady && this.#known.nextEndMs !== undefined) this.#tellOver(await clock.now());
    if (this.#isOver || !this.queue.hasRoom) return;
    if (this.#isReady && this.#toRead.size > 0) await this.#look();
    if (this.#scan === undefined && this.#store.host.runtime.monotonicMs() >= this.#resyncAtMs) {
      const { earliestMs } = await clock.now();
      this.#known.beginRound();
      this.#scan = { atMs: Math.floor(earliestMs), cursor: undefined };
    }
    if (this.#scan !== undefined) await this.#readPage(this.#scan);
  }

  async #begin(): Promise<void> {
    const now = await this.#store.host.clock.now();
    this.#isBegun = true;
    if (this.#options.since !== undefined) this.#resetIfLate(now);
    else this.queue.restart({ atMs: Math.floor(now.earliestMs), isComplete: false });
  }

  /** Deletions are remembered for some time only. */
  #resetIfLate({ earliestMs, latestMs }: StoreTime): boolean {
    const { since, updatesOnly } = this.#options;
    const { afterMs } = this.#tells;
    // It came to that already, or nothing is gone on from.
    if (since === undefined || afterMs === Number.POSITIVE_INFINITY) return false;
    // From the future: the store's clock was set back, or it is another store.
    const isFuture = since.atMs > latestMs + slackMs;
    if (!isFuture && latestMs - afterMs < tombstoneMs) return false;
    this.#tells = tellsFirst({ updatesOnly, since: undefined });
    this.#known.clear();
    this.queue.restart({ atMs: Math.floor(earliestMs), isComplete: false });
    this.#tell(resetId, { kind: "reset" });
    return true;
  }

  async #readPage(scan: Scan): Promise<void> {
    const page = { limit: pageSize, cursor: scan.cursor };
    const { found, cursor } = await scanEntries(this.#store, this.#filter, page);
    const now = await this.#store.host.clock.now();
    if (this.#isOver) return;
    for (const { key, record } of found) {
      const id = this.#store.recordKey(key);
      if (record !== undefined && this.#see(id, record, now) === "doubt") this.#toRead.add(id);
    }
    scan.cursor = cursor;
    if (cursor === undefined) this.#endScan(scan.atMs, now);
  }

  #endScan(atMs: number, now: StoreTime): void {
    const { runtime } = this.#store.host;
    this.#scan = undefined;
    if (!this.#isReady && this.#resetIfLate(now)) return;
    for (const id of this.#known.endRound()) this.#toRead.add(id);
    this.queue.mark(atMs);
    this.#isReady = true;
    const jitter = 1 + resyncJitter * (2 * runtime.random() - 1);
    this.#resyncAtMs = runtime.monotonicMs() + this.#resyncMs * jitter;
    this.#onNews();
  }

  /** Reads what hints and doubts named. */
  async #look(): Promise<void> {
    const ids: string[] = [];
    for (const id of this.#toRead) {
      if (ids.length === pageSize) break;
      ids.push(id);
      this.#toRead.delete(id);
    }
    try {
      const { backend, clock } = this.#store.host;
      const records = await backend.get(ids);
      const now = await clock.now();
      if (this.#isOver) return;
      const doubts = ids.flatMap((id, index) => {
        const seen = this.#store.seen(records[index] ?? null, id);
        return this.#see(id, seen.record, now) === "doubt" ? [{ key: id, seen }] : [];
      });
      for (const result of await inParallel(doubts, (doubt) => this.#confirm(doubt.key, doubt.seen, now)))
        if ("error" in result) throw result.error;
    } catch (error) {
      for (const id of ids) this.#toRead.add(id);
      throw error;
    }
  }

  /** Takes in what was seen, unless it may be older than what is known. */
  #see(id: string, record: EntryRecord | undefined, now: StoreTime): "same" | "news" | "doubt" {
    if (record !== undefined && !isWanted(record.key, this.#filter)) return "same";
    const verdict = this.#known.judge(id, record);
    if (verdict === "news") this.#accept(id, record as EntryRecord, now);
    if (verdict !== "doubt") this.#proofs.forget(id);
    return verdict;
  }

  /** Takes in what may be old, if it stands there now. If not, something else does, which a hint or a reading will tell. */
  async #confirm(id: string, { record, version }: SeenEntry, now: StoreTime): Promise<object> {
    const before = this.#known.get(id);
    const isNewest = await this.#proofs.isNewest(id, version);
    if (this.#isOver || !isNewest || this.#known.get(id) !== before) return {};
    if (record !== undefined) {
      const removal = endOf(record, now);
      // That there is none may have been told already, and forgotten since.
      if (before === undefined && removal !== undefined) this.#known.accept(id, record, true);
      else this.#accept(id, record, now);
    } else if (before !== undefined && !before.isGone) {
      this.#known.vanish(id, before);
      const { key } = before;
      this.#tellRemoval(id, { operation: "purge", key, version: null, updatedAt: new Date(now.earliestMs) });
    }
    return {};
  }

  #accept(id: string, record: EntryRecord, now: StoreTime): void {
    const { newest, key } = record;
    const removal = endOf(record, now);
    this.#known.accept(id, record, removal !== undefined);
    // The pause may be too long for it.
    if (newest.life !== undefined && this.#known.nextEndMs === newest.life.endsAtMs) this.poke();
    const isInitial = !this.#isReady && removal === undefined && this.#tells.all;
    const changedAtMs = removal?.updatedAt.getTime() ?? newest.updatedAtMs;
    if (!this.#isReady && !isInitial && changedAtMs <= this.#tells.afterMs) return;
    if (removal !== undefined) this.#tellRemoval(id, removal);
    else this.#tell(id, { kind: "put", key, record: { ...record, past: [] }, isInitial });
  }

  #tellOver({ latestMs }: StoreTime): void {
    for (let over = this.#known.takeOver(latestMs); over; over = this.#known.takeOver(latestMs)) {
      const { key, version, endsAtMs = 0 } = over.known;
      this.#tellRemoval(over.id, { operation: "expire", key, version, updatedAt: new Date(endsAtMs) });
    }
  }

  #tellRemoval(id: string, removal: Removal): void {
    if (this.#options.removals) this.#tell(id, { kind: "removal", removal });
    else this.queue.drop(id);
  }

  #tell(id: string, news: News): void {
    this.queue.put(id, news);
    this.#onNews();
  }

  async #pause(): Promise<void> {
    const delayMs = this.#delayMs();
    if (!this.#isOver && (this.#failures > 0 || (delayMs > 0 && !this.#isPoked))) {
      this.#sleep = startSleep(this.#store.host.runtime, delayMs, { holdsProcessOpen: true });
      await this.#sleep.over;
    }
    this.#isPoked = false;
  }

  #delayMs(): number {
    const { runtime, clock } = this.#store.host;
    if (this.#failures > 0) return backoffMs(runtime, this.#failures, failureBackoff);
    const { hasRoom } = this.queue;
    if (hasRoom && (this.#scan !== undefined || (this.#isReady && this.#toRead.size > 0))) return 0;
    const nextMs = this.#isReady ? this.#known.nextEndMs : undefined;
    const now = clock.peek();
    const overInMs = nextMs === undefined ? Number.POSITIVE_INFINITY : now && clock.delayUntil(nextMs, now);
    const resyncInMs = hasRoom ? this.#resyncAtMs - runtime.monotonicMs() : Number.POSITIVE_INFINITY;
    // The clock is looked at now and then, so that it is known well when a value is over.
    return Math.min(overInMs ?? 0, resyncInMs, resyncPushMs);
  }

  /** Known once the store was asked for something. */
  get #resyncMs(): number {
    const { watch } = this.#store.host.backend.capabilities;
    return this.#options.resyncMs ?? (watch === "push" ? resyncPushMs : resyncPollMs);
  }
}
