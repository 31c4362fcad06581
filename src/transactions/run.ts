import type { StoreTime, Version } from "../core/backend.ts";
import { ContentionError, InvalidArgumentError, LimitExceededError } from "../core/errors.ts";
import { decodeEntry, type EntryRecord, type Revision, type StoredValue } from "../kv/entry-record.ts";
import { type FoundEntry, visibleAt } from "../kv/entry-rules.ts";
import type { LifeTime } from "../kv/key-value-options.ts";
import type { StoreClock } from "../records/store-clock.ts";
import type { HeldGrant } from "../roster/grant.ts";
import type { Sightings } from "./sightings.ts";
import type { Isolation } from "./transaction.ts";

/** What a run makes of one entry. */
export interface PendingChange {
  readonly key: string;
  /** `undefined`: it is deleted. Kept from being unhandled where it is promised. */
  readonly value: StoredValue | Promise<StoredValue> | undefined;
  /** `undefined`: the life that it has. */
  readonly life?: LifeTime | undefined;
  /** How many past revisions to keep. */
  readonly pastMax: number;
  mark(): string;
}

/** An entry that a run counts on. */
export interface UsedEntry extends FoundEntry {
  readonly version: Version | null;
}

/** What a run works on. */
export interface RunContext {
  readonly sightings: Sightings;
  readonly clock: StoreClock;
  readonly isolation: Isolation;
  readonly attempt: number;
  /** What the run before read: read along with the first request. */
  readonly prefetched: Iterable<string>;
}

interface Asked {
  readonly key: string;
  readonly isUsed: boolean;
  readonly resolve: (found: FoundEntry) => void;
  readonly reject: (error: unknown) => void;
}

/** Rounds of reading again within one run, until somebody changes too much to go on. */
const roundsMax = 10;
/** Keys that one transaction reads at most. */
const keysMax = 10_000;
const anyTime: StoreTime = { earliestMs: 0, latestMs: 0 };

/** One run of the function of a transaction: what it has read, and what it wants written. */
export class Run {
  /** What must not have changed when it commits, by the keys of the records. */
  readonly used = new Map<string, UsedEntry>();
  readonly pending = new Map<string, PendingChange>();
  readonly guards = new Set<HeldGrant>();
  readonly alongside: object[] = [];
  readonly #context: RunContext;
  readonly #answers = new Set<{ answer?: Promise<unknown> }>();
  #writing = 0;
  #asked: Asked[] = [];
  #isReading = false;
  #conflict: ContentionError | undefined;
  #end: Error | undefined;

  constructor(context: RunContext) {
    this.#context = context;
  }

  get attempt(): number {
    return this.#context.attempt;
  }

  /** Whether something that it has read has changed: whatever it does, it is not committed. */
  get isDoomed(): boolean {
    return this.#conflict !== undefined;
  }

  /** Follows a write that has to read first: its function must not end before it. */
  async writing<R>(work: Promise<R>): Promise<R> {
    this.#writing += 1;
    try {
      return await work;
    } finally {
      this.#writing -= 1;
    }
  }

