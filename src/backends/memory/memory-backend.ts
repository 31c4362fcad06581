import type {
  AddOperation,
  Backend,
  Capabilities,
  ChangeHint,
  CommitOptions,
  CommitResult,
  Operation,
  ScanPage,
  StoredRecord,
  StoreTime,
  Unsubscribe,
} from "../../core/backend.ts";
import { applyAdd, decodeCounter, emptyCounter, encodeCounter } from "../../core/counter-record.ts";
import { ClosedError } from "../../core/errors.ts";
import { invariant } from "../../core/invariant.ts";
import { decodeKeyCursor, encodeKeyCursor } from "../../core/key-cursor.ts";
import { checkKey, checkOperations } from "../../core/limits.ts";
import { PrefixListeners } from "../../core/prefix-listeners.ts";
import { type Runtime, systemRuntime } from "../../core/runtime.ts";
import { TurnSharing } from "../../core/turn-sharing.ts";
import { MemoryStore } from "./memory-store.ts";

/** Settings of {@link memoryBackend}. */
export interface MemoryBackendOptions {
  /** The clocks of the store: for the time to live of records, and for `time()`. Default: the system's. */
  readonly runtime?: Runtime;
}

const kind = "memory";
/** Some milliseconds of work. */
const requestsPerTurn = 2_000;
const scanLimitMax = 1_000;
const capabilities: Capabilities = {
  scope: "process",
  commitOperationsMax: 1_000,
  wake: true,
  watch: "push",
  orderedScan: true,
  keyBytesMax: 1_024,
  valueBytesMax: 1_048_576,
};

/**
 * A store within one process: the reference implementation of the contract, for tests, for development and for
 * coordination among the callers of one process. Several coordinators share it by sharing the object; another
 * process, and another call of this function, sees nothing of it, and it ends with {@link Backend.close}.
 *
 * Reads are never stale and outcomes never unknown. Answers come in a microtask, hints in a microtask of their own;
 * on the system's clock, every 2,000th answer waits for the next turn of the event loop, so that timers fire.
 *
 * @example
 * ```ts
 * import { memoryBackend } from "leasehold/memory";
 * const backend = memoryBackend();
 * await backend.commit([{ kind: "put", key: "greeting", value: Buffer.from("hello"), expect: null }]);
 * const [record] = await backend.get(["greeting"]);
 * console.log(Buffer.from(record?.value ?? []).toString()); // hello
 * ```
 */
export function memoryBackend(options: MemoryBackendOptions = {}): Backend {
  // Virtual time stands still until its owner moves it; nobody may have to wait for that.
  const turns = options.runtime === undefined ? new TurnSharing(systemRuntime, requestsPerTurn) : undefined;
  return new MemoryBackend(options.runtime ?? systemRuntime, turns);
}

class MemoryBackend implements Backend {
  readonly kind = kind;
  readonly capabilities = capabilities;
  readonly #runtime: Runtime;
  readonly #turns: TurnSharing | undefined;
  readonly #store = new MemoryStore();
  readonly #watchers = new PrefixListeners();
  readonly #wakeListeners = new Map<string, Set<(hint: string) => void>>();
  #closed = false;

  constructor(runtime: Runtime, turns: TurnSharing | undefined) {
    this.#runtime = runtime;
    this.#turns = turns;
  }

  async setup(): Promise<void> {
    this.#checkOpen();
  }

  async get(keys: readonly string[]): Promise<readonly (StoredRecord | null)[]> {
    const turn = this.#turns?.take(Math.max(1, keys.length));
    if (turn !== undefined) await turn;
    this.#checkOpen();
    for (const key of keys) checkKey(kind, capabilities, key);
    return keys.map((key) => copy(this.#store.get(key)));
  }

  async scan(
    prefix: string,
    page: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<ScanPage> {
    const turn = this.#turns?.take(1);
    if (turn !== undefined) await turn;
    this.#checkOpen();
    const limit = Math.min(page.limit ?? 100, scanLimitMax);
    invariant(limit >= 1, `a page holds at least one record; got a limit of ${limit}`);
    const afterKey = page.cursor === undefined ? "" : decodeKeyCursor(prefix, page.cursor);
    const found = this.#store.scan(prefix, afterKey, limit + 1);
    const records = found.slice(0, limit).map((record) => copy(record));
    const lastKey = records.at(-1)?.key;
    return found.length > limit && lastKey !== undefined
      ? { records, cursor: encodeKeyCursor(lastKey) }
      : { records };
  }

  async commit(operations: readonly Operation[], options?: CommitOptions): Promise<CommitResult> {
    const turn = this.#turns?.take(operations.length);
    if (turn !== undefined) await turn;
    this.#checkOpen();
    checkOperations(kind, capabilities, operations, options);
    const result = this.#apply(operations);
    if (result.committed) return result;
    const conflicts = result.conflicts.map(({ key, current = null }) => ({ key, current: copy(current) }));
    return { committed: false, conflicts };
  }

  async add(key: string, delta: number, operation: AddOperation): Promise<number> {
    const turn = this.#turns?.take(1);
    if (turn !== undefined) await turn;
    this.#checkOpen();
    checkKey(kind, capabilities, key);
    const current = this.#store.get(key);
    const counter = current === null ? emptyCounter : decodeCounter(key, current.value);
    const added = applyAdd(counter, delta, operation);
    if (added.applied) this.#apply([{ kind: "put", key, value: encodeCounter(added.counter) }]);
    return added.sum;
  }

  async time(): Promise<StoreTime> {
    const turn = this.#turns?.take(1);
    if (turn !== undefined) await turn;
    this.#checkOpen();
    const nowMs = this.#runtime.wallMs();
    return { earliestMs: nowMs, latestMs: nowMs };
  }

  watch(prefix: string, listener: (hint: ChangeHint) => void): Unsubscribe {
    return this.#watchers.add(prefix, listener);
  }

  wake(clientId: string, hint: string): void {
    for (const listener of this.#wakeListeners.get(clientId) ?? []) {
      queueMicrotask(() => {
        if (this.#wakeListeners.get(clientId)?.has(listener) === true) listener(hint);
      });
    }
  }

  onWake(clientId: string, listener: (hint: string) => void): Unsubscribe {
    const subscription = (hint: string): void => listener(hint);
    const listeners = this.#wakeListeners.get(clientId) ?? new Set();
    this.#wakeListeners.set(clientId, listeners.add(subscription));
    return () => {
      listeners.delete(subscription);
      if (listeners.size === 0 && this.#wakeListeners.get(clientId) === listeners) {
        this.#wakeListeners.delete(clientId);
      }
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
    this.#wakeListeners.clear();
    this.#store.clear();
  }

  #apply(operations: readonly Operation[]): CommitResult {
    const nowMs = this.#runtime.monotonicMs();
    const result = this.#store.commit(operations, nowMs);
    if (!result.committed) return result;
    const collected = this.#store.collect(nowMs, operations.length);
    if (this.#watchers.isEmpty) return result;
    for (const { kind: what, key } of operations) {
      if (what !== "check") this.#watchers.notify({ key, record: copy(this.#store.get(key)) });
    }
    for (const key of collected) this.#watchers.notify({ key, record: null });
    return result;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("this memory backend was closed; make another one");
  }
}

/** Nobody outside gets hold of the store's own bytes. */
function copy<Found extends StoredRecord | null>(record: Found): Found {
  return record === null ? record : { ...record, value: new Uint8Array(record.value) };
}
