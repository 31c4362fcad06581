import { DatabaseSync } from "node:sqlite";

/** The table of a shop: one order under each number, one number for each order. It knows nothing of leasehold. */
export interface OrderTable {
  /** Writes the order under the number, if there is none yet. Answers whose order stands there then. */
  insertIfAbsent(number: number, order: string): string;
  has(order: string): boolean;
  /** All of them, by their numbers. */
  all(): readonly { readonly number: number; readonly name: string }[];
}

/** Opens the table in a file, for any number of processes. */
export function openOrderTable(path: string): OrderTable {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)");
  const insert = database.prepare(
    "INSERT INTO orders (number, name) VALUES (?, ?) ON CONFLICT (number) DO NOTHING",
  );
  const byNumber = database.prepare("SELECT name FROM orders WHERE number = ?");
  const byName = database.prepare("SELECT 1 FROM orders WHERE name = ?");
  const all = database.prepare("SELECT number, name FROM orders ORDER BY number");
  return {
    insertIfAbsent(number, order) {
      insert.run(number, order);
      return String(byNumber.get(number)?.name);
    },
    has: (order) => byName.get(order) !== undefined,
    all: () => all.all().map(({ number, name }) => ({ number: Number(number), name: String(name) })),
  };
}
