import { basename } from "node:path";
import { Command, Option } from "commander";
import { memoryBackend } from "../backends/memory/index.ts";
import { systemRuntime } from "../core/runtime.ts";
import { AbortedError, createCoordinator, type Grant, LeaseLostError } from "../index.ts";
import { acquireLock } from "./acquire-lock.ts";
import { exitCodeOfSignal } from "./command-process.ts";
import { formatDuration, parseDurationOption } from "./duration-option.ts";
import { exitCodes, exitCodesHelp } from "./exit-codes.ts";
import { CommandFailure, failureOf, usageError } from "./failure.ts";
import type { CliContext } from "./program.ts";
import { createReporter, type Reporter, type VerbosityOptions } from "./reporter.ts";
import { runUnderGrant } from "./run-under-grant.ts";
import { routeSignals, type SignalRouter } from "./signal-router.ts";
import {
  addStoreOptions,
  connectToStore,
  findStore,
  type Store,
  type StoreOptions,
  withoutCredentials,
} from "./store-option.ts";
import { isTerminal } from "./terminal.ts";

interface LockCommandOptions extends StoreOptions, VerbosityOptions {
  readonly wait?: string;
  readonly try?: true;
  readonly ttl: string;
  readonly grace?: string;
  readonly foreground?: boolean;
}

/** Everything that was asked for, checked. */
interface LockRequest {
  readonly name: string;
  readonly command: readonly string[];
  readonly store: Store;
  readonly waitMs: number;
  readonly isTry: boolean;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly foreground: boolean;
}

const help = `
The command gets LEASEHOLD_NAME and LEASEHOLD_FENCE, a number that is larger for
every later holder: a resource that refuses smaller ones is safe even from a
holder that was paused and woke up late. It also gets LEASEHOLD_URL, so that
leasehold inside it uses the same store.

The lock is renewed while the command runs, and released when it has ended, with
all that it left running in its process group. If the lock cannot be renewed,
the command gets SIGTERM, and after --grace, before anybody else can get the
lock, SIGKILL. If leasehold itself is killed with SIGKILL, nobody is left to
stop the command: the lock becomes free after --ttl, and the command goes on.

Examples:
  leasehold lock nightly -- ./backup.sh --all      wait, then run
  leasehold lock nightly --try -- ./backup.sh      only if nobody else does it
  leasehold lock deploy --wait 10m -- make deploy  give up after ten minutes
  leasehold lock deploy -u nats://10.0.0.5:4222/locks -- make deploy
  leasehold lock deploy -- sh -c 'echo "fence $LEASEHOLD_FENCE"'`;

/** `leasehold lock NAME -- COMMAND`: runs a program while a lock is held. */
export function lockCommand(context: CliContext): Command {
  const command = new Command("lock")
    .summary("run a command while holding a lock")
    .description(
      "Runs a command while holding a lock: at most one at a time, on all machines that use the store.",
    )
    .usage("[options] NAME -- COMMAND [ARGUMENT...]")
    .argument("[name]", "the lock: any text of 1 to 1,024 bytes")
    .addOption(
      new Option(
        "-w, --wait <duration>",
        "give up with exit code 75 after this time (default: wait for ever)",
      ),
    )
    .addOption(
      new Option("-t, --try", "give up with exit code 75 at once when somebody holds it").conflicts("wait"),
    )
    .addOption(
      new Option("--ttl <duration>", "how long the lock outlives a holder that died").default("15s", "15s"),
    )
    .option(
      "--grace <duration>",
      "time between SIGTERM and SIGKILL when the lease cannot be renewed; at most half of --ttl (default: a third " +
        "of --ttl, at most 5s)",
    )
    .option(
      "--foreground",
      "keep the command in the process group of the terminal, for prompts and Ctrl-C (default: when stdin is a " +
        "terminal)",
    )
    .option(
      "--no-foreground",
      "give the command a session of its own, so that signals reach all that it starts",
    );
  addStoreOptions(command)
    .addOption(new Option("-q, --quiet", "print errors only").conflicts("verbose"))
    .option("-v, --verbose", "print every step, also where stderr is no terminal")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `${help}\n${exitCodesHelp}`);
  return command.action(async (name: string | undefined) => {
    const options = command.opts<LockCommandOptions>();
    const request = checkRequest(name, command.args.slice(1), options, context);
    context.exitWith(await lockAndRun(request, createReporter(options), context.environment));
  });
}

