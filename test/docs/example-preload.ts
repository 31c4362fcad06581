/**
 * Loaded before an example: resolves its imports as an installed package would, to the sources, and reports
 * what each `console.log` of it prints, with its line, as JSON on file descriptor 3.
 */
import { writeSync } from "node:fs";
import { registerHooks } from "node:module";
import { format } from "node:util";

const sources = JSON.parse(process.env.LEASEHOLD_EXAMPLE_SOURCES ?? "{}") as Record<string, string>;
const example = process.env.LEASEHOLD_EXAMPLE_FILE ?? "";

registerHooks({
  resolve(specifier, context, nextResolve) {
    // Other packages are the repository's: an example stands in a folder without any.
    const isForeign = context.parentURL === example && /^[@a-z]/.test(specifier);
    return nextResolve(
      sources[specifier] ?? specifier,
      isForeign ? { ...context, parentURL: import.meta.url } : context,
    );
  },
});

const print = console.log;
console.log = (...values: unknown[]): void => {
  const frame = new Error().stack?.split("\n").find((line) => line.includes(example));
  const line = Number(frame?.slice(frame.indexOf(example) + example.length).match(/^:(\d+)/)?.[1]);
  writeSync(3, `${JSON.stringify({ line, text: format(...values) })}\n`);
  print(...values);
};
