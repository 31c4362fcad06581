// Goal: the rules of CONTRIBUTING.md are held by this file and not by memory.
import { basename } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { glob, nodesOf, parse, place, textOf, trackedFiles } from "./sources.ts";

const linesMax = 300;
/** A test file tells many small stories; it may be a little longer. */
const testLinesMax = 400;
const code = "{src,test,scripts,bench,examples}/**/*.ts";

/** Where the outside world may be touched. */
const runtimes = [
  "src/core/runtime.ts",
  "src/testing/virtual-runtime.ts",
  "src/testing/simulation/virtual-time.ts",
];
/** Hashing is not randomness. */
const hashing = ["src/core/names.ts"];

const bannedGlobals = [
  "globalThis",
  "performance",
  "crypto",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "clearImmediate",
];
const bannedMembers = ["Date.now", "Math.random", "AbortSignal.timeout", "process.hrtime", "process.uptime"];
const bannedModules = /^(node:)?(crypto|timers|timers\/promises|perf_hooks)$/;

test("only the runtime touches clocks, timers and randomness", () => {
  const violations = glob("src/**/*.ts")
    .filter((path) => !runtimes.includes(path))
    .flatMap((path) => [...nodesOf(parse(path))].filter((node) => isBanned(node, path)).map(place));
  expect(violations).toEqual([]);
});

function isBanned(node: ts.Node, path: string): boolean {
  if (ts.isIdentifier(node) && bannedGlobals.includes(node.text)) return !isMemberName(node);
  if (ts.isPropertyAccessExpression(node)) return bannedMembers.includes(node.getText());
  if (ts.isNewExpression(node)) return node.getText() === "new Date()" || node.getText() === "new Date";
  if (!ts.isImportDeclaration(node)) return false;
  const specifier = (node.moduleSpecifier as ts.StringLiteral).text;
  const names = node.importClause?.getText() ?? "";
  if (specifier === "node:os") return /\buptime\b/.test(names);
  return bannedModules.test(specifier) && !(hashing.includes(path) && names === "{ createHash }");
}

/** `options.crypto`, `{ crypto: 1 }`: a name of the author's own. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent);
}

test("an error that is caught leads to a decision", () => {
  const violations = glob(code).flatMap((path) =>
    [...nodesOf(parse(path))]
      .filter((node) => ts.isCatchClause(node) && !/[^{}\s]/.test(node.block.getText()))
      .map(place),
  );
  expect(violations).toEqual([]);
});

test("every name that a module exports is written down in it", () => {
  const violations = glob(code).flatMap((path) =>
    [...nodesOf(parse(path))]
      .filter((node) => ts.isExportDeclaration(node) && node.exportClause === undefined)
      .map(place),
  );
  expect(violations).toEqual([]);
});

test("files are named in kebab case, and for what they hold", () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.config)?\.ts$/;
  const vague = /^(utils?|helpers?|common|misc)\.ts$/;
  const violations = glob(code).filter((path) => !kebab.test(basename(path)) || vague.test(basename(path)));
  expect(violations).toEqual([]);
});

test(`a file has at most ${linesMax} lines, a test file ${testLinesMax}`, () => {
  const violations = glob(code).flatMap((path) => {
    const lines = textOf(path).split("\n").length - 1;
    return lines > (path.endsWith(".test.ts") ? testLinesMax : linesMax) ? [`${path} has ${lines}`] : [];
  });
  expect(violations).toEqual([]);
});

test("a test file opens with its goal", () => {
  const violations = glob("test/**/*.test.ts").filter(
    (path) => !/^(\/\/|\/\*\*?(\s*\*)?) ?Goal: \S/.test(textOf(path)),
  );
  expect(violations).toEqual([]);
});

test("no test is singled out, retried, or skipped without a condition", () => {
  const runners = /^(test|it|describe|suite)$/;
  const violations = glob("test/**/*.ts").flatMap((path) =>
    [...nodesOf(parse(path))]
      .filter((node) => {
        if (ts.isPropertyAssignment(node)) return node.name.getText() === "retry";
        if (!ts.isPropertyAccessExpression(node)) return false;
        return /^(only|skip|todo|fails)$/.test(node.name.text) && runners.test(leftmost(node));
      })
      .map(place),
  );
  expect(violations).toEqual([]);
});

function leftmost(node: ts.Expression): string {
  if (ts.isPropertyAccessExpression(node) || ts.isCallExpression(node)) return leftmost(node.expression);
  return node.getText();
}

test("tests print nothing", () => {
  const violations = glob("test/**/*.test.ts").flatMap((path) =>
    [...nodesOf(parse(path))]
      .filter((node) => ts.isCallExpression(node) && /^console\.\w+$/.test(node.expression.getText()))
      .map(place),
  );
  expect(violations).toEqual([]);
});

test("nothing in the repository points to one machine or one registry", () => {
  // Put together, so that this file does not find itself.
  const machines = ["work", "home/\\w+", "root", "Users/\\w+", "tmp/bash_jobs"].map((path) => `/${path}/`);
  const secrets = ["\\w+:\\w+@[\\w.]+:\\d", `_auth${"Token"}`];
  const hosts = [`registry${"\\."}\\w`, `(debian|ubuntu|npm${"js"}|pypi)\\.(org|com)`];
  const here = `(?<![\\w.:/*@-])(${machines.join("|")})`;
  const pattern = new RegExp([here, ...secrets, ...hosts].join("|"));
  const violations = trackedFiles().flatMap((path) =>
    textOf(path)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
  );
  expect(violations).toEqual([]);
});

interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

test("the lock file names no registry, and holds what other platforms need", () => {
  const text = textOf("package-lock.json");
  expect([...text.matchAll(/"resolved": .*/g)].map(String)).toEqual([]);
  // `npm ci` fails where the lock file was written by an npm that could not see a binary for another platform.
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, LockedPackage>> };
  const wanted = Object.values(packages).flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}));
  const held = Object.keys(packages).map((path) => path.slice(path.lastIndexOf("node_modules/") + 13));
  expect(wanted.filter((name) => !held.includes(name))).toEqual([]);
});
