import { describe } from "../core/durations.ts";
import { CorruptRecordError, InvalidArgumentError } from "../core/errors.ts";
import { type Fenced, fenceOf, fenceRejected } from "../core/fence.ts";
import { checkOptions } from "../core/options.ts";
import {
  checkColumn,
  checkTable,
  isSqlFragment,
  SqlBuilder,
  type SqlFragment,
  type SqlPlaceholders,
  type SqlStatement,
} from "./sql-text.ts";

/** What {@link fencedUpdate} writes, and where. */
export interface FencedUpdateOptions {
  /** The table, as it stands in SQL; nothing is quoted for you. */
  readonly table: string;
  /** The columns that name one row, with their values. */
  readonly key: Readonly<Record<string, unknown>>;
  /** The columns to write, each with a value or a {@link SqlFragment}. Default: none, which makes it a claim. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** A condition of your own, which must hold too. */
  readonly and?: SqlFragment;
  /** The column with the largest fence that was seen: an integer of 64 bits, NULL before the first. Default: `fence`. */
  readonly column?: string;
  /** Default: `?`. */
  readonly placeholders?: SqlPlaceholders;
}

/**
 * What became of a fenced update: `written`; `absent`, there is no such row; or `unmatched`, the row is there, its fence
 * is no hindrance, and the condition in `and` did not hold.
 */
export type FencedUpdateOutcome = "written" | "absent" | "unmatched";

/** An `UPDATE` that a larger fence in the row refuses. */
export interface FencedUpdate extends SqlStatement {
  /** Reads the row's fence, as the column `fence`: for an update that changed no row, to find out why. */
  readonly look: SqlStatement;
  /**
   * Says what became of it.
   *
   * @param changedRows how many rows the driver says were changed. With MySQL, rows that were found, also those that
   * had these values already (`FOUND_ROWS`, the default of `mysql2`).
   * @param rows the rows that `look` found, none or one. Needed only when no row was changed.
   * @throws FenceRejectedError (`FENCE_REJECTED`) when the row has seen a larger fence.
   * @throws CorruptRecordError (`CORRUPT_RECORD`) when what stands in the column is no fence.
   */
  outcome(changedRows: number | bigint, rows?: readonly unknown[]): FencedUpdateOutcome;
}

const optionNames = ["table", "key", "set", "and", "column", "placeholders"];

/**
 * An `UPDATE` of one row that also writes the grant's fence, under the condition that the row has not seen a larger one.
 * Without `set` it is a claim: the first act of a new holder, after which late writes of earlier ones are refused.
 *
 * It is text with parameters and sends nothing, so it works with any driver, and in your own transactions. Equal fences
 * are accepted: one holder may write often. Rows that are not there are not made; insert them once, without a fence.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for a name that could be something else than a name, a row without a
 * key, or a write to the fence's own column.
 *
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * import { connect, fencedUpdate } from "leasehold";
 *
 * const database = new DatabaseSync(":memory:");
 * database.exec("CREATE TABLE invoices (id INTEGER PRIMARY KEY, amount INTEGER, fence INTEGER)");
 * database.exec("INSERT INTO invoices (id, amount) VALUES (42, 0)");
 *
 * await using coordinator = await connect("memory:");
 * await coordinator.lock("invoice-42").hold(async (grant) => {
 *   const update = fencedUpdate(grant, { table: "invoices", key: { id: 42 }, set: { amount: 100 } });
 *   console.log(update.text.slice(0, 45)); // UPDATE invoices SET amount = ?, fence = ? WHE
 *   const { changes } = database.prepare(update.text).run(...(update.parameters as number[]));
 *   console.log(update.outcome(changes)); // written
 * });
 * ```
 */
