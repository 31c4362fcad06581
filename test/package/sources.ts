import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

/** The repository's root. */
export const root = resolve(import.meta.dirname, "../..");

/** Paths relative to the root that match a glob, sorted. */
export function glob(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: root }).sort();
}

/** The files that git tracks, less those that are deleted in the work tree. */
export function trackedFiles(): readonly string[] {
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" });
  return listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
}

/** The text of a file. */
export function textOf(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The syntax tree of a file. */
export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, textOf(path), ts.ScriptTarget.Latest, true);
}

/** Every node below `node`, in order. */
export function* nodesOf(node: ts.Node): Iterable<ts.Node> {
  for (const child of node.getChildren()) {
    yield child;
    yield* nodesOf(child);
  }
}

/** `path:line`, as terminals and editors link it. */
export function place(node: ts.Node): string {
  const file = node.getSourceFile();
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

/** Something that a module imports. */
export interface Import {
  readonly specifier: string;
  /** `import(...)` in code; not `import("...")` in a type, which is as static as any. */
  readonly isDynamic: boolean;
  readonly isTypeOnly: boolean;
  readonly place: string;
}

/** Everything that a module imports or exports from elsewhere, types included. */
export function importsOf(path: string): readonly Import[] {
  const found: Import[] = [];
  for (const node of nodesOf(parse(path))) {
    const specifier = specifierOf(node);
    if (specifier === undefined) continue;
    found.push({
      specifier,
      isDynamic: ts.isCallExpression(node),
      isTypeOnly:
        ts.isImportTypeNode(node) ||
        (ts.isImportDeclaration(node) && node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
        (ts.isExportDeclaration(node) && node.isTypeOnly),
      place: place(node),
    });
  }
  return found;
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return literal(node.argument.literal);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return literal(node.arguments[0]);
  }
  return undefined;
}

function literal(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteral(node) ? node.text : undefined;
}

/** The public subpaths with their source files: `leasehold` and `src/index.ts`, and so on. */
export function entryPoints(): readonly { readonly specifier: string; readonly path: string }[] {
  const manifest = JSON.parse(textOf("package.json")) as {
    exports: Record<string, string | { types: string; default: string }>;
  };
  return Object.entries(manifest.exports).flatMap(([subpath, target]) => {
    if (typeof target === "string") return [];
    const path = target.default.replace("./dist/", "src/").replace(/\.js$/, ".ts");
    return [{ specifier: `leasehold${subpath.slice(1)}`, path }];
  });
}
