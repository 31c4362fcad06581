import { join } from "node:path";
import type { Target } from "./target.ts";

/** A SQLite file in a folder, whose files go with the folder. */
export function sqliteTarget(folder: string): Target {
  return {
    description: `SQLite, Node ${process.version}`,
    url: `sqlite:${encodeURI(join(folder, "store.db"))}`,
    urlAt() {
      throw new Error("a SQLite file is not reached over a port");
    },
    server: undefined,
    async [Symbol.asyncDispose]() {
      await Promise.resolve();
    },
  };
}
