import type { Codec } from "../codecs/codec.ts";
import type { CompressionOptions } from "../codecs/compression.ts";
import { chain, type MaybeLater, settled } from "../codecs/maybe-later.ts";
import type { Version } from "../core/backend.ts";
import type { RecordHost } from "../records/record-host.ts";
import type { PastEntry } from "./change.ts";
import {
  type Conditions,
  type Deleted,
  type DeleteOptions,
  type Entry,
  type Leave,
  leave,
  type Updated,
  type UpdateOptions,
  type WriteOptions,
  type Written,
} from "./entry.ts";
import { type EntryRecord, type Revision, type StoredValue, versionOf } from "./entry-record.ts";
import type { EntryChange, FoundEntry } from "./entry-rules.ts";
import { type EntryStore, entryOf, type SeenEntry } from "./entry-store.ts";
import { answerNow, type LifeTime, lifeOf, parseCount } from "./key-value-options.ts";
import { type EntryOutcome, type EntryUpdate, updateEntry } from "./update-entry.ts";
import { createValueCoder, type ValueCoder } from "./value-coder.ts";
import { expiryOf } from "./watch-news.ts";

/** What a key-value store needs from its coordinator. */
export interface KeyValueHost {
  readonly records: RecordHost;
  /** Runs work while it holds the lock of this name. */
  inLine<R>(name: string, work: () => Promise<R>, signal: AbortSignal | undefined): Promise<R>;
}

/** What options say, checked. */
export interface Settings<T, In> {
  readonly codec: Codec<T, In>;
  /** The codec without the schema. */
  readonly plain: Codec<T, In>;
  readonly compression: Required<CompressionOptions> | undefined;
  readonly life: LifeTime | undefined;
  readonly history: number;
}

/** What must be so for a write to be done. */
interface WriteConditions<T> {
  readonly isPresent?: boolean | undefined;
  readonly ifVersion?: Version | undefined;
  readonly condition?: Conditions<T>["if"];
}

const attemptsDefault = 100;

/** The entries of a namespace as values of one type. */
export class TypedEntries<T, In> {
  readonly store: EntryStore;
  readonly settings: Settings<T, In>;
  readonly #host: KeyValueHost;
  readonly coder: ValueCoder<T, In>;

  constructor(host: KeyValueHost, store: EntryStore, settings: Settings<T, In>) {
    this.#host = host;
    this.store = store;
    this.settings = settings;
    this.coder = createValueCoder(settings.codec, settings.compression);
  }

  /** What users see of what stands there. */
  async show(key: string, seen: Pick<SeenEntry, "record">): Promise<Entry<T> | undefined> {
    const visible = await this.store.visible(seen);
    return visible === undefined ? undefined : this.#entry(key, visible);
  }

