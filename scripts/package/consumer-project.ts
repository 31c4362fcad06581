import { spawn } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

const programs = resolve(import.meta.dirname, "../../test/package/consumer");
const timeLimitMs = 180_000;

/** An empty project of a user's. */
export interface ConsumerProject {
  readonly folder: string;
  /** Installs packages, by name or path. */
  install(...packages: readonly string[]): Promise<void>;
  /** Runs a program that the project installed, such as `tsc`. Answers what it printed. */
  run(program: string, ...parameters: readonly string[]): Promise<string>;
  /** Runs one of `test/package/consumer` with this Node. */
  runProgram(name: string, ...parameters: readonly string[]): Promise<string>;
}

/** Makes an empty project in `folder`. */
export async function makeConsumerProject(folder: string): Promise<ConsumerProject> {
  await mkdir(folder, { recursive: true });
  const manifest = { name: "consumer", version: "1.0.0", private: true, type: "module" };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  await cp(programs, folder, { recursive: true });
  return {
    folder,
    install: async (...packages) => {
      await runCommand(folder, "npm", [
        "install",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        ...packages,
      ]);
    },
    run: (program, ...parameters) =>
      runCommand(folder, join(folder, "node_modules/.bin", program), parameters),
    runProgram: (name, ...parameters) => runCommand(folder, process.execPath, [`${name}.mjs`, ...parameters]),
  };
}

/**
 * Runs a program to its end.
 *
 * @throws Error with everything that it printed, when it fails or does not end.
 */
export async function runCommand(
  folder: string,
  program: string,
  parameters: readonly string[],
): Promise<string> {
  const child = spawn(program, parameters, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeLimitMs,
    killSignal: "SIGKILL",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const status = await new Promise<string>((ended, failed) => {
    child.once("error", failed);
    child.once("close", (code, signal) => ended(String(code ?? signal)));
  });
  if (status !== "0")
    throw new Error(`${[program, ...parameters].join(" ")} ended with ${status}:\n${output}`);
  return output;
}
