// Goal: code that is typed for the lock manager of a browser takes coordinator.lockManager, without any change.
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { root } from "../package/sources.ts";

const fits = `
import type { Coordinator } from "./src/index.ts";
declare const coordinator: Coordinator;
const standard: LockManager = coordinator.lockManager;
async function user(locks: LockManager, options: LockOptions): Promise<void> {
  const mode: LockMode | undefined = await locks.request("report", options, async (lock) => lock?.mode);
  const granted: LockGrantedCallback<string> = (lock: Lock | null) => lock?.name ?? String(mode);
  const name: string = await locks.request("report", granted);
  const { held = [], pending = [] }: LockManagerSnapshot = await locks.query();
  const infos: LockInfo[] = [...held, ...pending];
  infos.push({ name });
}
void user(coordinator.lockManager, { mode: "shared", signal: AbortSignal.timeout(5) });
const granted: LockGrantedCallback<void> = (lock) => console.log(lock?.name);
const options: LockOptions = { ifAvailable: true };
void coordinator.lockManager.request("report", options, granted);
void standard;
`;

const fitsNot = `
import type { Coordinator } from "./src/index.ts";
declare const coordinator: Coordinator;
const count: Promise<number> = coordinator.lockManager.request("report", async (lock) => lock?.name);
void count;
`;

/** What is wrong with a module that stands in the root of the repository and knows a browser's types. */
function diagnose(text: string): readonly string[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  options.lib = [...(options.lib ?? []), "lib.dom.d.ts"];
  const path = join(root, "types-of-a-browser.ts");
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (asked) => asked === path || fileExists(asked);
  host.readFile = (asked) => (asked === path ? text : readFile(asked));
  host.getSourceFile = (asked, target, ...rest) =>
    asked === path ? ts.createSourceFile(path, text, target, true) : getSourceFile(asked, target, ...rest);
  const program = ts.createProgram([path], options, host);
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(path))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

test("a browser's types fit, in both directions", () => {
  expect(diagnose(fits)).toEqual([]);
});

test("the result has the type of what the callback answers", () => {
  expect(diagnose(fitsNot)).toHaveLength(1);
});
