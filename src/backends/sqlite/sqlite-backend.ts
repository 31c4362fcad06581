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
import { invariant } from "../../core/invariant.ts";
import { decodeKeyCursor, encodeKeyCursor } from "../../core/key-cursor.ts";
import { checkKey, checkOperations } from "../../core/limits.ts";
import { checkOptions } from "../../core/options.ts";
import { PrefixListeners } from "../../core/prefix-listeners.ts";
import { type Runtime, systemRuntime } from "../../core/runtime.ts";
import { databasePath } from "./database-file.ts";
import { FileGuard } from "./file-guard.ts";

/** Settings of {@link sqliteBackend}. */
export interface SqliteBackendOptions {
  /** The file, absolute or relative to the working directory. Missing folders are created with it. */
  readonly path: string;
  /**
   * Whether a commit is on the disk before it is answered, and so survives a power loss. Without it a commit
   * survives the death of every process, but the last ones may vanish with the machine. Default: false.
   */
  readonly durable?: boolean;
  /** Clocks and timers. Default: the system's. */
  readonly runtime?: Runtime;
}

const kind = "sqlite";
const scanLimitMax = 1_000;
const capabilities: Capabilities = {
  scope: "machine",
  commitOperationsMax: 1_000,
  wake: false,
  watch: "push",
  orderedScan: true,
  keyBytesMax: 1_024,
  valueBytesMax: 1_048_576,
};
/** Sorts behind every character of a key. */
const lastCharacter = "\x7f";
/** Sorts before every character of a key. */
const firstCharacter = "\x01";
/** So many writes, then a look at twice as many rows for expired ones: collection keeps up with any writer. */
const writesPerCollection = 128;

/**
 * A store in one SQLite file, for all processes of one machine, through Node's own `node:sqlite`.
 *
 * Commits of all processes are strictly ordered by SQLite's write lock; reads see everything committed before them.
 * A commit that was answered survives the death of the process; `durable: true` also a power loss. While another
 * process writes, a request waits up to 5 seconds on a timer, not blocking the event loop, and then rejects with
 * `UnavailableError`. When the file is deleted or replaced under it, every request rejects with `StoreMissingError`
 * until `setup()` is called. Not for network file systems.
 *
 * @throws InvalidArgumentError for a path that names no file. Nothing is opened before the first request.
 * @example
 * ```ts
 * import { tmpdir } from "node:os";
 * import { sqliteBackend } from "leasehold/sqlite";
 * const backend = sqliteBackend({ path: `${tmpdir()}/leasehold-example.db`, durable: true });
 * await backend.setup();
 * await backend.commit([{ kind: "put", key: "greeting", value: Buffer.from("hello") }]);
 * await backend.close();
 * ```
 */
export function sqliteBackend(options: SqliteBackendOptions): Backend {
  checkOptions("sqliteBackend", options, ["path", "durable", "runtime"]);
  return new SqliteBackend(
    databasePath(options.path),
    options.durable ?? false,
    options.runtime ?? systemRuntime,
  );
}

class SqliteBackend implements Backend {
  readonly kind = kind;
  readonly capabilities = capabilities;
  readonly #runtime: Runtime;
  readonly #listeners = new PrefixListeners();
  readonly #file: FileGuard;
  #writesSinceCollection = 0;

  constructor(path: string, durable: boolean, runtime: Runtime) {
    this.#runtime = runtime;
    this.#file = new FileGuard(runtime, this.#listeners, { path, durable });
  }

  setup({ create = true }: { readonly create?: boolean } = {}): Promise<void> {
    return this.#file.setup(create);
  }

  async get(keys: readonly string[]): Promise<readonly (StoredRecord | null)[]> {
    for (const key of keys) checkKey(kind, capabilities, key);
    return this.#file.read(Math.max(1, keys.length), ({ table }) => keys.map((key) => table.get(key)));
  }

  async scan(
    prefix: string,
    page: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<ScanPage> {
    const limit = Math.min(page.limit ?? 100, scanLimitMax);
    invariant(limit >= 1, `a page holds at least one record; got a limit of ${limit}`);
    const from = page.cursor === undefined ? prefix : decodeKeyCursor(prefix, page.cursor) + firstCharacter;
    const found = await this.#file.read(limit, ({ table }) =>
      table.scan(from, prefix + lastCharacter, limit + 1),
    );
    const records = found.slice(0, limit);
    const lastKey = records.at(-1)?.key;
    return found.length > limit && lastKey !== undefined
      ? { records, cursor: encodeKeyCursor(lastKey) }
      : { records };
  }

  async commit(operations: readonly Operation[], options?: CommitOptions): Promise<CommitResult> {
    checkOperations(kind, capabilities, operations, options);
    const result = await this.#file.write(operations.length, ({ table }) =>
      table.commit(operations, { wallMs: this.#runtime.wallMs() }),
    );
    this.#collectNowAndThen(operations.length);
    return result;
  }

  async add(key: string, delta: number, operation: AddOperation): Promise<number> {
    checkKey(kind, capabilities, key);
    const sum = await this.#file.write(1, ({ table }) => {
      let sum = 0;
      table.update(key, { wallMs: this.#runtime.wallMs() }, (current) => {
        const counter = current === null ? emptyCounter : decodeCounter(key, current.value);
        const added = applyAdd(counter, delta, operation);
        sum = added.sum;
        return added.applied ? encodeCounter(added.counter) : null;
      });
      return sum;
    });
    this.#collectNowAndThen(1);
    return sum;
  }

  /** The machine's clock, which all processes that share the file read. */
  async time(): Promise<StoreTime> {
    const nowMs = await this.#file.read(1, () => this.#runtime.wallMs());
    return { earliestMs: nowMs, latestMs: nowMs };
  }

  watch(prefix: string, listener: (hint: ChangeHint) => void): Unsubscribe {
    const unsubscribe = this.#listeners.add(prefix, listener);
    this.#file.startChanges();
    return unsubscribe;
  }

  /** Without effect: a waiter watches its key instead. */
  wake(): void {}

  onWake(): Unsubscribe {
    return () => undefined;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#file.close();
  }

  #collectNowAndThen(writes: number): void {
    this.#writesSinceCollection += writes;
    if (this.#writesSinceCollection < writesPerCollection) return;
    const rows = 2 * this.#writesSinceCollection;
    this.#writesSinceCollection = 0;
    this.#file.collect(rows, this.#runtime.wallMs());
  }
}