  async write(
    key: string,
    value: In,
    options: WriteOptions | undefined,
    { isPresent, ifVersion, condition }: WriteConditions<T>,
  ): Promise<Written<T>> {
    const life = lifeOf(options, this.settings.life) ?? null;
    const next = (found: FoundEntry, stored: StoredValue): MaybeLater<StoredValue | undefined> => {
      const isAsExpected = isPresent === undefined || (found.visible !== undefined) === isPresent;
      if (!isAsExpected || !isExpected(found, ifVersion)) return undefined;
      if (condition === undefined) return stored;
      return chain(this.#found(key, found), (entry) => (holds(condition, entry) ? stored : undefined));
    };
    // At once where it can be: what is called after it in this turn takes its place after it.
    const outcome = await chain(this.coder.encode(key, value), (stored) =>
      this.#update(key, (found) => next(found, stored), { signal: options?.signal, life: () => life }),
    );
    if (outcome.isDone) return { committed: true, version: versionLeft(outcome) };
    return { committed: false, current: await this.#current(key, outcome.answer.found) };
  }

  async update(
    key: string,
    change: (current: T | undefined, entry: Entry<T> | undefined) => In | Leave | PromiseLike<In | Leave>,
    options: UpdateOptions | undefined,
    isLifeOfNew = false,
  ): Promise<Updated<In>> {
    const asked = lifeOf(options, undefined);
    const { life: usual = null } = this.settings;
    const values = new WeakMap<StoredValue, In>();
    const outcome = await this.#update(
      key,
      (found) =>
        chain(this.#found(key, found), (entry) =>
          chain(settled(change(entry?.value, entry)), (next) => {
            if (next === leave) return undefined;
            return chain(this.coder.encode(key, next as In), (stored) => {
              values.set(stored, next as In);
              return stored;
            });
          }),
        ),
      {
        signal: options?.signal,
        attempts: parseCount("attempts", options?.attempts, attemptsDefault),
        lockAfter: parseCount("lockAfter", options?.lockAfter, Number.POSITIVE_INFINITY),
        life: ({ visible }) =>
          visible === undefined ? (asked === undefined ? usual : asked) : isLifeOfNew ? undefined : asked,
      },
    );
    const { answer, isDone, tries } = outcome;
    const written = answer.left.record?.newest.value as StoredValue;
    if (isDone)
      return { committed: true, value: values.get(written) as In, version: versionLeft(outcome), tries };
    return {
      committed: false,
      current: (await this.#current(key, answer.found)) as Entry<In> | undefined,
      tries,
    };
  }

  async delete(key: string, options: DeleteOptions<T> = {}): Promise<Deleted<T>> {
    const { signal, ifVersion, if: condition } = options;
    if (condition !== undefined) return this.#deleteIf(key, condition, options);
    const decide = (found: FoundEntry) =>
      ({ kind: isExpected(found, ifVersion) ? "delete" : "keep" }) as const;
    const answer = await this.#change(key, decide, signal);
    if (!isExpected(answer.found, ifVersion))
      return { committed: false, current: await this.#current(key, answer.found) };
    return { committed: true, existed: answer.found.visible !== undefined };
  }

  /** Gives what is there another life; `undefined`: the one it has. Answers whether there is anything. */
  async prolong(key: string, lifeFor: (visible: Revision) => LifeTime | undefined): Promise<boolean> {
    const answer = await this.#change(key, ({ visible }) => {
      if (visible?.value === undefined) return { kind: "keep" };
      const life = lifeFor(visible);
      const isSame = life === undefined || (life === null && visible.life === undefined);
      return isSame ? { kind: "keep" } : { kind: "put", value: visible.value, life };
    });
    return answer.found.visible !== undefined;
  }

  async history(key: string): Promise<readonly PastEntry<T>[]> {
    const { record } = await this.store.read(key);
    if (record === undefined) return [];
    const shown = [...record.past, record.newest].map(async (revision): Promise<PastEntry<T> | undefined> => {
      const { value, updatedAtMs } = revision;
      if (value === undefined)
        return { operation: "delete", key, version: versionOf(revision), updatedAt: new Date(updatedAtMs) };
      // As it stood there by itself: what is over cannot be seen. That it is over is the newest state.
      const entry = await this.show(key, { record: { ...record, newest: revision } });
      return entry ?? (revision === record.newest ? expiryOf(record) : undefined);
    });
    return (await Promise.all(shown)).filter((entry) => entry !== undefined);
  }

  async #deleteIf(
    key: string,
    condition: NonNullable<Conditions<T>["if"]>,
    { ifVersion, signal }: DeleteOptions<T>,
  ): Promise<Deleted<T>> {
    let isWanted = false;
    const { isDone, answer } = await this.#update(
      key,
      (found) =>
        chain(this.#found(key, found), (entry) => {
          isWanted = isExpected(found, ifVersion) && holds(condition, entry);
          return isWanted ? "delete" : undefined;
        }),
      { signal },
    );
    if (isDone || isWanted) return { committed: true, existed: isDone };
    return { committed: false, current: await this.#current(key, answer.found) };
  }

  #update(
    key: string,
    next: EntryUpdate["next"],
    how: Partial<Omit<EntryUpdate, "next" | "inLine" | "pastMax">>,
  ): Promise<EntryOutcome> {
    const { signal, attempts = attemptsDefault, lockAfter = Number.POSITIVE_INFINITY, life } = how;
    return updateEntry(this.store, key, {
      ...{ next, signal, attempts, lockAfter, pastMax: this.settings.history - 1 },
      ...(life && { life }),
      // No user's lock is called like this, and every key has one.
      inLine: (work) => this.#host.inLine(this.store.recordKey(key), work, signal),
    });
  }

  #change(key: string, decide: (found: FoundEntry) => EntryChange, signal?: AbortSignal) {
    return this.store.change(key, decide, { pastMax: this.settings.history - 1, signal });
  }

  /** The entry as a change finds it. */
  #found(key: string, { visible }: Pick<FoundEntry, "visible">): MaybeLater<Entry<T> | undefined> {
    return visible === undefined ? undefined : this.#entry(key, visible);
  }

  /** What stood in the way, once the write has been decided. */
  async #current(key: string, found: FoundEntry): Promise<Entry<T> | undefined> {
    return this.#found(key, found);
  }

  #entry(key: string, visible: Revision): MaybeLater<Entry<T>> {
    const now = visible.life === undefined ? undefined : this.store.host.clock.peek();
    return chain(this.coder.decode(key, visible.value as StoredValue), (value) => {
      return entryOf(key, value, visible, now);
    });
  }
}

/** @throws InvalidArgumentError for an answer that is promised: it would count as true. */
function holds<T>(condition: NonNullable<Conditions<T>["if"]>, entry: Entry<T> | undefined): boolean {
  return answerNow("if", condition(entry), "For a condition that waits: update, which may answer leave");
}

function isExpected({ visible }: FoundEntry, ifVersion: Version | undefined): boolean {
  return ifVersion === undefined || (visible !== undefined && versionOf(visible) === ifVersion);
}

function versionLeft({ answer }: EntryOutcome): Version {
  return versionOf((answer.left.record as EntryRecord).newest);
}
