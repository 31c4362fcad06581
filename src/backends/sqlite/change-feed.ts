import type { PrefixListeners } from "../../core/prefix-listeners.ts";
import type { CancelTimer, Runtime } from "../../core/runtime.ts";
import type { RecordTable } from "./record-table.ts";

/** A change by another process is noticed within this time right after another change, */
const pollFirstMs = 1;
/** and within this time after a quiet while. */
const pollMaxMs = 10;
const pollGrowth = 1.25;
/** Changes read in one go; more wait for the next turn of the event loop. */
const changesPerTurn = 500;

/**
 * Reports committed changes to listeners, whoever committed them: reads the rows above the last version seen, after
 * each own commit and whenever `PRAGMA data_version` says that another connection committed. Asks that pragma, which
 * takes some 3 microseconds, every 1 to 10 ms, and only while somebody listens.
 */
export class ChangeFeed {
  readonly #runtime: Runtime;
  readonly #listeners: PrefixListeners;
  readonly #table: RecordTable;
  #running = false;
  #readPending = false;
  #lastVersion = 0;
  #dataVersion = 0;
  #delayMs = pollFirstMs;
  #cancelPoll: CancelTimer = () => undefined;

  constructor(runtime: Runtime, listeners: PrefixListeners, table: RecordTable) {
    this.#runtime = runtime;
    this.#listeners = listeners;
    this.#table = table;
  }

  /** Begins at the present state, unless it runs already. It ends by itself when nobody listens any more. */
  start(): void {
    if (this.#running) return;
    this.#dataVersion = this.#table.dataVersion();
    this.#lastVersion = this.#table.lastVersion();
    this.#running = true;
    this.#delayMs = pollFirstMs;
    this.#schedulePoll();
  }

  stop(): void {
    this.#running = false;
    this.#cancelPoll();
  }

  /** Says that this connection has committed something. */
  ownCommit(): void {
    if (!this.#running || this.#readPending) return;
    this.#readPending = true;
    queueMicrotask(() => {
      this.#readPending = false;
      if (this.#running) this.#hintsOnly(() => this.#read());
    });
  }

  #schedulePoll(): void {
    this.#cancelPoll = this.#runtime.schedule(this.#delayMs, () => this.#poll());
  }

  #poll(): void {
    if (this.#listeners.isEmpty) {
      this.stop();
      return;
    }
    this.#delayMs = Math.min(pollMaxMs, this.#delayMs * pollGrowth);
    this.#hintsOnly(() => {
      const dataVersion = this.#table.dataVersion();
      if (dataVersion === this.#dataVersion) return;
      this.#read();
      this.#dataVersion = dataVersion;
      this.#delayMs = pollFirstMs;
    });
    this.#schedulePoll();
  }

  /** Whatever is wrong with the file, the next request on it says so as a typed error; hints are just missed. */
  #hintsOnly(work: () => void): void {
    try {
      work();
    } catch {
      this.#delayMs = pollMaxMs;
    }
  }

  #read(): void {
    const changes = this.#table.changesAfter(this.#lastVersion, changesPerTurn);
    for (const { key, version } of changes) {
      this.#lastVersion = version;
      if (this.#listeners.hears(key)) this.#listeners.notify({ key, record: this.#table.get(key) });
    }
    if (changes.length === changesPerTurn) this.#runtime.schedule(0, () => this.ownCommit());
  }
}
