import { DatabaseSync } from "node:sqlite";
import {
  type Fenced,
  FenceRejectedError,
  fencedUpdate,
  type SqlFragment,
  sqlFragment,
} from "../../src/index.ts";

/**
 * What only the leader may do: here, count. It stands for whatever must not be done by two: sending the invoices,
 * feeding a queue, moving a robot. It is a row that remembers the largest fence it has seen, because no lease can stop a
 * former leader that was paused from acting late.
 */
export interface Duty extends Disposable {
  /** The first act of a leader: from here on, the ones before can do no more. */
  claim(grant: Fenced): void;
  /**
   * Counts one further.
   *
   * @throws FenceRejectedError when a later leader was here.
   */
  perform(grant: Fenced, leader: string): void;
  /** How far it has come. */
  count(): number;
  /** Who counted, under which fence, in order. */
  audit(): readonly Deed[];
}

/** Once further, by somebody. */
export interface Deed {
  readonly leader: string;
  readonly fence: number;
}

const schema = `
  CREATE TABLE IF NOT EXISTS duty (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, fence INTEGER);
  CREATE TABLE IF NOT EXISTS deeds (id INTEGER PRIMARY KEY, leader TEXT NOT NULL, fence INTEGER NOT NULL);
  INSERT OR IGNORE INTO duty (id, count) VALUES (1, 0);`;

/** Opens the file of the duty; makes it if it is missing. */
export function openDuty(path: string): Duty {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL");
  database.exec(schema);

  const write = (grant: Fenced, set: Record<string, SqlFragment>): void => {
    const { text, parameters, look, outcome } = fencedUpdate(grant, { table: "duty", key: { id: 1 }, set });
    const { changes } = database.prepare(text).run(...(parameters as number[]));
    const rows = changes === 0 ? database.prepare(look.text).all(...(look.parameters as number[])) : [];
    const became = outcome(changes, rows);
    if (became !== "written") throw new Error(`the row of the duty is ${became}`);
  };
  return {
    claim: (grant) => write(grant, {}),
    perform(grant, leader) {
      database.exec("BEGIN IMMEDIATE");
      try {
        write(grant, { count: sqlFragment`count + ${1}` });
        database.prepare("INSERT INTO deeds (leader, fence) VALUES (?, ?)").run(leader, grant.fence);
        database.exec("COMMIT");
      } catch (error) {
        database.exec("ROLLBACK");
        throw error;
      }
    },
    count: () => Number(database.prepare("SELECT count FROM duty").get()?.count),
    audit: () =>
      database
        .prepare("SELECT leader, fence FROM deeds ORDER BY id")
        .all()
        .map(({ leader, fence }) => ({ leader: String(leader), fence: Number(fence) })),
    [Symbol.dispose]: () => database.close(),
  };
}

/** Whether a late act of a leader with this fence is refused, without doing any harm if it is not. */
export function refuses(duty: Duty, fence: number): boolean {
  try {
    duty.claim({ fence });
    return false;
  } catch (error) {
    if (error instanceof FenceRejectedError) return true;
    throw error;
  }
}
