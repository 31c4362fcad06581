import type { Backend, CommitOptions, CommitResult, Operation, StoredRecord } from "../core/backend.ts";

/** A request, by the order of events in this process: when it was sent, and when its answer came. */
interface Request {
  readonly sent: number;
  readonly answered: number;
}

/** A record, and the first and the last request that showed this version of it. */
export interface Sighting {
  readonly record: StoredRecord | null;
  readonly first: Request;
  readonly last: Request;
}

/**
 * The records that one transaction has seen. Versions never repeat, so a record that two requests showed in the same
 * version was the same all the time in between: that is what proves, without a snapshot, that several once stood there
 * together.
 */
export class Sightings {
  readonly #backend: Backend;
  readonly #seen = new Map<string, Sighting>();
  #events = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get(key: string): Sighting | undefined {
    return this.#seen.get(key);
  }

  /** Forgets everything: it is too old to count on. */
  forget(): void {
    this.#seen.clear();
  }

  /** One request for all these keys. */
  async read(keys: readonly string[]): Promise<void> {
    const sent = this.#event();
    const records = await this.#backend.get(keys);
    const request = { sent, answered: this.#event() };
    for (const [index, key] of keys.entries()) this.#note(key, records[index] ?? null, request);
  }

  /** A commit; what it tells of keys that are not as expected is kept, or forgotten where it does not say what stands there. */
  async commit(operations: readonly Operation[], options: CommitOptions): Promise<CommitResult> {
    const sent = this.#event();
    const result = await this.#backend.commit(operations, options);
    const request = { sent, answered: this.#event() };
    for (const { key, current } of result.committed ? [] : result.conflicts) {
      if (current === undefined) this.#seen.delete(key);
      else this.#note(key, current, request);
    }
    return result;
  }

  /**
   * The keys to read again before it is proven that all of them stood there at one instant, as they were seen; none: it is
   * proven. Each has been seen.
   */
  unproven(keys: Iterable<string>): readonly string[] {
    const all = [...keys].map((key) => ({ key, ...(this.#seen.get(key) as Sighting) }));
    const newest = all.reduce((a, b) => (b.first.answered > a.first.answered ? b : a), all[0] as Seen);
    if (newest === undefined) return [];
    const others = all.filter((one) => one !== newest);
    // Either the instant at which the newest was read lies between two sightings of each other one, or the moment after it
    // lies between two of each.
    const isLast = others.every(({ first }) => first.answered < newest.first.sent);
    return (isLast ? others : all)
      .filter(({ last }) => others.length > 0 && last.sent < newest.first.answered)
      .map(({ key }) => key);
  }

  #note(key: string, record: StoredRecord | null, request: Request): void {
    const known = this.#seen.get(key);
    const isSame = known !== undefined && known.record?.version === record?.version;
    this.#seen.set(key, { record, first: isSame ? known.first : request, last: request });
  }

  #event(): number {
    this.#events += 1;
    return this.#events;
  }
}

type Seen = Sighting & { readonly key: string };