export function fencedUpdate(grant: Fenced, options: FencedUpdateOptions): FencedUpdate {
  checkOptions("fencedUpdate", options ?? null, optionNames);
  const fence = fenceOf("fencedUpdate", grant);
  const { key, set = {}, and, column = "fence", placeholders = "?" } = options;
  const table = checkTable(options.table);
  const fenceColumn = checkColumn("column", column);
  if (placeholders !== "?" && placeholders !== "$") {
    throw new InvalidArgumentError(`placeholders must be "?" or "$"; got ${describe(placeholders)}`);
  }
  checkColumns("key", key, fenceColumn);
  checkColumns("set", set, fenceColumn);
  if (Object.keys(key).length === 0) {
    throw new InvalidArgumentError(
      "key must name at least one column: a fence guards one row, not all of them",
    );
  }

  if (and !== undefined && !isSqlFragment(and)) {
    throw new InvalidArgumentError(`and must be made by sqlFragment; got ${describe(and)}`);
  }

  const update = new SqlBuilder(placeholders).text(`UPDATE ${table} SET `);
  for (const [name, value] of Object.entries(set)) update.text(`${name} = `).value(value).text(", ");
  update.text(`${fenceColumn} = `).value(fence).text(" WHERE ");
  addKey(update, key);
  update.text(` AND (${fenceColumn} IS NULL OR ${fenceColumn} <= `).value(fence).text(")");
  if (and !== undefined) update.text(" AND (").value(and).text(")");

  const look = new SqlBuilder(placeholders).text(`SELECT ${fenceColumn} AS fence FROM ${table} WHERE `);
  addKey(look, key);

  return {
    ...update.statement,
    look: look.statement,
    outcome: (changedRows, rows) => judge(table, fence, Number(changedRows), rows),
  };
}

function addKey(builder: SqlBuilder, key: Readonly<Record<string, unknown>>): void {
  for (const [index, [name, value]] of Object.entries(key).entries()) {
    builder.text(`${index === 0 ? "" : " AND "}${name} = `).value(value);
  }
}

function checkColumns(option: string, columns: unknown, fenceColumn: string): void {
  if (typeof columns !== "object" || columns === null) {
    throw new InvalidArgumentError(
      `${option} must be an object of columns and their values; got ${describe(columns)}`,
    );
  }
  for (const [name, value] of Object.entries(columns)) {
    checkColumn(`a column of ${option}`, name);
    if (name.toLowerCase() === fenceColumn.toLowerCase()) {
      throw new InvalidArgumentError(`${option} has the column ${name}, which belongs to the fence`);
    }
    // In most drivers it fails late, or becomes NULL, which equals nothing.
    if (value === undefined || (option === "key" && value === null)) {
      throw new InvalidArgumentError(
        `the column ${name} of ${option} must have a value; got ${String(value)}`,
      );
    }
  }
}

function judge(
  table: string,
  fence: number,
  changedRows: number,
  rows: readonly unknown[] | undefined,
): FencedUpdateOutcome {
  if (!(changedRows >= 0)) {
    throw new InvalidArgumentError(`outcome needs the number of changed rows; got ${describe(changedRows)}`);
  }
  if (changedRows > 0) return "written";
  if (!Array.isArray(rows)) {
    throw new InvalidArgumentError(
      `no row was changed: outcome needs the rows that look found, to tell why; got ${describe(rows)}`,
    );
  }
  if (rows.length === 0) return "absent";
  const { fence: stored } = rows[0] as { readonly fence?: unknown };
  if (stored === null) return "unmatched";
  // Drivers hand out integers of 64 bits as numbers, as bigints or as text.
  const seenFence = /^\d+$/.test(String(stored)) ? Number(stored) : Number.NaN;
  if (!Number.isSafeInteger(seenFence)) {
    throw new CorruptRecordError(
      `a row of ${table} has ${describe(stored)} in the column of its fence, which should be an integer or NULL`,
    );
  }
  if (seenFence > fence) throw fenceRejected(`a row of ${table}`, fence, seenFence);
  return "unmatched";
}
