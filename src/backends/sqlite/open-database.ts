import type { DatabaseSync } from "node:sqlite";
import { MissingDependencyError, StoreMisconfiguredError, StoreMissingError } from "../../core/errors.ts";
import { type FileIdentity, identify, isSameFile, missing, prepareFile } from "./database-file.ts";
import { createSchema, isBlank, validateSchema } from "./schema.ts";
import { corruptStore } from "./sqlite-failure.ts";

/** What {@link openDatabase} needs. */
export interface OpenDatabaseOptions {
  readonly path: string;
  /** Whether a commit reaches the disk before it is answered. */
  readonly durable: boolean;
  /** Create the file if it is missing. */
  readonly create: boolean;
  /** The version of the first row of a new file. */
  readonly firstVersion: number;
}

/** An open, validated database, and which file it is. */
export interface OpenDatabase {
  readonly database: DatabaseSync;
  readonly identity: FileIdentity;
}

/** How long a statement waits for another writer by itself, blocking the event loop; after that a timer waits. */
const busyTimeoutMs = 2;
/** Up to this size, opening checks the structure of the whole file, which takes some 20 ms. */
const checkedPagesMax = 8_192;
/** The write-ahead log is cut back to this size after a burst. */
const logBytesMax = 16 * 1_048_576;

/** Imports node:sqlite on first use: importing leasehold alone must not print its warning. */
export async function importSqlite(): Promise<typeof import("node:sqlite")> {
  try {
    return await import("node:sqlite");
  } catch (error) {
    throw new MissingDependencyError(
      `the sqlite backend needs node:sqlite, which Node has from 22.13 on; this is ${process.version}`,
      { cause: error },
    );
  }
}

/**
 * Opens, creates and validates the file. Never blocks for long: throws SQLite's own busy error when another
 * process holds it, and may simply be called again.
 */
export function openDatabase(
  { DatabaseSync }: typeof import("node:sqlite"),
  { path, durable, create, firstVersion }: OpenDatabaseOptions,
): OpenDatabase {
  const existed = prepareFile(path, create);
  const before = identify(path);
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    if (isBlank(database)) {
      if (!create) throw missing(path);
      createSchema(database, firstVersion);
    }
    validateSchema(database, path);
    configure(database, path, durable);
    checkStructure(database, path);
    const identity = identify(path);
    if (identity === null || (existed && before !== null && !isSameFile(before, identity)))
      throw vanished(path);
    return { database, identity };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A file that is no longer the one that was opened. */
export function vanished(path: string): StoreMissingError {
  return new StoreMissingError(
    `the file ${path} was deleted or replaced while it was in use. What this process held in it is lost, and ` +
      "nothing is written until setup() is called: find out who removed the file first",
  );
}

function configure(database: DatabaseSync, path: string, durable: boolean): void {
  const mode = database.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode;
  if (mode !== "wal") {
    throw new StoreMisconfiguredError(
      `${path} cannot have a write-ahead log (journal mode ${mode}): its file system has no shared memory. Use a ` +
        "local disk",
    );
  }
  database.exec(
    `PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}; PRAGMA journal_size_limit = ${logBytesMax}; ` +
      "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
  );
}

function checkStructure(database: DatabaseSync, path: string): void {
  const pages = Number(database.prepare("PRAGMA page_count").get()?.page_count);
  if (pages > checkedPagesMax) return;
  const verdict = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
  if (verdict !== "ok") throw corruptStore(path, String(verdict));
}
