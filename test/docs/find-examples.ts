import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { glob, root } from "../package/sources.ts";

/** A ```ts block of a page or of a JSDoc comment. */
export interface Example {
  /** `README.md:12`: where its first line stands. */
  readonly place: string;
  readonly code: string;
  /** "```ts no-run: reason" is compiled and not run; "```ts no-check: reason" is neither. */
  readonly exemption?: "no-run" | "no-check";
  /** What each `console.log(...); // expected` must print, by its line in `code`. */
  readonly expected: ReadonlyMap<number, string>;
}

const pages = ["README.md", "CONTRIBUTING.md", "docs/**/*.md"];
const opening = /^(\s*(?:\* )?)```(\w+)(?: (no-run|no-check): \S.*)?\s*$/;
const otherNames = /^(typescript|tsx|js|javascript|mjs)$/;

/** Every example of the documentation. */
export function findExamples(): readonly Example[] {
  return [...pages.flatMap(glob), ...glob("src/**/*.ts")].flatMap(examplesIn);
}

function examplesIn(path: string): readonly Example[] {
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  const examples: Example[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const [, margin = "", language = "", exemption] = opening.exec(lines[index] ?? "") ?? [];
    if (otherNames.test(language)) throw new Error(`${path}:${index + 1}: begin examples with \`\`\`ts`);
    if (language !== "ts") continue;
    const start = index + 1;
    const end = lines.findIndex((line, at) => at >= start && line.trimEnd() === `${margin}\`\`\``);
    if (end < 0) throw new Error(`${path}:${start}: the example does not end`);
    const code = lines.slice(start, end).map((line) => line.slice(margin.length));
    examples.push(makeExample(`${path}:${start + 1}`, code.join("\n"), exemption));
    index = end;
  }
  return examples;
}

function makeExample(place: string, code: string, exemption: string | undefined): Example {
  const example = { place, code, expected: expectedOutput(code) };
  return exemption === "no-run" || exemption === "no-check" ? { ...example, exemption } : example;
}

function expectedOutput(code: string): ReadonlyMap<number, string> {
  const file = ts.createSourceFile("example.ts", code, ts.ScriptTarget.Latest, true);
  const expected = new Map<number, string>();
  const visit = (node: ts.Node): void => {
    ts.forEachChild(node, visit);
    if (!ts.isExpressionStatement(node) || !node.getText().startsWith("console.log(")) return;
    const [comment] = ts.getTrailingCommentRanges(code, node.end) ?? [];
    if (comment === undefined) return;
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    expected.set(line, code.slice(comment.pos + 2, comment.end).trim());
  };
  visit(file);
  return expected;
}
