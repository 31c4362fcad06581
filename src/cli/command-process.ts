import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { type Runtime, sleep } from "../core/runtime.ts";
import { exitCodes } from "./exit-codes.ts";
import { CommandFailure } from "./failure.ts";
import { isGroupAlive, sendSignal, withDescendants } from "./process-group.ts";

/** What {@link startCommand} needs. */
export interface CommandOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /**
   * The command stays in the process group of this process, where the keys of the terminal reach it. Otherwise it
   * leads a session and a group of its own, so that signals reach all that it starts.
   */
  readonly foreground: boolean;
  readonly runtime: Runtime;
  /** What the command prints goes to {@link CommandProcess.output}. */
  readonly pipesOutput?: boolean;
}

/** A command that runs. */
export interface CommandProcess {
  /** Resolves when the command runs. Rejects with a CommandFailure (127, 126) when it cannot. */
  readonly started: Promise<void>;
  /** Sends a signal to the command; to its whole group if it has one. */
  signal(signal: NodeJS.Signals): void;
  /** As {@link CommandProcess.signal}, and in the foreground also to all that the command started. */
  signalAll(signal: NodeJS.Signals): void;
  /** What it prints; ends when nobody is left who could print. `null`: it prints where this process does. */
  readonly output: AsyncIterable<Uint8Array> | null;
  /** Resolves with the exit code, when the command itself has ended. */
  readonly ended: Promise<number>;
  /** Resolves when nobody is left in its group either. */
  allEnded(): Promise<void>;
  /** Whether somebody is left in its group after its own end. */
  hasLeftovers(): boolean;
}

/**
 * Starts a command with the standard streams of this process. It is killed when this process ends first, in every
 * way in which a process can still do something.
 *
 * Answers in the same turn of the event loop, so that no signal can come between the start and the one who passes
 * signals on.
 */
export function startCommand(options: CommandOptions): CommandProcess {
  const [program = "", ...args] = options.command;
  const hasGroup = !options.foreground && process.platform !== "win32";
  const child = launch(program, args, { ...options, hasGroup });
  const { pid: id } = child;
  const started = once(child, "spawn").then(
    () => undefined,
    (error: unknown) => {
      process.removeListener("exit", killAtExit);
      throw startFailure(program, error);
    },
  );
  const ended = new Promise<number>((resolve) => {
    child.once("exit", (code, signal) => resolve(exitCodeOf(code, signal)));
  });
  let isOver = false;
  const running: CommandProcess = {
    started,
    ended,
    output: child.stdout,
    signal(signal) {
      if (id === undefined) return;
      if (hasGroup) sendSignal(-id, signal);
      // Through the handle: it knows when the process has ended and its number may belong to another.
      else child.kill(signal);
    },
    signalAll(signal) {
      if (id === undefined || hasGroup || child.exitCode !== null || child.signalCode !== null)
        return running.signal(signal);
      if (process.platform === "win32") return running.signal(signal);
      // Stopped first, so that it starts nobody while it is looked at.
      if (signal === "SIGKILL") child.kill("SIGSTOP");
      for (const each of withDescendants(id)) sendSignal(each, signal);
    },
    hasLeftovers: () => hasGroup && id !== undefined && isGroupAlive(id),
    async allEnded() {
      await ended;
      for (let pauseMs = 20; running.hasLeftovers(); pauseMs = Math.min(500, pauseMs * 1.5)) {
        await sleep(options.runtime, pauseMs, { holdsProcessOpen: true });
      }
      isOver = true;
      process.removeListener("exit", killAtExit);
    },
  };
  const killAtExit = (): void => {
    if (!isOver) running.signalAll("SIGKILL");
  };
  process.once("exit", killAtExit);
  return running;
}

function launch(
  program: string,
  args: readonly string[],
  { environment, hasGroup, pipesOutput }: CommandOptions & { readonly hasGroup: boolean },
): ChildProcess {
  try {
    const stdout = pipesOutput === true ? "pipe" : "inherit";
    return spawn(program, args, {
      stdio: ["inherit", stdout, "inherit"],
      env: environment,
      detached: hasGroup,
    });
  } catch (error) {
    // What Node refuses by itself, such as a NUL in an argument.
    throw startFailure(program, error);
  }
}

function startFailure(program: string, error: unknown): CommandFailure {
  const { code = "unknown error", message } = error as NodeJS.ErrnoException;
  const name = JSON.stringify(program);
  if (code === "ENOENT") {
    return new CommandFailure(
      exitCodes.notFound,
      `the command ${name} was not found; check its spelling and the PATH`,
      { cause: error },
    );
  }
  const why = code === "EACCES" ? "it is not an executable file that you may run (EACCES)" : message;
  return new CommandFailure(exitCodes.notExecutable, `the command ${name} cannot be executed: ${why}`, {
    cause: error,
  });
}

/** As shells have it. */
function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? exitCodeOfSignal(signal ?? "SIGKILL");
}

/** The exit code of a program that a signal ended, as shells have it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}
