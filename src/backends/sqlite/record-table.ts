import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  CommitResult,
  Conflict,
  Expectation,
  Operation,
  StoredRecord,
  Version,
} from "../../core/backend.ts";
import { invariant } from "../../core/invariant.ts";
import { rollBack } from "./schema.ts";
import { sqlStatements } from "./sql-statements.ts";

/** The two clocks' readings that a write needs. */
export interface WriteClock {
  /** Expiry counts from here: the wall clock, which every process of the machine shares. */
  readonly wallMs: number;
}

/** How long the row of a deleted record stays, for other processes to notice the deletion. */
const deletedRowStaysMs = 60_000;
/** A wall clock beyond this (the year 2112) is wrong; versions then go on by one. */
const versionFloorMax = 2 ** 52;

/** Later than any expiry that makes sense, and still a safe integer. */
const expiryMaxMs = 2 ** 52;

interface Row {
  readonly id: number;
  readonly key: string;
  readonly version: number;
  readonly expires_at_ms: number | null;
  readonly value: Uint8Array | null;
}

type Statements = Readonly<Record<keyof typeof sqlStatements, StatementSync>>;

/**
 * The records of one open database, synchronously. A commit of one key is one statement; a version is the highest
 * of the table plus one, or the wall clock in microseconds if that is more. So versions never repeat while the file
 * lives, because the row with the highest one is never removed; and hardly ever after its end, a power loss or a
 * restored backup.
 *
 * Statements that write are always run to their end (`all`, `run`): `get` stops at the first row and would swallow
 * the error of the commit itself, for instance of a full disk.
 */
export class RecordTable {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  #collectedId = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const prepared = Object.entries(sqlStatements).map(([name, sql]) => [name, database.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared) as Statements;
  }

  get(key: string): StoredRecord | null {
    const row = this.#statements.get.get(key) as Row | undefined;
    return row === undefined ? null : toRecord(key, row);
  }

  /** At most `limit` records, in key order, from `fromKey` on and before `beforeKey`. */
  scan(fromKey: string, beforeKey: string, limit: number): readonly StoredRecord[] {
    return (this.#statements.scan.all(fromKey, beforeKey, limit) as unknown as Row[]).map((row) =>
      toRecord(row.key, row),
    );
  }

  commit(operations: readonly Operation[], clock: WriteClock): CommitResult {
    const [only] = operations;
    if (operations.length > 1 || only === undefined) return this.#commitSeveral(operations, clock);
    const version = this.#apply(only, only.expect, clock);
    return version === undefined
      ? { committed: false, conflicts: [{ key: only.key, current: this.get(only.key) }] }
      : { committed: true, versions: [version] };
  }

  /** Reads a record and puts what `change` makes of it, with no other writer in between. `null`: leaves it. */
  update(key: string, clock: WriteClock, change: (current: StoredRecord | null) => Uint8Array | null): void {
    this.#transaction(() => {
      const value = change(this.get(key));
      if (value !== null) this.#apply({ kind: "put", key, value }, undefined, clock);
      return value !== null;
    });
  }

  /** Changes when another connection commits; own commits do not change it. */
  dataVersion(): number {
    return this.#statements.dataVersion.get()?.data_version as number;
  }

  /** The highest version there is. */
  lastVersion(): number {
    return this.#statements.lastVersion.get()?.version as number;
  }

  /** The keys whose last change came after version `after`, oldest first, at most `limit`. */
  changesAfter(after: number, limit: number): readonly { readonly key: string; readonly version: number }[] {
    return this.#statements.changes.all(after, limit) as unknown as Row[];
  }

  /** Removes expired rows among the next `rows` of the table, and goes on there next time. */
  collect(rows: number, wallMs: number): void {
    const looked = this.#statements.expiries.all(this.#collectedId, rows) as unknown as Row[];
    const lastId = looked.at(-1)?.id ?? 0;
    if (looked.some((row) => row.expires_at_ms !== null && row.expires_at_ms <= wallMs)) {
      this.#statements.collect.run(this.#collectedId, lastId, wallMs);
    }
    this.#collectedId = looked.length < rows ? 0 : lastId;
  }

  #commitSeveral(operations: readonly Operation[], clock: WriteClock): CommitResult {
    let result: CommitResult | undefined;
    this.#transaction(() => {
      const conflicts = operations.flatMap(({ key, expect }) => this.#conflict(key, expect));
      const committed = conflicts.length === 0;
      result = committed
        ? { committed, versions: operations.map((operation) => this.#applyFreely(operation, clock)) }
        : { committed, conflicts };
      return committed;
    });
    invariant(result !== undefined, "a transaction has a result");
    return result;
  }

  #conflict(key: string, expect: Expectation | undefined): readonly Conflict[] {
    if (expect === undefined || this.#version(key) === expect) return [];
    return [{ key, current: this.get(key) }];
  }

  /** Within a transaction that has seen every expectation hold. */
  #applyFreely(operation: Operation, clock: WriteClock): Version | null {
    if (operation.kind === "check") return operation.expect;
    const version = this.#apply(operation, undefined, clock);
    invariant(version !== undefined, "an operation without an expectation goes through");
    return version;
  }

  /** One statement. Answers the new version as `versions` has it, `undefined` when the expectation does not hold. */
  #apply(
    operation: Operation,
    expect: Expectation | undefined,
    { wallMs }: WriteClock,
  ): Version | null | undefined {
    const { key } = operation;
    if (operation.kind === "check") return this.#version(key) === expect ? operation.expect : undefined;
    const floor = versionFloor(wallMs);
    if (operation.kind === "delete") {
      if (expect === null) return this.#version(key) === null ? null : undefined;
      const expiresAtMs = wallMs + deletedRowStaysMs;
      if (expect === undefined) {
        this.#statements.delete.run(floor, expiresAtMs, key);
        return null;
      }
      const { changes } = this.#statements.deleteVersion.run(floor, expiresAtMs, key, versionNumber(expect));
      return changes === 1 ? null : undefined;
    }
    const { value, ttlMs } = operation;
    const expiresAtMs = ttlMs === undefined ? null : Math.min(Math.ceil(wallMs + ttlMs), expiryMaxMs);
    const { put, putNew, putVersion } = this.#statements;
    const rows =
      typeof expect === "string"
        ? putVersion.all(floor, expiresAtMs, value, key, versionNumber(expect))
        : (expect === null ? putNew : put).all(key, floor, expiresAtMs, value);
    return rows[0] === undefined ? undefined : String(rows[0].version);
  }

  #version(key: string): Version | null {
    const row = this.#statements.version.get(key);
    return row === undefined ? null : String(row.version);
  }

  /** Runs `work` as the only writer, and commits if it answers true. */
  #transaction(work: () => boolean): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      if (work()) this.#database.exec("COMMIT");
      else rollBack(this.#database);
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
  }
}

/** The least version that a write at this wall-clock time gets. */
export function versionFloor(wallMs: number): number {
  const microseconds = Math.floor(wallMs * 1_000);
  return microseconds > 0 && microseconds <= versionFloorMax ? microseconds : 1;
}

/** The number behind a version; one that no row has, for text that is not a version of ours. */
function versionNumber(version: Version): number {
  return /^[1-9]\d{0,15}$/.test(version) ? Number(version) : -1;
}

function toRecord(key: string, { version, value }: Row): StoredRecord {
  invariant(value !== null, "rows without a value are not read");
  return { key, value, version: String(version) };
}
