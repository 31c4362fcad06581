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
  const command = await startCommand({ command: options.command, environment, foreground, runtime });
  let isStopped = false;
  const watch = watchLease({
    grant,
    graceMs: options.graceMs,
    runtime,
    onEnding(remainingMs) {
      isStopped = true;
      command.signalAll("SIGTERM");
      reporter.alarm(
        `${title} was not renewed and ends in ${formatDuration(remainingMs)}: asked the command to stop (SIGTERM)`,
      );
    },
    onOver() {
      isStopped = true;
      command.signalAll("SIGKILL");
      reporter.alarm(`${title} is lost: killed the command (SIGKILL): ${lossOf(grant)}`);
    },
  });
  signals.takeOver((signal) => {
    // The terminal has sent it to the whole group already.
    if (!(foreground && keyboardSignals.includes(signal))) command.signal(signal);
  });
  const unfollow = followSuspension(command, foreground, () => watch.check());
  const cancelNotice = await afterCommand(command, title, reporter);
  await command.allEnded();
  cancelNotice();
  unfollow();
  watch.check();
  watch.stop();
  return isStopped ? exitCodes.leaseLost : command.ended;
}

async function afterCommand(command: CommandProcess, title: string, reporter: Reporter): Promise<() => void> {
  await command.ended;
  return systemRuntime.schedule(leftoversNoticeMs, () =>
    reporter.notice(
      `the command has ended, but processes that it started go on; ${title} is kept until they end`,
    ),
  );
}

function lossOf(grant: Grant): string {
  const reason: unknown = grant.signal.reason;
  if (!(reason instanceof Error)) return "";
  const [what = ""] = reason.message.replace(/^lease lost: /, "").split(". ");
  return reason.cause instanceof Error ? `${what}; the store: ${reason.cause.message}` : what;
}

/**
 * Makes a stop by the keyboard (Ctrl-Z) and its end one for this process and the command: a command that went on
 * while this process stands still would run past its lease.
 */
function followSuspension(command: CommandProcess, foreground: boolean, check: () => void): () => void {
  if (process.platform === "win32") return () => undefined;
  const suspend = (): void => {
    command.signal("SIGSTOP");
    process.kill(process.pid, "SIGSTOP");
  };
  const resume = (): void => {
    // First whether it may go on at all.
    check();
    if (!foreground) command.signal("SIGCONT");
  };
  // In the foreground the terminal stops both.
  if (!foreground) process.on("SIGTSTP", suspend);
  process.on("SIGCONT", resume);
  return () => {
    process.removeListener("SIGTSTP", suspend);
    process.removeListener("SIGCONT", resume);
  };
}