  /** @throws InvalidArgumentError when its function has ended before one of its writes. */
  assertWritten(): void {
    if (this.#writing === 0) return;
    throw new InvalidArgumentError(
      `the function of a transaction ended with ${this.#writing} of its writes (update, increment, setIfAbsent) still under ` +
        "way; nothing was applied. Await them",
    );
  }

  /** From now on its function can do nothing. What it has left behind fails unheard: the transaction tells what became of it. */
  end(why: Error): void {
    this.#end ??= why;
    for (const { answer } of this.#answers) answer?.catch(leftBehind);
  }

  /** What the function is answered, for as long as it waits. */
  answer<R>(work: () => Promise<R>): Promise<R> {
    const waiting: { answer?: Promise<unknown> } = {};
    this.#answers.add(waiting);
    const answer = (async () => {
      try {
        return await work();
      } finally {
        this.#answers.delete(waiting);
      }
    })();
    waiting.answer = answer;
    return answer;
  }

  assertOpen(): void {
    const why = this.#end ?? this.#conflict;
    if (why !== undefined) throw why;
  }

  /** What stands under the key of a record. Those that are asked for in the same turn are read together. */
  read(key: string, isUsed: boolean): Promise<FoundEntry> {
    this.assertOpen();
    const used = this.used.get(key);
    if (used !== undefined) return Promise.resolve(used);
    return new Promise((resolve, reject) => {
      this.#asked.push({ key, isUsed, resolve, reject });
      if (this.#isReading) return;
      this.#isReading = true;
      queueMicrotask(() => void this.#readAll());
    });
  }

  /** Counts on what is written as well, as it was seen last. */
  useWritten(now: StoreTime): void {
    for (const key of this.pending.keys()) {
      const record = this.used.has(key) ? undefined : this.record(key);
      this.#use(key, { state: { record }, visible: visibleAt(record, now) });
    }
  }

  /** What stood under the key when it was seen last. @throws CorruptRecordError */
  record(key: string): EntryRecord | undefined {
    const stored = this.#context.sightings.get(key)?.record ?? null;
    return stored === null ? undefined : decodeEntry(key, stored.value);
  }

  /** Whether all that it counts on is as it was, as far as it has been seen since. */
  isUnchanged(now: StoreTime): boolean {
    for (const [key, { version, state, visible }] of this.used) {
      const sighting = this.#context.sightings.get(key);
      if (sighting !== undefined && (sighting.record?.version ?? null) !== version) return false;
      if (lives(state.record) && isThere(visible) !== isThere(visibleAt(state.record, now))) return false;
    }
    return true;
  }

  /** The store's time, if any of these entries has one that it ends at. */
  async time(isNeeded = false): Promise<StoreTime> {
    const records = [...this.used.values()].map(({ state }) => state.record);
    return isNeeded || records.some(lives) ? this.#context.clock.now() : anyTime;
  }

  async #readAll(): Promise<void> {
    while (this.#asked.length > 0) {
      const asked = this.#asked.splice(0);
      try {
        await this.#show(asked);
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    this.#isReading = false;
  }

  async #show(asked: readonly Asked[]): Promise<void> {
    const { isolation } = this.#context;
    const keys = [...new Set(asked.map(({ key }) => key))];
    await this.#sight(keys, isolation !== "read-committed");
    if (isolation.startsWith("serializable")) await this.#prove(keys);
    const decoded = asked.flatMap((one) => {
      try {
        return { ...one, record: this.record(one.key) };
      } catch (error) {
        one.reject(error);
        return [];
      }
    });
    // Asked only now, so that nothing is seen that was over when it was read.
    const now = await this.time(decoded.some(({ record }) => lives(record)));
    if (isolation.startsWith("serializable") && !this.isUnchanged(now)) this.#fail();
    this.assertOpen();
    for (const { key, isUsed, record, resolve } of decoded) {
      const found = { state: { record }, visible: visibleAt(record, now) };
      if (isUsed) this.#use(key, found);
      resolve(this.used.get(key) ?? found);
    }
  }

  async #sight(keys: readonly string[], isKept: boolean): Promise<void> {
    const { sightings, prefetched } = this.#context;
    const missing = (key: string): boolean => sightings.get(key) === undefined;
    const unread = isKept ? keys.filter(missing) : keys;
    if (unread.length === 0) return;
    if (this.used.size + keys.length > keysMax) throw tooManyKeys(this.used.size + keys.length);
    const also = isKept ? [...prefetched].filter(missing) : [];
    await sightings.read([...new Set([...unread, ...also])]);
  }

  /** Reads again until it is proven that all this once stood there together. */
  async #prove(keys: readonly string[]): Promise<void> {
    const { sightings } = this.#context;
    const all = new Set([...this.used.keys(), ...keys]);
    for (let round = 0; ; round += 1) {
      if (!this.isUnchanged(await this.time()) || round > roundsMax) this.#fail();
      const unproven = sightings.unproven(all);
      if (unproven.length === 0) return;
      await sightings.read(unproven);
    }
  }

  #use(key: string, found: FoundEntry): void {
    const version = this.#context.sightings.get(key)?.record?.version ?? null;
    if (!this.used.has(key)) this.used.set(key, { version, ...found });
  }

  #fail(): never {
    this.#conflict ??= new ContentionError(
      "others changed what this run of a transaction has read: whatever it does now, it is not committed, and the function " +
        "is run again",
      { tries: this.attempt },
    );
    throw this.#conflict;
  }
}

/** Nobody waits for it any more. */
function leftBehind(): void {}

function lives(record: EntryRecord | undefined): boolean {
  return record?.newest.life !== undefined;
}

function isThere(visible: Revision | undefined): boolean {
  return visible !== undefined;
}

function tooManyKeys(size: number): LimitExceededError {
  return new LimitExceededError(`one transaction reads at most ${keysMax} keys; got ${size}`, {
    limit: keysMax,
    size,
  });
}
