import type { PrefixListeners } from "../../core/prefix-listeners.ts";
import type { Runtime } from "../../core/runtime.ts";
import { ChangeFeed } from "./change-feed.ts";
import { type FileIdentity, identify, isSameFile } from "./database-file.ts";
import { importSqlite, type OpenDatabaseOptions, openDatabase } from "./open-database.ts";
import { RecordTable } from "./record-table.ts";

/** One open database file with what hangs on it: its records, its changes, and which file it is. */
export class SqliteStore {
  readonly table: RecordTable;
  readonly changes: ChangeFeed;
  readonly #runtime: Runtime;
  readonly #path: string;
  readonly #identity: FileIdentity;
  readonly #closeDatabase: () => void;
  #checkedAtMs: number;

  private constructor(
    runtime: Runtime,
    listeners: PrefixListeners,
    path: string,
    { database, identity }: ReturnType<typeof openDatabase>,
  ) {
    this.#runtime = runtime;
    this.#path = path;
    this.#identity = identity;
    this.#closeDatabase = () => database.close();
    this.#checkedAtMs = runtime.monotonicMs();
    this.table = new RecordTable(database);
    this.changes = new ChangeFeed(runtime, listeners, this.table);
  }

  /** Opens the file. Throws what SQLite or the checks throw. */
  static async open(
    runtime: Runtime,
    listeners: PrefixListeners,
    options: OpenDatabaseOptions,
  ): Promise<SqliteStore> {
    return new SqliteStore(runtime, listeners, options.path, openDatabase(await importSqlite(), options));
  }

  /** Whether the path still leads to the file that was opened. */
  isInPlace(): boolean {
    this.#checkedAtMs = this.#runtime.monotonicMs();
    return isSameFile(this.#identity, identify(this.#path));
  }

  /** The same, asked only if the last answer is older than `maxAgeMs`. */
  seemsInPlace(maxAgeMs: number): boolean {
    return this.#runtime.monotonicMs() - this.#checkedAtMs < maxAgeMs || this.isInPlace();
  }

  close(): void {
    this.changes.stop();
    this.#closeDatabase();
  }
}
