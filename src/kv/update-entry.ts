import type { MaybeLater } from "../codecs/maybe-later.ts";
import type { Version } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { ContentionError } from "../core/errors.ts";
import { sleep } from "../core/runtime.ts";
import { type StoredValue, versionOf } from "./entry-record.ts";
import type { EntryAnswer, EntryChange, FoundEntry } from "./entry-rules.ts";
import type { EntryStore } from "./entry-store.ts";

/** What to put in the place of what was found; `undefined`: leave it. */
export type NextValue = StoredValue | "delete" | undefined;

/** What an update does with what it finds. */
export interface EntryUpdate {
  /** May be asked again, for what others left. */
  next(found: FoundEntry): MaybeLater<NextValue>;
  /** For how long it lives. Left out: as long as what it replaces. */
  life?(found: FoundEntry): { readonly ttlMs: number } | null | undefined;
  readonly pastMax: number;
  readonly signal?: AbortSignal | undefined;
  readonly attempts: number;
  /** After so many tries in vain, {@link EntryUpdate.inLine} is waited for. */
  readonly lockAfter: number;
  /** Runs work while it holds the lock of this entry. */
  inLine<R>(work: () => Promise<R>): Promise<R>;
}

/** What became of an update. */
export interface EntryOutcome {
  readonly answer: EntryAnswer;
  readonly isDone: boolean;
  readonly tries: number;
}

/** Between two tries. */
const tryPause = { firstMs: 4, maxMs: 250 };

/**
 * Reads, changes and writes under the condition that nobody came in between, until that is so. What `next` knows at once
 * is decided within the write itself, so that any number of updates of one process are one write; what it promises is
 * awaited aside, and holds up nobody else.
 *
 * @throws ContentionError when others came in between each of the tries.
 */
export async function updateEntry(
  store: EntryStore,
  key: string,
  update: EntryUpdate,
): Promise<EntryOutcome> {
  const run = new UpdateRun(store, key, update);
  return run.toEnd();
}

class UpdateRun {
  readonly #store: EntryStore;
  readonly #key: string;
  readonly #update: EntryUpdate;
  #tries = 0;
  #isInLine = false;

  constructor(store: EntryStore, key: string, update: EntryUpdate) {
    this.#store = store;
    this.#key = key;
    this.#update = update;
  }

  async toEnd(): Promise<EntryOutcome> {
    const { lockAfter, inLine } = this.#update;
    for (;;) {
      if (!this.#isInLine && this.#tries >= lockAfter) {
        this.#isInLine = true;
        return inLine(() => this.toEnd());
      }
      const outcome = await this.#once();
      if (outcome !== undefined) return outcome;
      const { runtime } = this.#store.host;
      const { signal } = this.#update;
      await sleep(runtime, backoffMs(runtime, this.#tries, tryPause), { holdsProcessOpen: true, signal });
    }
  }

  /** `undefined`: somebody came in between. */
  async #once(): Promise<EntryOutcome | undefined> {
    let mustQueue = false;
    let promised: { readonly next: Promise<NextValue>; readonly found: FoundEntry } | undefined;
    let decided: { readonly next: () => MaybeLater<NextValue>; readonly found: FoundEntry } | undefined;
    const answer = await this.#change((found) => {
      // Asked again, because others in the same write came in between: what was promised still stands, or fails below.
      if (promised !== undefined || mustQueue) return { kind: "keep" };
      // Asked again only to make sure that nobody came in between: that is no other try.
      if (decided === undefined || !isSame(decided.found, found)) {
        mustQueue = !this.#isInLine && this.#tries >= this.#update.lockAfter;
        if (mustQueue) return { kind: "keep" };
        this.#countTry();
        decided = { next: kept(() => this.#update.next(found)), found };
      }
      const next = decided.next();
      if (next instanceof Promise) {
        // Heard below; nobody may be left without a listener until then.
        next.catch(() => undefined);
        promised = { next, found };
        return { kind: "keep" };
      }
      return this.#put(next, found);
    });
    // The answer tells what was written, and not what was decided last: an earlier try may turn out to be the one.
    const isDone = hasChanged(answer);
    if (isDone || (promised === undefined && !mustQueue)) return { answer, isDone, tries: this.#tries };
    // Asked in view of what was remembered: others may have changed it long ago.
    if (promised === undefined || !isSame(promised.found, answer.found)) return undefined;
    return this.#keepPromise(promised);
  }

  async #keepPromise({
    next,
    found,
  }: {
    readonly next: Promise<NextValue>;
    readonly found: FoundEntry;
  }): Promise<EntryOutcome | undefined> {
    const value = await next;
    if (value === undefined)
      return { answer: { found, left: found.state }, isDone: false, tries: this.#tries };
    const answer = await this.#change((current) => {
      return isSame(found, current) ? this.#put(value, current) : { kind: "keep" };
    });
    return hasChanged(answer) ? { answer, isDone: true, tries: this.#tries } : undefined;
  }

  #change(decide: (found: FoundEntry) => EntryChange): Promise<EntryAnswer> {
    return this.#store.change(this.#key, decide, this.#update);
  }

  #put(value: NextValue, found: FoundEntry): EntryChange {
    if (value === undefined) return { kind: "keep" };
    if (value === "delete") return { kind: "delete" };
    const life = this.#update.life?.(found);
    return life === undefined ? { kind: "put", value } : { kind: "put", value, life };
  }

  #countTry(): void {
    const { attempts } = this.#update;
    if (this.#tries >= attempts) {
      throw overtaken(this.#key, this.#store.name, this.#tries);
    }
    this.#tries += 1;
  }
}

/** Others came in between each time. */
function overtaken(key: string, store: string, tries: number): ContentionError {
  return new ContentionError(
    `others changed the entry ${JSON.stringify(key)} of ${JSON.stringify(store)} in between each of ${tries} tries; nothing ` +
      "was changed. Let fewer change it at once, or take turns with the option lockAfter",
    { tries },
  );
}

/** Whether nobody came in between: the same revision, or none, and its time not over. */
function isSame(before: FoundEntry, now: FoundEntry): boolean {
  return (
    versionAt(before) === versionAt(now) && (before.visible === undefined) === (now.visible === undefined)
  );
}

/** What the work answers or throws, done once. */
function kept<R>(work: () => R): () => R {
  try {
    const result = work();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function versionAt({ state: { record } }: FoundEntry): Version | undefined {
  return record && versionOf(record.newest);
}

function hasChanged({ found, left }: EntryAnswer): boolean {
  return left !== found.state;
}
