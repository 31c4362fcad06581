import { basename } from "node:path";
import { Command, Option } from "commander";
import { memoryBackend } from "../backends/memory/index.ts";
import { systemRuntime } from "../core/runtime.ts";
import { AbortedError, type Coordinator, createCoordinator, type Grant, LeaseLostError } from "../index.ts";
import { type Acquirable, acquireLock } from "./acquire-lock.ts";
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

interface HoldCommandOptions extends StoreOptions, VerbosityOptions {
  readonly wait?: string;
  readonly try?: true;
  readonly ttl: string;
  readonly grace?: string;
  readonly foreground?: boolean;
}

/** Everything that was asked for, checked. */
interface HoldRequest {
  readonly word: string;
  readonly name: string;
  readonly acquirable: (coordinator: Coordinator, name: string) => Acquirable;
  readonly command: readonly string[];
  readonly store: Store;
  readonly waitMs: number;
  readonly isTry: boolean;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly foreground: boolean;
}

/** What is held while the command runs, and how it is asked for. */
export interface HoldKind {
  readonly word: string;
  readonly summary: string;
  readonly description: string;
  /** What the name names, in the list of arguments. */
  readonly argument: string;
  /** What stands at the end of the help page, before the exit codes. */
  readonly help: string;
  /** Options that only this kind has. */
  readonly options: readonly Option[];
  /**
   * How it is asked for, with its own options as they were given. Finds out about those that make no sense before any
   * server is asked.
   */
  prepare(given: Readonly<Record<string, unknown>>): (coordinator: Coordinator, name: string) => Acquirable;
}

/** `leasehold WORD NAME -- COMMAND`: runs a program while something is held. */
export function holdCommand(kind: HoldKind, context: CliContext): Command {
  const command = new Command(kind.word)
    .summary(kind.summary)
    .description(kind.description)
    .usage("[options] NAME -- COMMAND [ARGUMENT...]")
    .argument("[name]", kind.argument)
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
      new Option("--ttl <duration>", "how long the lease outlives a holder that died").default("15s", "15s"),
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
  for (const option of kind.options) command.addOption(option);
  addStoreOptions(command)
    .addOption(new Option("-q, --quiet", "print errors only").conflicts("verbose"))
    .option("-v, --verbose", "print every step, also where stderr is no terminal")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `${kind.help}\n${exitCodesHelp}`);
  return command.action(async (name: string | undefined) => {
    const options = command.opts<HoldCommandOptions>();
    const request = checkRequest(kind, name, command.args.slice(1), options, context);
    context.exitWith(await holdAndRun(request, createReporter(options), context.environment));
  });
}

function checkRequest(
  kind: HoldKind,
  name: string | undefined,
  excess: readonly string[],
  options: HoldCommandOptions,
  { command, environment }: CliContext,
): HoldRequest {
  const { word } = kind;
  const form = `leasehold ${word} NAME -- COMMAND [ARGUMENT...]`;
  if (name === undefined) throw usageError(`${word} needs a name: ${form}`);
  if (excess.length > 0 || command === undefined) {
    const example = [JSON.stringify(name), "--", ...(excess.length > 0 ? excess : ["COMMAND"])].join(" ");
    throw usageError(
      `${word} needs -- between the name and the command, as in: leasehold ${word} ${example}`,
    );
  }
  if (command.length === 0 || command[0] === "")
    throw usageError(`${word} needs a command after --: ${form}`);
  const ttlMs = parseDurationOption("--ttl", options.ttl, { minMs: 100, maxMs: 86_400_000 });
  const store = findStore(options, environment);
  const acquirable = kind.prepare({ ...options });
  // Finds out about illegal names before any server is asked.
  const namespace = store.namespace === undefined ? {} : { namespace: store.namespace };
  acquirable(createCoordinator(memoryBackend(), namespace), name);
  return {
    word,
    name,
    acquirable,
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

async function holdAndRun(
  request: HoldRequest,
  reporter: Reporter,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  using signals = routeSignals();
  try {
    await using coordinator = await untilInterrupted(
      connectToStore(request.store, { ttl: request.ttlMs }),
      signals,
    );
    const title = `${request.word} ${JSON.stringify(request.name)}`;
    const isNested = environment.LEASEHOLD_NAME === request.name;
    const grant = await acquireLock({
      lock: request.acquirable(coordinator, request.name),
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
  request: HoldRequest,
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
