import { systemRuntime } from "../core/runtime.ts";
import type { Grant } from "../index.ts";
import { type CommandProcess, startCommand } from "./command-process.ts";
import { formatDuration } from "./duration-option.ts";
import { exitCodes } from "./exit-codes.ts";
import { watchLease } from "./lease-watch.ts";
import type { Reporter } from "./reporter.ts";
import { keyboardSignals, type SignalRouter } from "./signal-router.ts";

/** What {@link runUnderGrant} needs. */
export interface RunUnderGrantOptions {
  readonly grant: Grant;
  /** What is held, for messages: `lock "deploy"`. */
  readonly title: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Given to the command; `LEASEHOLD_FENCE` and `LEASEHOLD_NAME` are added. */
  readonly environment: NodeJS.ProcessEnv;
  /** How long before the end of the lease the command is asked to stop. */
  readonly graceMs: number;
  /** The command stays in this process group, at the terminal. */
  readonly foreground: boolean;
  readonly signals: SignalRouter;
  readonly reporter: Reporter;
}

/** What a command left running is waited for without a word for this long. */
const leftoversNoticeMs = 1_000;

/**
 * Runs a command as long as a grant lasts, and answers when it and all that it left in its process group have
 * ended. The grant is not released: that is the caller's.
 *
 * The command gets SIGTERM when less than the grace is left of the lease, because renewals fail, and SIGKILL before
 * the deadline, or at once when the lease is found lost. Signals that reach this process are passed on.
 *
 * @returns the command's exit code, 128+N when a signal ended it, or 76 when it was stopped or the lease was lost.
 * @throws CommandFailure (126, 127) when the command cannot be started.
 */
export async function runUnderGrant(options: RunUnderGrantOptions): Promise<number> {
  const { grant, title, reporter, signals, foreground } = options;
  const runtime = systemRuntime;
  const environment = {
    ...options.environment,
    LEASEHOLD_NAME: grant.name,
    LEASEHOLD_FENCE: String(grant.fence),
  };
  let isStopped = false;
  const stop = (signal: "SIGTERM" | "SIGKILL", message: string): void => {
    isStopped = true;
    command.signalAll(signal);
    reporter.alarm(message);
  };
  // Everything is in place within one turn of the event loop: no signal is lost, and no time of the lease unwatched.
  signals.takeOver((signal) => {
    // The terminal has sent it to the whole group already.
    if (!(foreground && keyboardSignals.includes(signal))) command.signal(signal);
  });
  using _suspension = followSuspension(
    (signal) => command.signal(signal),
    foreground,
    () => watch.check(),
  );
  const command = startCommand({ command: options.command, environment, foreground, runtime });
  const watch = watchLease({
    grant,
    graceMs: options.graceMs,
    runtime,
    onEnding: (remainingMs) =>
      stop(
        "SIGTERM",
        `${title} was not renewed and ends in ${formatDuration(remainingMs)}: asked the command to stop (SIGTERM)`,
      ),
    onOver: () => stop("SIGKILL", `${title} is lost: killed the command (SIGKILL): ${lossOf(grant)}`),
  });
  try {
    await command.started;
    await untilEnded(command, title, reporter);
    watch.check();
  } finally {
    watch.stop();
  }
  const exitCode = await command.ended;
  reporter.detail(`the command ended with exit code ${exitCode}`);
  return isStopped ? exitCodes.leaseLost : exitCode;
}

/** Waits for the command and what it left running, with a word about that. */
async function untilEnded(command: CommandProcess, title: string, reporter: Reporter): Promise<void> {
  await command.ended;
  const cancelNotice = systemRuntime.schedule(leftoversNoticeMs, () =>
    reporter.notice(
      `the command has ended, but processes that it started go on; ${title} is kept until they end`,
    ),
  );
  await command.allEnded();
  cancelNotice();
}

function lossOf(grant: Grant): string {
  const reason: unknown = grant.signal.reason;
  // The kill comes a little before the deadline, and so before the signal.
  if (!(reason instanceof Error)) return "its lease was not renewed in time";
  const [what = ""] = reason.message.replace(/^lease lost: /, "").split(". ");
  return reason.cause instanceof Error ? `${what}; the store: ${reason.cause.message}` : what;
}

/**
 * Makes a stop by the keyboard (Ctrl-Z) and its end one for this process and the command: a command that went on
 * while this process stands still would run past its lease.
 */
function followSuspension(
  send: (signal: NodeJS.Signals) => void,
  foreground: boolean,
  check: () => void,
): Disposable {
  if (process.platform === "win32") return { [Symbol.dispose]: () => undefined };
  const suspend = (): void => {
    send("SIGSTOP");
    process.kill(process.pid, "SIGSTOP");
  };
  const resume = (): void => {
    // First whether it may go on at all.
    check();
    if (!foreground) send("SIGCONT");
  };
  // In the foreground the terminal stops both.
  if (!foreground) process.on("SIGTSTP", suspend);
  process.on("SIGCONT", resume);
  return {
    [Symbol.dispose]() {
      process.removeListener("SIGTSTP", suspend);
      process.removeListener("SIGCONT", resume);
    },
  };
}
