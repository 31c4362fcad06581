import { backoffMs } from "../../core/backoff.ts";
import { ClosedError, type StoreMissingError } from "../../core/errors.ts";
import type { PrefixListeners } from "../../core/prefix-listeners.ts";
import { type Runtime, sleep } from "../../core/runtime.ts";
import { TurnSharing } from "../../core/turn-sharing.ts";
import { vanished } from "./open-database.ts";
import { versionFloor } from "./record-table.ts";
import { isBusy, sqliteFailure } from "./sqlite-failure.ts";
import { SqliteStore } from "./sqlite-store.ts";

/** A request waits this long for other writers before it gives up. */
const busyMaxMs = 5_000;
const busyBackoff = { firstMs: 2, maxMs: 32 };
/**
 * Before a request, the file is looked at unless that was done within this time. A write to a file that somebody
 * moved away could harm the one that took its place.
 */
const identityAgeMaxMs = { read: 100, write: 1 } as const;
/** About 20 ms of work; then timers and I/O get their turn. */
const requestsPerTurn = 1_000;

/**
 * Stands between requests and the file: opens it on first use, retries what met another writer, notices when the
 * file is gone, and turns what goes wrong into typed errors.
 */
export class FileGuard {
  readonly #runtime: Runtime;
  readonly #listeners: PrefixListeners;
  readonly #path: string;
  readonly #durable: boolean;
  readonly #turns: TurnSharing;
  #store: SqliteStore | undefined;
  #opening: Promise<unknown> = Promise.resolve();
  #vanished = false;
  #closed = false;

  constructor(
    runtime: Runtime,
    listeners: PrefixListeners,
    file: { readonly path: string; readonly durable: boolean },
  ) {
    this.#runtime = runtime;
    this.#listeners = listeners;
    this.#path = file.path;
    this.#durable = file.durable;
    this.#turns = new TurnSharing(runtime, requestsPerTurn);
  }

  /** Opens the file, or validates that the open one is still in place. Forgives that an earlier one vanished. */
  async setup(create: boolean): Promise<void> {
    if (this.#store?.isInPlace() === false) this.#drop();
    this.#vanished = false;
    this.#checkUsable();
    await this.#open(create);
  }

  /** Runs a read. `cost`: about how many records it touches. */
  read<Result>(cost: number, work: (store: SqliteStore) => Result): Promise<Result> {
    return this.#run("read", cost, work);
  }

  /**
   * Runs a write. What it answers was written to the file that stands under the path: the file is looked at after
   * the write too, so that nobody is told of a success in a file that others can no longer open.
   */
  write<Result>(cost: number, work: (store: SqliteStore) => Result): Promise<Result> {
    return this.#run("write", cost, work);
  }

  /** Removes expired rows, if that is possible right now. */
  collect(rows: number, wallMs: number): void {
    try {
      this.#store?.table.collect(rows, wallMs);
    } catch {
      // The rows wait for the next round. Whatever else is wrong with the file meets the next request, which says so.
    }
  }

  /** Has changes reported to the listeners, now or as soon as the file is open. */
  startChanges(): void {
    if (this.#closed || this.#vanished) return;
    // Changes are hints: if the file cannot be used, the next request says so, and a later success starts them.
    this.#run("read", 0, (store) => store.changes.start()).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    this.#store?.close();
    this.#store = undefined;
  }

  #run<Result>(doing: "read" | "write", cost: number, work: (store: SqliteStore) => Result): Promise<Result> {
    const turn = this.#turns.take(cost);
    return this.#retryWhileBusy(doing, turn, () => {
      if (this.#store === undefined) return undefined;
      return { result: this.#inPlace(this.#store, doing, work) };
    });
  }

  /** Works with the open file, and gives it up when it no longer stands under its path. */
  #inPlace<Result>(
    store: SqliteStore,
    doing: "read" | "write",
    work: (store: SqliteStore) => Result,
  ): Result {
    if (!store.seemsInPlace(identityAgeMaxMs[doing])) throw this.#drop();
    try {
      const result = work(store);
      if (doing === "read") return result;
      store.changes.ownCommit();
      if (store.isInPlace()) return result;
    } catch (error) {
      // A file that was moved away shares its log's index with the one that took its place, and reads as nonsense.
      if (store.isInPlace()) throw error;
    }
    throw this.#drop();
  }

  /** Opens the file unless it is open. One attempt after the other; none depends on the one before. */
  #open(create: boolean): Promise<unknown> {
    const open = (): Promise<unknown> => this.#retryWhileBusy("read", undefined, () => this.#openNow(create));
    this.#opening = this.#opening.then(open, open);
    return this.#opening;
  }

  async #openNow(create: boolean): Promise<{ readonly result: undefined }> {
    if (this.#store !== undefined) return { result: undefined };
    const store = await SqliteStore.open(this.#runtime, this.#listeners, {
      path: this.#path,
      durable: this.#durable,
      create,
      firstVersion: versionFloor(this.#runtime.wallMs()),
    });
    if (this.#closed) store.close();
    this.#checkUsable();
    if (!this.#listeners.isEmpty) store.changes.start();
    this.#store = store;
    return { result: undefined };
  }

  /** Calls `work` until it does not meet another writer; opens the file first if `work` answers that it is not open. */
  async #retryWhileBusy<Result>(
    doing: "read" | "write",
    turn: Promise<void> | undefined,
    work: () => Promise<{ readonly result: Result }> | { readonly result: Result } | undefined,
  ): Promise<Result> {
    if (turn !== undefined) await turn;
    let busySinceMs: number | undefined;
    for (let attempt = 0; ; attempt += 1) {
      this.#checkUsable();
      try {
        const done = work();
        if (done instanceof Promise) return (await done).result;
        if (done !== undefined) return done.result;
        await this.#open(false);
        continue;
      } catch (error) {
        const nowMs = this.#runtime.monotonicMs();
        busySinceMs ??= nowMs;
        if (!isBusy(error) || nowMs - busySinceMs > busyMaxMs) throw sqliteFailure(error, this.#path, doing);
      }
      await sleep(this.#runtime, backoffMs(this.#runtime, attempt, busyBackoff), { holdsProcessOpen: true });
    }
  }

  /** Gives the file up. Answers the error to throw. */
  #drop(): StoreMissingError {
    this.#store?.close();
    this.#store = undefined;
    this.#vanished = true;
    return vanished(this.#path);
  }

  #checkUsable(): void {
    if (this.#closed) throw new ClosedError("this sqlite backend was closed; make another one");
    if (this.#vanished) throw vanished(this.#path);
  }
}
