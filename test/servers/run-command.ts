import { execFile } from "node:child_process";

/** Output of a finished command. */
export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end and gives what it printed.
 *
 * @throws Error with the command and the end of its output when it fails or takes longer than `timeoutMs`.
 */
export function runCommand(
  command: readonly [string, ...string[]],
  options: { readonly timeoutMs?: number; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<CommandOutput> {
  const [file, ...args] = command;
  const { timeoutMs = 300_000, cwd, env = process.env } = options;
  return new Promise((resolve, reject) => {
    const settings = { timeout: timeoutMs, cwd, env, maxBuffer: 64 * 1024 * 1024, encoding: "utf8" } as const;
    execFile(file, args, settings, (error, stdout, stderr) => {
      if (error === null) return resolve({ stdout, stderr });
      const tail = `${stdout}\n${stderr}`.trim().split("\n").slice(-8).join("\n");
      const reason = error.killed ? `took longer than ${timeoutMs} ms` : `failed (${error.code})`;
      const shown = command.length <= 6 ? command : [file, "…", ...command.slice(-2)];
      reject(new Error(`${shown.join(" ")} ${reason}:\n${tail || error.message}`, { cause: error }));
    });
  });
}
