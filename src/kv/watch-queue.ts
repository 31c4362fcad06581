import type { News } from "./watch-news.ts";

/** Up to where a watch has told everything. */
export interface Covered {
  /** On the store's clock: every state that was written before has been told. */
  readonly atMs: number;
  /** False: initial values are still missing. */
  readonly isComplete: boolean;
}

/** Values that wait to be told. */
const valuesMax = 100;
interface Waiting {
  readonly news: News;
  readonly sequence: number;
}

/** Behind which all that was found by one reading stands. */
interface Mark {
  readonly sequence: number;
  readonly atMs: number;
}

/**
 * What waits until it is asked for: for each key the newest alone, in the place of what it takes over from. Values wait only
 * as long as there is room; who finds more remembers the key, and reads it again when there is.
 */
export class WatchQueue {
  readonly #waiting = new Map<string, Waiting>();
  /** Goes on behind what was taken: to begin anew each time would pass over all that was. */
  #heads = this.#waiting.keys();
  #head: string | undefined;
  #values = 0;
  #sequence = 0;
  #mark: Mark | undefined;
  #firstMark: Mark | undefined;
  #covered: Covered;

  constructor(covered: Covered) {
    this.#covered = covered;
  }

  get hasRoom(): boolean {
    return this.#values < valuesMax;
  }

  put(id: string, news: News): void {
    const before = this.#waiting.get(id);
    const isTurnedInitial = before?.news.kind === "put" && before.news.isInitial && news.kind !== "put";
    const keepsPlace = before !== undefined && !isTurnedInitial;
    const isInitial = before?.news.kind === "put" && before.news.isInitial;
    this.#remove(id, keepsPlace);
    this.#sequence += 1;
    this.#waiting.set(id, {
      news: news.kind === "put" && isInitial ? { ...news, isInitial } : news,
      sequence: keepsPlace ? before.sequence : this.#sequence,
    });
    if (news.kind === "put") this.#values += 1;
  }

  /** It need not be told any more. */
  drop(id: string): void {
    this.#remove(id, false);
  }

  /** The next to be told. */
  take(): News | undefined {
    const first = this.#first();
    if (first !== undefined) this.#remove(this.#head as string, false);
    return first?.news;
  }

  /** Everything that a reading found, which began at that time, waits here or has been told. */
  mark(atMs: number): void {
    this.#pass();
    // A later one must not put off an earlier one for ever.
    this.#mark ??= { sequence: this.#sequence, atMs };
    this.#firstMark ??= this.#mark;
  }

  /** Whether everything that the first reading found has been told. */
  get isReady(): boolean {
    return this.#firstMark !== undefined && this.#isPassed(this.#firstMark);
  }

  get covered(): Covered {
    this.#pass();
    return this.#covered;
  }

  /** Begins anew, without what waits. */
  restart(covered: Covered): void {
    this.#waiting.clear();
    this.#head = undefined;
    this.#values = 0;
    this.#mark = undefined;
    this.#covered = covered;
  }

  #remove(id: string, keepsPlace: boolean): void {
    if (this.#waiting.get(id)?.news.kind === "put") this.#values -= 1;
    if (keepsPlace) return;
    this.#waiting.delete(id);
    if (this.#head === id) this.#head = undefined;
  }

  #first(): Waiting | undefined {
    while (this.#head === undefined && this.#waiting.size > 0) {
      const next = this.#heads.next();
      if (next.done === true) this.#heads = this.#waiting.keys();
      else this.#head = next.value;
    }
    return this.#head === undefined ? undefined : this.#waiting.get(this.#head);
  }

  #pass(): void {
    if (this.#mark === undefined || !this.#isPassed(this.#mark)) return;
    this.#covered = { atMs: this.#mark.atMs, isComplete: true };
    this.#mark = undefined;
  }

  #isPassed({ sequence }: Mark): boolean {
    const first = this.#first();
    return first === undefined || first.sequence > sequence;
  }
}
