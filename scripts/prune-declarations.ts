/**
 * Deletes from `dist` the type declarations that no subpath of the package leads to: nobody can import them, and they are
 * a good part of what everybody would download.
 */
import { globSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string | { readonly types: string }>;
};
const entries = Object.values(manifest.exports).flatMap((target) =>
  typeof target === "string" ? [] : [normalize(target.types)],
);
const relativeImport = /(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g;

const reached = new Set<string>();
const waiting = [...entries];
for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
  if (reached.has(file)) continue;
  reached.add(file);
  // A declaration that is missing here throws: the package would be broken.
  for (const [, specifier = ""] of readFileSync(join(root, file), "utf8").matchAll(relativeImport)) {
    waiting.push(join(dirname(file), specifier.replace(/\.[jt]s$/, ".d.ts")));
  }
}
for (const file of globSync("dist/**/*.d.ts", { cwd: root })) {
  if (!reached.has(normalize(file))) rmSync(join(root, file));
}
