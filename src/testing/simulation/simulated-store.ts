import type { CommitResult, Conflict, Operation, StoredRecord } from "../../core/backend.ts";
import { StoreMissingError } from "../../core/errors.ts";

/** What one commit did to one key. */
export interface Change {
  readonly key: string;
  readonly before: StoredRecord | null;
  readonly after: StoredRecord | null;
}

/** Something that changed the store. */
export interface StoreEvent {
  readonly what: "commit" | "wipe" | "rollback";
  /** Who asked for it. */
  readonly by: string;
  readonly changes: readonly Change[];
}

/**
 * What the store's own clock shows when a world begins: half a year from every machine's wall clock, so that whoever
 * mixes them up is found out.
 */
export const storeEpochMs = Date.UTC(2026, 6, 1);

interface State {
  readonly atMs: number;
  readonly record: StoredRecord | null;
}

/**
 * The store that all simulated processes share: conditional commits in one order, and its whole past, for reads that
 * are stale and for disasters. Holds no clock; the caller says what time it is.
 */
export class SimulatedStore {
  readonly #past = new Map<string, State[]>();
  readonly #onEvent: (event: StoreEvent) => void;
  #versions = 0;
  #isMissing = false;

  constructor(onEvent: (event: StoreEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Every key that ever held a record. */
  get keys(): readonly string[] {
    return [...this.#past.keys()];
  }

  /** What stands under a key. `atMs`: as a replica showed it that stood still since then. */
  get(key: string, atMs = Number.POSITIVE_INFINITY): StoredRecord | null {
    if (this.#isMissing) throw new StoreMissingError("the store is gone");
    return this.peek(key, atMs);
  }

  /** As {@link SimulatedStore.get}, by somebody who stands outside of the world. */
  peek(key: string, atMs = Number.POSITIVE_INFINITY): StoredRecord | null {
    return this.#past.get(key)?.findLast((state) => state.atMs <= atMs)?.record ?? null;
  }

  /** All or nothing, as the contract says. */
  commit(operations: readonly Operation[], by: string, nowMs: number): CommitResult {
    if (this.#isMissing) throw new StoreMissingError("the store is gone");
    const conflicts: Conflict[] = [];
    for (const { key, expect } of operations) {
      const current = this.peek(key);
      if (expect !== undefined && expect !== (current?.version ?? null)) conflicts.push({ key, current });
    }
    if (conflicts.length > 0) return { committed: false, conflicts };
    const changes: Change[] = [];
    const versions = operations.map((operation) => {
      if (operation.kind === "check") return operation.expect;
      const { key } = operation;
      const after = operation.kind === "delete" ? null : this.#record(key, operation.value);
      changes.push(this.#set(key, after, nowMs));
      return after?.version ?? null;
    });
    this.#onEvent({ what: "commit", by, changes });
    return { committed: true, versions };
  }

  /** Takes every record away, and the store with it: until it is made again, every request is refused. */
  wipe(nowMs: number): void {
    this.#isMissing = true;
    this.#replaceAll("wipe", nowMs, () => null);
  }

  /** Makes it again, empty, after a {@link SimulatedStore.wipe}. */
  create(): void {
    this.#isMissing = false;
  }

  /** Puts the records that `includes` back to what they were at `thenMs`, as a restored backup does. */
  rollBack(thenMs: number, nowMs: number, includes: (key: string) => boolean): void {
    this.#replaceAll("rollback", nowMs, (key) => this.peek(key, includes(key) ? thenMs : nowMs));
  }

  #replaceAll(
    what: "wipe" | "rollback",
    nowMs: number,
    recordOf: (key: string) => StoredRecord | null,
  ): void {
    const changes = this.keys
      .filter((key) => recordOf(key)?.version !== this.peek(key)?.version)
      .map((key) => this.#set(key, recordOf(key), nowMs));
    this.#onEvent({ what, by: "disaster", changes });
  }

  #set(key: string, after: StoredRecord | null, nowMs: number): Change {
    const before = this.peek(key);
    const past = this.#past.get(key) ?? [];
    past.push({ atMs: nowMs, record: after });
    this.#past.set(key, past);
    return { key, before, after };
  }

  #record(key: string, value: Uint8Array): StoredRecord {
    this.#versions += 1;
    return { key, value, version: String(this.#versions) };
  }
}
