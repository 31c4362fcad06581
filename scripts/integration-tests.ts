/** Prints the test files that use real servers, one a line: those whose imports reach `test/servers`. */
import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { usesServers } from "../test/servers/uses-servers.ts";

const root = resolve(import.meta.dirname, "..");
for (const file of globSync("test/**/*.test.ts", { cwd: root }).sort()) {
  if (usesServers(join(root, file))) console.log(file);
}
