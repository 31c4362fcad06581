import { Command } from "commander";
import { systemRuntime } from "../core/runtime.ts";
import { AbortedError, bytesCodec, LimitExceededError, type OnceOptions, type OnceRun } from "../index.ts";
import { exitCodeOfSignal, startCommand } from "./command-process.ts";
import { parseDurationOption, parseLifetimeOption } from "./duration-option.ts";
import { exitCodes, exitCodesHelp } from "./exit-codes.ts";
import { CommandFailure, usageError } from "./failure.ts";
import { untilInterrupted } from "./hold-command.ts";
import { print } from "./output.ts";
import type { CliContext } from "./program.ts";
import { keyboardSignals, routeSignals, type SignalRouter } from "./signal-router.ts";
import { addStoreOptions, connectToStore, findStore, type StoreOptions } from "./store-option.ts";
import { isTerminal } from "./terminal.ts";

interface OnceCommandOptions extends StoreOptions {
  readonly wait?: string;
  readonly keep?: string;
  readonly fingerprint?: string;
}

const outputBytesMax = 8 * 1_048_576;

const help = `
A run counts when it ends with 0: its standard output is stored, and printed for everybody
who comes later. One that fails ends with its own code, and the next one runs anew; so does
one whose machine died, and LEASEHOLD_ATTEMPT tells the command that it is not the first.

Examples:
  leasehold once migrate-42 -- ./migrate.sh 42
  token=$(leasehold once token --keep 1h -- ./fetch-token.sh)
  leasehold once invoice-7 --fingerprint "$(sha256sum < 7.json)" -- ./charge.sh 7.json`;

/** `leasehold once KEY -- COMMAND`: runs a command unless it ran to success before. */
export function onceCommand(context: CliContext): Command {
  const command = new Command("once")
    .summary("run a command unless it ran to success before")
    .description(
      "Runs a command unless it ran to success before, on any machine; prints what it printed then.",
    )
    .usage("[options] KEY -- COMMAND [ARGUMENT...]")
    .argument("[key]", "what is done once")
    .option(
      "-w, --wait <duration>",
      "wait at most this long while somebody else runs it; then 75 (default: as long as it takes)",
    )
    .option(
      "--keep <duration>",
      "how long the result is kept, or forever; then the key is new (default: 24h)",
    )
    .option(
      "--fingerprint <text>",
      "what the key stands for: with another one, the same key is refused with 64",
    );
  addStoreOptions(command)
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `${help}\n${exitCodesHelp}`);
  return command.action(async () => {
    const { key, words } = checkArguments(command.args, context);
    const { wait, keep, fingerprint, ...given } = command.opts<OnceCommandOptions>();
    const limits: OnceOptions<Uint8Array> = {
      ...(wait !== undefined && { wait: parseDurationOption("--wait", wait) }),
      ...(keep !== undefined && {
        retention: parseLifetimeOption("--keep", keep) ?? Number.POSITIVE_INFINITY,
      }),
      ...(fingerprint !== undefined && { fingerprint }),
    };
    const store = findStore(given, context.environment);
    using signals = routeSignals();
    try {
      await using coordinator = await untilInterrupted(connectToStore(store, {}), signals);
      let hasRun = false;
      const work = (run: OnceRun): Promise<Uint8Array> => {
        hasRun = true;
        return runCommand(words, run, { ...context.environment, ...store.environment }, signals);
      };
      const output = await coordinator.once(key, work, {
        ...limits,
        codec: bytesCodec,
        signal: signals.interrupted,
      });
      if (!hasRun) await print(output);
    } catch (error) {
      if (error instanceof LimitExceededError) throw forTheShell(error);
      if (signals.interruptedBy === undefined || !(error instanceof AbortedError)) throw error;
      context.exitWith(exitCodeOfSignal(signals.interruptedBy));
    }
  });
}

/** What the library advises a function, as a command does it. */
function forTheShell(error: LimitExceededError): CommandFailure {
  const message = error.message.replace(/answer where it is$/, "print where it is");
  return new CommandFailure(exitCodes.usage, message, { cause: error });
}

function checkArguments(
  [key, ...excess]: readonly string[],
  { command }: CliContext,
): { readonly key: string; readonly words: readonly string[] } {
  if (key === undefined) throw usageError("once needs a key: leasehold once KEY -- COMMAND");
  if (command === undefined || excess.length > 0) {
    const words = excess.length === 0 ? "COMMAND" : excess.join(" ");
    throw usageError(
      `once needs -- between its options and the command, as in: leasehold once ${JSON.stringify(key)} -- ${words}`,
    );
  }
  if (command.length === 0 || command[0] === "") throw usageError("once needs a command after --");
  return { key, words: command };
}

/** Passes on what the command prints, and answers it. Throws what its end says, so that nothing is stored. */
async function runCommand(
  command: readonly string[],
  { key, fence, attempt, signal }: OnceRun,
  inherited: NodeJS.ProcessEnv,
  signals: SignalRouter,
): Promise<Uint8Array> {
  if (signals.interruptedBy !== undefined) throw new AbortedError("interrupted");
  const isAtTerminal = isTerminal("stdin");
  signals.takeOver((each) => {
    // The terminal has sent it to the whole group already.
    // All that hold its output open are waited for, so all are told.
    if (!(isAtTerminal && keyboardSignals.includes(each))) running.signalAll(each);
  });
  const environment = {
    ...inherited,
    LEASEHOLD_KEY: key,
    LEASEHOLD_FENCE: String(fence),
    LEASEHOLD_ATTEMPT: String(attempt),
  };
  const running = startCommand({
    command,
    environment,
    foreground: true,
    runtime: systemRuntime,
    pipesOutput: true,
  });
  // Whoever takes over may begin at any moment.
  const kill = (): void => running.signalAll("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    await running.started;
    if (signal.aborted) kill();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of running.output ?? []) {
      // What is larger is refused by every store.
      if (size <= outputBytesMax) chunks.push(chunk);
      size += chunk.length;
      await print(chunk);
    }
    const exitCode = await running.ended;
    await running.allEnded();
    if (signal.aborted)
      throw new CommandFailure(
        exitCodes.leaseLost,
        `the lease of once ${JSON.stringify(key)} was lost: killed the command (SIGKILL)`,
      );
    if (exitCode !== 0) throw new CommandFailure(exitCode, "");
    return Buffer.concat(chunks);
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
