import type { Version } from "../core/backend.ts";
import { type EntryRecord, versionOf } from "./entry-record.ts";
import { Deadlines } from "./watch-deadlines.ts";

/** What a watch remembers of an entry: of its value nothing. */
export interface Known {
  readonly key: string;
  readonly version: Version | null;
  readonly atMs: number;
  readonly endsAtMs: number | undefined;
  /** Deleted, over, or erased. */
  isGone: boolean;
  /** The last reading of everything that met it. */
  round: number;
}

/**
 * The newest state that a watch has seen of each entry. States of a key rise in time; one that does not is an old one which
 * came late, or the key was erased and came back: which of them cannot be told from what was seen.
 */
export class KnownEntries {
  readonly #entries = new Map<string, Known>();
  readonly #deadlines = new Deadlines((id, atMs) => {
    const known = this.#entries.get(id);
    return known?.endsAtMs === atMs && !known.isGone;
  });
  /** No state of a key that was forgotten is newer. */
  #floorMs = Number.NEGATIVE_INFINITY;
  #round = 0;

  get(id: string): Known | undefined {
    return this.#entries.get(id);
  }

  /** What a state that was seen is, beside what is known. `undefined`: nothing stands there. */
  judge(id: string, record: EntryRecord | undefined): "same" | "news" | "doubt" {
    const known = this.#entries.get(id);
    if (record === undefined) return known?.isGone === false ? "doubt" : "same";
    if (known !== undefined && known.version === versionOf(record.newest)) {
      known.round = this.#round;
      return "same";
    }
    return record.newest.updatedAtMs > (known?.atMs ?? this.#floorMs) ? "news" : "doubt";
  }

  accept(id: string, { key, newest }: EntryRecord, isGone: boolean): void {
    const { updatedAtMs: atMs, life } = newest;
    const endsAtMs = life?.endsAtMs;
    const round = this.#round;
    const before = this.#entries.get(id);
    this.#entries.set(id, { key, version: versionOf(newest), atMs, endsAtMs, isGone, round });
    const isSet = before?.endsAtMs === endsAtMs && !before?.isGone;
    if (endsAtMs !== undefined && !isGone && !isSet) this.#deadlines.add(id, endsAtMs);
  }

  /** Its record is gone. */
  vanish(id: string, { key, atMs }: Known): void {
    this.#entries.set(id, { key, version: null, atMs, endsAtMs: undefined, isGone: true, round: 0 });
  }

  /** When the next value is over. */
  get nextEndMs(): number | undefined {
    return this.#deadlines.next?.atMs;
  }

  /** The next value that is over by then; it is gone from now on. */
  takeOver(byMs: number): { readonly id: string; readonly known: Known } | undefined {
    const { id, atMs } = this.#deadlines.next ?? {};
    if (id === undefined || atMs === undefined || atMs > byMs) return undefined;
    const known = this.#entries.get(id) as Known;
    known.isGone = true;
    this.#deadlines.drop();
    return { id, known };
  }

  beginRound(): void {
    this.#round += 1;
  }

  /** Those that the round did not meet. What was gone before is forgotten. */
  endRound(): readonly string[] {
    const missing: string[] = [];
    for (const [id, { round, isGone, atMs }] of this.#entries) {
      if (round === this.#round) continue;
      if (!isGone) {
        missing.push(id);
        continue;
      }
      this.#entries.delete(id);
      this.#floorMs = Math.max(this.#floorMs, atMs);
    }
    return missing;
  }

  clear(): void {
    this.#entries.clear();
  }
}
