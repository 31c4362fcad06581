import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";

const serversFolder = import.meta.dirname + sep;

/** Whether a TypeScript file imports this folder, itself or through other files of the repository. */
export function usesServers(file: string, seen: Set<string> = new Set()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  if (file.startsWith(serversFolder)) return true;
  if (!existsSync(file)) return false;
  const text = readFileSync(file, "utf8");
  const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)];
  return imported.some((match) => usesServers(resolve(dirname(file), match[1] ?? ""), seen));
}
