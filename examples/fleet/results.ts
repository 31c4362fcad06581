import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { EarlierClaim } from "./messages.ts";

/**
 * The resource that the fleet works on: a store of results that knows nothing of leasehold and checks fences
 * itself. This is what makes leases safe. A lease cannot stop a process that was paused and wakes up late; a
 * resource that has seen a larger fence can.
 */
export interface Results extends Disposable {
  /** Puts the jobs on the list. */
  enroll(jobs: readonly string[]): void;
  /** The jobs without a result, in order. */
  unfinished(): readonly string[];
  /**
   * Shows the resource a fence before the work begins. From here on it refuses smaller ones, so either an earlier
   * holder's result is there already, or it will never be accepted.
   */
  claim(job: string, worker: number, fence: number): Claim;
  /** Stores a result, unless the resource has seen a larger fence. */
  write(job: string, worker: number, fence: number, result: string): Written;
  /** Everything that happened to the resource, for the check at the end. */
  audit(): Audit;
}

export type Claim =
  | { readonly claimed: true; readonly earlier: EarlierClaim | null }
  /** It is done already, or a larger fence has been here. */
  | { readonly claimed: false };

export type Written = { readonly accepted: true } | { readonly accepted: false; readonly seenFence: number };

export interface Audit {
  readonly claims: readonly { readonly job: string; readonly worker: number; readonly fence: number }[];
  readonly writes: readonly {
    readonly job: string;
    readonly worker: number;
    readonly fence: number;
    readonly accepted: boolean;
    readonly seenFence: number;
  }[];
}

const schema = `
  CREATE TABLE IF NOT EXISTS jobs (
    position INTEGER PRIMARY KEY,
    job      TEXT NOT NULL UNIQUE,
    fence    INTEGER NOT NULL DEFAULT 0, -- the largest that was ever seen
    worker   INTEGER,                    -- who showed it
    result   TEXT
  );
  CREATE TABLE IF NOT EXISTS claims (id INTEGER PRIMARY KEY, job TEXT, worker INTEGER, fence INTEGER);
  CREATE TABLE IF NOT EXISTS writes (
    id INTEGER PRIMARY KEY, job TEXT, worker INTEGER, fence INTEGER, accepted INTEGER, seenFence INTEGER
  );`;

/** Opens the results store; makes the file if it is missing. */
export function openResults(path: string): Results {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  database.exec(schema);
  const all = <Row>(sql: string, ...values: SQLInputValue[]): readonly Row[] =>
    database.prepare(sql).all(...values) as Row[];
  const run = (sql: string, ...values: SQLInputValue[]) => database.prepare(sql).run(...values);
  const read = (job: string): JobRow => {
    const [row] = all<JobRow>("SELECT fence, worker, result FROM jobs WHERE job = ?", job);
    if (row === undefined) throw new Error(`${job} is not on the list`);
    return row;
  };

  return {
    enroll(jobs) {
      for (const job of jobs) run("INSERT INTO jobs (job) VALUES (?)", job);
    },
    unfinished() {
      const rows = all<{ job: string }>("SELECT job FROM jobs WHERE result IS NULL ORDER BY position");
      return rows.map((row) => row.job);
    },
    claim(job, worker, fence) {
      return inTransaction(database, () => {
        const { fence: seenFence, worker: claimant, result } = read(job);
        if (result !== null || seenFence >= fence) return { claimed: false };
        run("UPDATE jobs SET fence = ?, worker = ? WHERE job = ?", fence, worker, job);
        run("INSERT INTO claims (job, worker, fence) VALUES (?, ?, ?)", job, worker, fence);
        return { claimed: true, earlier: claimant === null ? null : { worker: claimant, fence: seenFence } };
      });
    },
    write(job, worker, fence, result) {
      return inTransaction(database, () => {
        // The whole of fencing is the last condition of this statement.
        const { changes } = run(
          "UPDATE jobs SET result = ? WHERE job = ? AND fence <= ?",
          result,
          job,
          fence,
        );
        const accepted = changes === 1;
        const { fence: seenFence } = read(job);
        run(
          "INSERT INTO writes (job, worker, fence, accepted, seenFence) VALUES (?, ?, ?, ?, ?)",
          ...[job, worker, fence, accepted ? 1 : 0, seenFence],
        );
        return accepted ? { accepted } : { accepted, seenFence };
      });
    },
    audit() {
      const writes = all<Audit["writes"][number]>("SELECT * FROM writes ORDER BY id");
      return {
        claims: all<Audit["claims"][number]>("SELECT * FROM claims ORDER BY id"),
        writes: writes.map((row) => ({ ...row, accepted: Boolean(row.accepted) })),
      };
    },
    [Symbol.dispose]: () => database.close(),
  };
}

interface JobRow {
  readonly fence: number;
  readonly worker: number | null;
  readonly result: string | null;
}

function inTransaction<Answer>(database: DatabaseSync, work: () => Answer): Answer {
  database.exec("BEGIN IMMEDIATE");
  try {
    const answer = work();
    database.exec("COMMIT");
    return answer;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
