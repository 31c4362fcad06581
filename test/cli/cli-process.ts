import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { waitUntil } from "../servers/wait-until.ts";

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** How a run of the command line ended. */
export interface CliResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of the command line. */
export interface CliProcess {
  readonly child: ChildProcess;
  /** Resolves when it has ended, even if a command that it started lives on. */
  readonly exited: Promise<unknown>;
  /** Resolves when it has ended, and all it started has closed its output. */
  readonly ended: Promise<CliResult>;
  send(signal: NodeJS.Signals): void;
  /** Resolves when that stands in what it told on stderr. */
  told(words: RegExp): Promise<unknown>;
}

/** A folder for one test: where its store, its files and its processes live. */
export interface Place extends AsyncDisposable {
  readonly folder: string;
  readonly file: (name: string) => string;
  readonly environment: NodeJS.ProcessEnv;
  /** Starts the command line. */
  start(args: readonly string[], environment?: NodeJS.ProcessEnv): CliProcess;
  /** Runs the command line to its end. */
  run(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CliResult>;
  /** Writes a file, for a command that waits for it. */
  write(name: string): void;
  /** Resolves with the text of a file when it has some. */
  written(name: string): Promise<string>;
}

/** Shell code that runs until the folder of the test is gone, so that nothing outlives a test that fails. */
export const forever = 'while [ -e "$FOLDER" ]; do sleep 0.05; done';
/** Shell code that says so in the file `up`, and then runs until the file `go` is there. */
export const untilGo =
  'echo up > "$FOLDER/up"; while [ -e "$FOLDER" ] && [ ! -e "$FOLDER/go" ]; do sleep 0.02; done';
/** The command that a shell script is. */
export const shell = (script: string): readonly string[] => ["--", "sh", "-c", script];

/** Makes a {@link Place} with a store of its own. What still runs at its end is killed. */
export function makePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), "leasehold-cli-"));
  const started: CliProcess[] = [];
  const file = (name: string): string => join(folder, name);
  const inherited = Object.entries(process.env).filter(([name]) => !/^LEASEHOLD_|^XDG_/.test(name));
  const environment = {
    ...Object.fromEntries(inherited),
    LEASEHOLD_URL: `sqlite:${file("store.db")}`,
    FOLDER: folder,
  };
  const start = (args: readonly string[], extra?: NodeJS.ProcessEnv): CliProcess => {
    const running = startCli(args, { ...environment, ...extra }, folder);
    started.push(running);
    return running;
  };
  return {
    folder,
    file,
    environment,
    start,
    run: (args, extra) => start(args, extra).ended,
    write: (name) => writeFileSync(file(name), "written\n"),
    written: (name) =>
      waitUntil(async () => (existsSync(file(name)) && readFileSync(file(name), "utf8")) || null, {
        timeoutMs: 20_000,
        intervalMs: 10,
        what: `${name} to be written`,
      }),
    async [Symbol.asyncDispose]() {
      for (const { child } of started) child.kill("SIGKILL");
      await Promise.all(started.map(({ exited }) => exited));
      rmSync(folder, { recursive: true });
    },
  };
}

function startCli(args: readonly string[], environment: NodeJS.ProcessEnv, cwd: string): CliProcess {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    cwd,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      text[stream] += chunk;
    });
  }
  const ended = once(child, "close").then(
    ([exitCode, signal]) => ({ exitCode, signal, ...text }) as CliResult,
  );
  const told = (words: RegExp): Promise<unknown> =>
    waitUntil(async () => words.test(text.stderr) || null, {
      ...{ timeoutMs: 20_000, intervalMs: 10, what: `${words} to be told` },
    });
  return { child, exited: once(child, "exit"), ended, told, send: (signal) => child.kill(signal) };
}

/** Whether a process can still do something: it exists, and is no zombie. */
export function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux" || !existsSync(`/proc/${id}/stat`)) return process.platform !== "linux";
  return !/\) [ZX] /.test(readFileSync(`/proc/${id}/stat`, "latin1"));
}

/** Resolves when a process has ended. */
export async function gone(id: number): Promise<void> {
  await waitUntil(async () => (isRunning(id) ? null : true), {
    timeoutMs: 20_000,
    intervalMs: 10,
    what: `process ${id} to end`,
  });
}

/** Resolves when a process stands still after a SIGSTOP. */
export async function stopped(id: number): Promise<void> {
  const state = (): string => execFileSync("ps", ["-o", "stat=", "-p", String(id)], { encoding: "utf8" });
  await waitUntil(async () => (state().startsWith("T") ? true : null), {
    timeoutMs: 20_000,
    intervalMs: 20,
    what: `process ${id} to be stopped`,
  });
}
