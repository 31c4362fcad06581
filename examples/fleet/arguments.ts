import { Command, InvalidArgumentError } from "commander";
import { numberedJobs, readJobs } from "./jobs.ts";

/** What the command line asks for. */
export interface FleetArguments {
  readonly workers: number;
  readonly jobs: readonly string[];
  /** Left out: a SQLite file in a temporary folder. */
  readonly url: string | undefined;
  readonly ttlMs: number;
  readonly jobMs: number;
}

/** The exit code for arguments that cannot be used, as `sysexits.h` has it. */
export const usageExitCode = 64;

/** Reads the command line. Ends the process with a message when it cannot be used. */
export function readArguments(argv: readonly string[]): FleetArguments {
  const command = new Command("npm run demo --")
    .description(
      "A fleet of worker processes shares a list of jobs, each done under its own lock. One worker is killed, " +
        "one is paused past its lease; the others take over.",
    )
    .option("-w, --workers <number>", "worker processes, 2 to 16", numberFrom(2, 16), 4)
    .option(
      "-j, --jobs <file>",
      "file with one job on each line; # begins a comment (default: 24 made-up jobs)",
    )
    .option(
      "-u, --url <url>",
      "the store, such as nats://127.0.0.1:4222/demo or\n'dynamodb://local/demo?endpoint=http://127.0.0.1:8000'\n" +
        "(default: a SQLite file in a temporary folder)",
    )
    .option("--ttl <ms>", "how long a lock outlives its holder, 500 to 60000", numberFrom(500, 60_000), 2_000)
    .option("--job-time <ms>", "how long a job takes on average, 60 to 60000", numberFrom(60, 60_000), 1_000)
    .allowExcessArguments(false)
    .showHelpAfterError("(--help shows what can be said)")
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : usageExitCode))
    .parse(argv);
  const { workers, jobs, url, ttl, jobTime } = command.opts();
  if (process.platform === "win32") command.error("error: Windows cannot pause a process: no SIGSTOP");
  // Each process would have a memory of its own.
  if (url?.startsWith("memory:")) command.error("error: --url memory: cannot be shared by processes");
  return { workers, jobs: jobsOf(command, jobs), url, ttlMs: ttl, jobMs: jobTime };
}

function jobsOf(command: Command, path: string | undefined): readonly string[] {
  try {
    return path === undefined ? numberedJobs(24) : readJobs(path);
  } catch (error) {
    return command.error(`error: ${(error as Error).message}`);
  }
}

function numberFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
