import type { StoredRecord, StoreTime, Version } from "../core/backend.ts";
import { UnavailableError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import type { RecordHost } from "../records/record-host.ts";
import { SharedRecord } from "../records/shared-record.ts";
import type { Entry } from "./entry.ts";
import { type EntryPlace, entryKey, nameOf } from "./entry-key.ts";
import { decodeEntry, type EntryRecord, type Revision, versionOf } from "./entry-record.ts";
import {
  createEntryRules,
  type EntryAnswer,
  type EntryChange,
  type EntryCommand,
  type EntryState,
  type FoundEntry,
  visibleAt,
} from "./entry-rules.ts";

/** Times that a machine may fall asleep during one change. */
const triesMax = 3;

/** A change cannot be decided now: nothing was written. */
class TimeUnknownError extends UnavailableError {}

/** An entry as it stood in the store. */
export interface SeenEntry {
  readonly record: EntryRecord | undefined;
  /** Of the record, for a commit; `null`: nothing stands under the key. */
  readonly version: Version | null;
}

/** The entries of one namespace as records: reads that ride together, and changes by compare-and-set. */
export class EntryStore {
  readonly host: RecordHost;
  readonly place: EntryPlace;
  #asked: {
    readonly key: string;
    readonly resolve: (seen: SeenEntry) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];

  constructor(host: RecordHost, place: EntryPlace) {
    this.host = host;
    this.place = place;
  }

  /** For people. */
  get name(): string {
    return nameOf(this.place.path);
  }

  /** The key of the record. @throws InvalidArgumentError for an illegal key. */
  recordKey(key: string): string {
    checkName("a key", key);
    return entryKey(this.place, key);
  }

  /** What stands under the key: those that are asked for in the same turn are read together. */
  read(key: string): Promise<SeenEntry> {
    const recordKey = this.recordKey(key);
    return new Promise((resolve, reject) => {
      this.#asked.push({ key: recordKey, resolve, reject });
      if (this.#asked.length === 1) queueMicrotask(() => void this.#readAll());
    });
  }

  /** The store's time, which is at least as late as when a read before it was answered. */
  now(): Promise<StoreTime> {
    return this.host.clock.now();
  }

  /** What of an entry can be seen, as of now. Asks for the time only where it matters. */
  async visible({ record }: Pick<SeenEntry, "record">): Promise<Revision | undefined> {
    if (record?.newest.life === undefined)
      return record?.newest.value === undefined ? undefined : record.newest;
    return visibleAt(record, await this.now());
  }

  /** Changes an entry as `decide` says, which may be asked more than once, each time with what stands there. */
  async change(
    key: string,
    decide: (found: FoundEntry) => EntryChange,
    { pastMax = 0, signal }: { readonly pastMax?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<EntryAnswer> {
    const recordKey = this.recordKey(key);
    const { clock } = this.host;
    const now = (): StoreTime => {
      const time = clock.peek();
      if (time === undefined) throw new TimeUnknownError("this machine slept; the store's time is not known");
      return time;
    };
    const command = { decide, pastMax, now, mark: () => this.newMark() };
    for (let tries = 1; ; tries += 1) {
      const record = this.#record(recordKey, key);
      if (clock.peek() === undefined) await clock.now();
      try {
        return await record.run(command, signal);
      } catch (error) {
        // What it knew of the time is over, and so may be the value: it decides anew.
        if (!(error instanceof TimeUnknownError) || tries === triesMax) throw error;
      }
    }
  }

  /** What tells a new revision apart: with the time of its write it is unique for its key. */
  newMark(): string {
    return Math.floor(this.host.runtime.random() * 36 ** 6).toString(36);
  }

  /** A record as the bytes under its key say. */
  seen(stored: StoredRecord | null, recordKey: string): SeenEntry {
    if (stored === null) return { record: undefined, version: null };
    return { record: decodeEntry(recordKey, stored.value), version: stored.version };
  }

  #record(recordKey: string, key: string): SharedRecord<EntryState, EntryCommand, EntryAnswer> {
    const { backend, runtime } = this.host;
    return this.host.pooled(recordKey, () => {
      const rules = createEntryRules(key, () => backend.capabilities, backend.kind);
      const subject = `entry ${JSON.stringify(key)} of ${JSON.stringify(this.name)}`;
      return new SharedRecord({ backend, runtime, key: recordKey, subject, rules });
    });
  }

  async #readAll(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    try {
      const keys = [...new Set(asked.map(({ key }) => key))];
      const records = await this.host.backend.get(keys);
      const byKey = new Map(keys.map((key, index) => [key, records[index] ?? null]));
      for (const { key, resolve, reject } of asked) {
        try {
          resolve(this.seen(byKey.get(key) ?? null, key));
        } catch (error) {
          reject(error);
        }
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}

/** What users see of a revision. */
export function entryOf<T>(key: string, value: T, revision: Revision, now: StoreTime | undefined): Entry<T> {
  const { createdAtMs, updatedAtMs, life } = revision;
  const leftMs = life && Math.max(0, Math.ceil(life.endsAtMs - (now?.earliestMs ?? 0)));
  const ttlMs = life === undefined || leftMs === undefined ? null : Math.min(leftMs, life.ttlMs);
  const times = { createdAt: new Date(createdAtMs), updatedAt: new Date(updatedAtMs) };
  return { operation: "put", key, value, version: versionOf(revision), ...times, ttlMs };
}
