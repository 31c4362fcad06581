import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";

const sources = new URL("../../../src/", import.meta.url);

/** The source of a file with the bug in it. */
export function mutate({ name, file, find, replace }: Mutant): string {
  const source = readFileSync(new URL(file, sources), "utf8");
  const places = source.split(find).length - 1;
  if (places !== 1) {
    throw new Error(
      `mutant ${JSON.stringify(name)}: expected its text once in src/${file}, found it ${places} times`,
    );
  }
  return source.replace(find, () => replace);
}

/**
 * From now on this thread loads the file with the bug in it. Nothing is written: the bug lives in the loader of a
 * thread that only tests start, and cannot get into the package.
 */
export function plant(mutant: Mutant): void {
  const url = new URL(mutant.file, sources).href;
  const source = mutate(mutant);
  registerHooks({
    load: (loaded, context, nextLoad) =>
      loaded === url
        ? { format: "module-typescript", source, shortCircuit: true }
        : nextLoad(loaded, context),
  });
}

/** Where a mutant's file is. */
export function pathOf(mutant: Mutant): string {
  return fileURLToPath(new URL(mutant.file, sources));
}
