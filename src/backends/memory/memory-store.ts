import type { CommitResult, Conflict, Operation, StoredRecord, Version } from "../../core/backend.ts";
import { invariant } from "../../core/invariant.ts";

/** Records looked at for expiry in each commit: more than a commit can add, so that collection keeps up. */
const expiryChecksPerOperation = 2;

/**
 * Ordered, versioned records in a map: the whole state of the memory backend, without clocks, listeners or
 * promises. Versions come from one counter for all keys, so that none repeats, whatever is deleted.
 */
export class MemoryStore {
  readonly #records = new Map<string, StoredRecord>();
  readonly #expiresAtMs = new Map<string, number>();
  #expiryRound: Iterator<[string, number]> = this.#expiresAtMs.entries();
  #lastVersion = 0;
  #sortedKeys: readonly string[] = [];
  #addedKeys = new Set<string>();
  #sorted = true;

  /** The record itself; its bytes belong to the store. */
  get(key: string): StoredRecord | null {
    return this.#records.get(key) ?? null;
  }

  /** All or nothing. Puts keep a copy of the bytes. */
  commit(operations: readonly Operation[], nowMs: number): CommitResult {
    const conflicts: Conflict[] = [];
    for (const { key, expect } of operations) {
      const current = this.get(key);
      if (expect !== undefined && expect !== (current?.version ?? null)) conflicts.push({ key, current });
    }
    if (conflicts.length > 0) return { committed: false, conflicts };
    return { committed: true, versions: operations.map((operation) => this.#apply(operation, nowMs)) };
  }

  /** Deletes records past their time to live and answers their keys. Bounded work: two looks per operation. */
  collect(nowMs: number, operations: number): readonly string[] {
    const collected: string[] = [];
    for (let looks = 0; looks < operations * expiryChecksPerOperation; looks += 1) {
      const next = this.#expiryRound.next();
      if (next.done === true) {
        this.#expiryRound = this.#expiresAtMs.entries();
        break;
      }
      const [key, expiresAtMs] = next.value;
      if (expiresAtMs > nowMs) continue;
      this.#remove(key);
      collected.push(key);
    }
    return collected;
  }

  /** At most `limit` records in key order whose key begins with `prefix` and comes after `afterKey`. */
  scan(prefix: string, afterKey: string, limit: number): readonly StoredRecord[] {
    const keys = this.#keysInOrder();
    const found: StoredRecord[] = [];
    // The prefix itself sorts before all that begins with it, and may be a key.
    let index =
      afterKey === "" ? firstIndex(keys, (key) => key >= prefix) : firstIndex(keys, (key) => key > afterKey);
    for (; index < keys.length && found.length < limit; index += 1) {
      const record = this.get(keys[index] ?? "");
      invariant(record !== null, "every sorted key has a record");
      if (!record.key.startsWith(prefix)) break;
      found.push(record);
    }
    return found;
  }

  clear(): void {
    this.#records.clear();
    this.#expiresAtMs.clear();
    this.#addedKeys.clear();
    this.#sortedKeys = [];
  }

  #apply(operation: Operation, nowMs: number): Version | null {
    if (operation.kind === "check") return operation.expect;
    if (operation.kind === "delete") {
      this.#remove(operation.key);
      return null;
    }
    const { key, value, ttlMs } = operation;
    this.#lastVersion += 1;
    const version = String(this.#lastVersion);
    if (!this.#records.has(key)) {
      this.#addedKeys.add(key);
      this.#sorted = false;
    }
    this.#records.set(key, { key, value: new Uint8Array(value), version });
    if (ttlMs === undefined) this.#expiresAtMs.delete(key);
    else this.#expiresAtMs.set(key, nowMs + ttlMs);
    return version;
  }

  #remove(key: string): void {
    this.#expiresAtMs.delete(key);
    if (this.#records.delete(key) && !this.#addedKeys.delete(key)) this.#sorted = false;
  }

  /** Sorts only when a scan needs it; the keys of the last scan stand first, already in order. */
  #keysInOrder(): readonly string[] {
    if (this.#sorted) return this.#sortedKeys;
    const kept = this.#sortedKeys.filter((key) => this.#records.has(key) && !this.#addedKeys.has(key));
    this.#sortedKeys = [...kept, ...this.#addedKeys].sort();
    this.#addedKeys = new Set();
    this.#sorted = true;
    return this.#sortedKeys;
  }
}

/** The first index whose key passes, in an order where all that pass stand behind all that do not. */
function firstIndex(keys: readonly string[], passes: (key: string) => boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (passes(keys[middle] ?? "")) high = middle;
    else low = middle + 1;
  }
  return low;
}
