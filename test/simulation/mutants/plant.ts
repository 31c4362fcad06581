import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import type { Mutant } from "./mutant.ts";

const sources = new URL("../../../src/", import.meta.url);

/** The files of a mutant by their URLs, with the bug in them. */
export function mutate({ name, edits }: Mutant): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const url = new URL(file, sources);
    const source = files.get(url.href) ?? readFileSync(url, "utf8");
    const places = source.split(find).length - 1;
    if (places !== 1) {
      throw new Error(
        `mutant ${JSON.stringify(name)}: src/${file} must have its text once, and has it ${places} times`,
      );
    }
    files.set(
      url.href,
      source.replace(find, () => replace),
    );
  }
  return files;
}

/**
 * From now on this thread loads the files with the bug in them. Nothing is written: the bug lives in the loader of a
 * thread that only tests start, and cannot get into the package.
 */
export function plant(mutant: Mutant): void {
  const files = mutate(mutant);
  registerHooks({
    load(url, context, nextLoad) {
      const source = files.get(url);
      return source === undefined
        ? nextLoad(url, context)
        : { format: "module-typescript", source, shortCircuit: true };
    },
  });
}