function checkRequest(
  name: string | undefined,
  excess: readonly string[],
  options: LockCommandOptions,
  { command, environment }: CliContext,
): LockRequest {
  const form = "leasehold lock NAME -- COMMAND [ARGUMENT...]";
  if (name === undefined) throw usageError(`lock needs a name: ${form}`);
  if (excess.length > 0 || command === undefined) {
    const example = [JSON.stringify(name), "--", ...(excess.length > 0 ? excess : ["COMMAND"])].join(" ");
    throw usageError(`lock needs -- between the name and the command, as in: leasehold lock ${example}`);
  }
  if (command.length === 0 || command[0] === "") throw usageError(`lock needs a command after --: ${form}`);
  const ttlMs = parseDurationOption("--ttl", options.ttl, { minMs: 100, maxMs: 86_400_000 });
  const store = findStore(options, environment);
  checkNames(name, store);
  return {
    name,
    command,
    store,
    ttlMs,
    waitMs:
      options.wait === undefined ? Number.POSITIVE_INFINITY : parseDurationOption("--wait", options.wait),
    isTry: options.try === true,
    graceMs: parseGrace(options.grace, ttlMs),
    foreground: options.foreground ?? isTerminal("stdin"),
  };
}

/** Reads `--grace`. More than half would ask the command to stop when one renewal is late. */
export function parseGrace(text: string | undefined, ttlMs: number): number {
  if (text === undefined) return Math.min(5_000, ttlMs / 3);
  const graceMs = parseDurationOption("--grace", text);
  if (graceMs <= ttlMs / 2) return graceMs;
  throw usageError(
    `--grace must be at most half of --ttl, which is ${formatDuration(ttlMs / 2)} here, because a lease that is ` +
      `renewed in time has never less left; got ${text}`,
  );
}

/** Finds out about illegal names before any server is asked. */
function checkNames(name: string, { namespace }: Store): void {
  createCoordinator(memoryBackend(), namespace === undefined ? {} : { namespace }).lock(name);
}

async function lockAndRun(
  request: LockRequest,
  reporter: Reporter,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  using signals = routeSignals();
  try {
    await using coordinator = await untilInterrupted(
      connectToStore(request.store, { ttl: request.ttlMs }),
      signals,
    );
    const title = `lock ${JSON.stringify(request.name)}`;
    const isNested = environment.LEASEHOLD_NAME === request.name;
    const grant = await acquireLock({
      lock: coordinator.lock(request.name),
      title,
      waitMs: request.waitMs,
      isTry: request.isTry,
      signal: signals.interrupted,
      parentFence: isNested ? environment.LEASEHOLD_FENCE : undefined,
      metadata: { command: basename(request.command[0] ?? "").slice(0, 100) },
      reporter,
      runtime: systemRuntime,
    });
    reporter.detail(`holding ${title}, fence ${grant.fence}, in ${withoutCredentials(request.store.url)}`);
    return await runAndRelease(grant, title, request, { reporter, signals, environment });
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.notAcquired) {
      reporter.notice(error.message);
      return error.exitCode;
    }
    if (signals.interruptedBy === undefined || !(error instanceof AbortedError)) throw error;
    return exitCodeOfSignal(signals.interruptedBy);
  }
}

/** A connection that does not come about must not make the program deaf. */
export async function untilInterrupted<R>(pending: Promise<R>, signals: SignalRouter): Promise<R> {
  const { promise, reject } = Promise.withResolvers<never>();
  const interrupt = (): void => reject(new AbortedError("interrupted"));
  signals.interrupted.addEventListener("abort", interrupt, { once: true });
  try {
    return await Promise.race([pending, promise]);
  } finally {
    signals.interrupted.removeEventListener("abort", interrupt);
  }
}

async function runAndRelease(
  grant: Grant,
  title: string,
  request: LockRequest,
  tools: {
    readonly reporter: Reporter;
    readonly signals: SignalRouter;
    readonly environment: NodeJS.ProcessEnv;
  },
): Promise<number> {
  const { reporter, signals } = tools;
  try {
    if (signals.interruptedBy !== undefined) return exitCodeOfSignal(signals.interruptedBy);
    return await runUnderGrant({
      grant,
      title,
      command: request.command,
      environment: { ...tools.environment, ...request.store.environment },
      graceMs: request.graceMs,
      foreground: request.foreground,
      signals,
      reporter,
    });
  } finally {
    await release(grant, title, reporter);
  }
}

/** The command has ended already, so nothing that goes wrong here changes how the program ends. */
async function release(grant: Grant, title: string, reporter: Reporter): Promise<void> {
  try {
    await grant.release();
    reporter.detail(`released ${title}`);
  } catch (error) {
    // A loss was told when it happened.
    if (error instanceof LeaseLostError) return;
    reporter.notice(
      `${title} is not released and stays held until its lease ends: ${failureOf(error, {}).message}`,
    );
  }
}
