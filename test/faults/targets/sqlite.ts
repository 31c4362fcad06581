import { join } from "node:path";
import type { Target } from "./target.ts";

/** The name of the file in its folder. */
export const sqliteFile = "store.db";

/** A SQLite file in a folder, whose files go with the folder. */
export function sqliteTarget(folder: string): Target {
  return {
    description: `SQLite, Node ${process.version}`,
    url: `sqlite:${encodeURI(join(folder, sqliteFile))}`,
    urlAt() {
      throw new Error("a SQLite file is not reached over a port");
    },
    server: undefined,
    async [Symbol.asyncDispose]() {
      await Promise.resolve();
    },
  };
}
