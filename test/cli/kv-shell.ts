import { execFile } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { CliProcess, Place } from "./cli-process.ts";

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** How a shell script ended. */
export interface ShellResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a shell script in which `leasehold` is the command line. Its standard input is empty. */
export function runShell({ folder, environment }: Place, script: string): Promise<ShellResult> {
  const setup = `leasehold() { "$NODE" --disable-warning=ExperimentalWarning "$PROGRAM" "$@"; }`;
  const env = { ...environment, NODE: process.execPath, PROGRAM: program };
  return new Promise((resolve) => {
    const options = { cwd: folder, env, encoding: "buffer" } as const;
    const child = execFile("sh", ["-c", `${setup}\n${script}`], options, (error, stdout, stderr) => {
      resolve({ exitCode: Number(error?.code ?? 0), stdout, stderr: String(stderr) });
    });
    child.stdin?.end();
  });
}

/** What it printed, if it ended well and complained of nothing; else all that it said. */
export async function printed(place: Place, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await runShell(place, script);
  return exitCode === 0 && stderr === "" ? String(stdout) : `${stdout}${stderr}exit ${exitCode}\n`;
}

/** The lines of a running program, one after the other. */
export function linesOf({ child }: CliProcess): () => Promise<string> {
  if (child.stdout === null) throw new Error("its output is piped");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => String((await lines.next()).value);
}
