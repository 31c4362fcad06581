import { Command, Option } from "commander";
import { memoryBackend } from "../backends/memory/index.ts";
import { systemRuntime } from "../core/runtime.ts";
import {
  AbortedError,
  type Coordinator,
  createCoordinator,
  type Grant,
  type Json,
  LeaseLostError,
} from "../index.ts";
import { type Acquirable, acquireLock } from "./acquire-lock.ts";
import { exitCodeOfSignal } from "./command-process.ts";
import { parseDurationOption } from "./duration-option.ts";
import { exitCodes, exitCodesHelp } from "./exit-codes.ts";
import { CommandFailure, failureOf, usageError } from "./failure.ts";
import { parseGrace, untilInterrupted } from "./hold-command.ts";
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

interface ElectCommandOptions extends StoreOptions, VerbosityOptions {
  readonly wait?: string;
  readonly value?: string;
  readonly identity?: string;
  readonly resume?: true;
  readonly once?: true;
  readonly ttl: string;
  readonly grace?: string;
  readonly foreground?: boolean;
}

/** Everything that was asked for, checked. */
interface ElectRequest {
  readonly name: string;
  readonly command: readonly string[];
  readonly store: Store;
  readonly candidacy: { readonly value?: Json; readonly identity?: string; readonly resume?: boolean };
  readonly waitMs: number;
  readonly isOnce: boolean;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly foreground: boolean;
}

const help = `
The command runs while this candidate leads, and gets LEASEHOLD_NAME,
LEASEHOLD_TERM, a number that is larger for every later leader (LEASEHOLD_FENCE
is the same), LEASEHOLD_IDENTITY, if there is one, and LEASEHOLD_URL.

When the command ends by itself, leasehold resigns and ends with its exit code.
When the lease is lost, the command is stopped, with SIGTERM if there is time
for it and else with SIGKILL, and leasehold campaigns again; with --once it ends
with exit code 76. A signal that asks for an end goes to the command, and
leasehold campaigns no more.

Examples:
  leasehold elect scheduler -- ./scheduler.sh
  leasehold elect scheduler --value 10.0.0.5:8080 -- ./serve.sh
  leasehold elect scheduler --identity node-a --resume -- ./scheduler.sh`;

/** `leasehold elect NAME -- COMMAND`: runs a program while this candidate leads. */
export function electCommand(context: CliContext): Command {
  const command = new Command("elect")
    .summary("run a command while leading")
    .description("Runs a command while leading an election: at most one leads, and the others stand by.")
    .usage("[options] NAME -- COMMAND [ARGUMENT...]")
    .argument("[name]", "the election: any text of 1 to 1,024 bytes")
    .option("--value <json or text>", "published while it leads: JSON, or else taken as text")
    .option("--identity <id>", "under which others can hand over to it: 1 to 256 bytes")
    .option("--resume", "take over at once from what an earlier run left behind under --identity")
    .option("--once", "end with exit code 76 after a loss, instead of campaigning again")
    .option("-w, --wait <duration>", "give up with exit code 75 after this time (default: wait for ever)")
    .addOption(
      new Option("--ttl <duration>", "how long a leader that died is not replaced").default("15s", "15s"),
    )
    .option(
      "--grace <duration>",
      "time between SIGTERM and SIGKILL when the lease cannot be renewed; at most half of --ttl (default: a third " +
        "of --ttl, at most 5s)",
    )
    .option(
      "--foreground",
      "keep the command in the process group of the terminal (default: when stdin is one)",
    )
    .option("--no-foreground", "give the command a session of its own");
  addStoreOptions(command)
    .addOption(new Option("-q, --quiet", "print errors only").conflicts("verbose"))
    .option("-v, --verbose", "print every step, also where stderr is no terminal")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `${help}\n${exitCodesHelp}`);
  return command.action(async (name: string | undefined) => {
    const options = command.opts<ElectCommandOptions>();
    const request = checkRequest(name, command.args.slice(1), options, context);
    context.exitWith(await electAndRun(request, createReporter(options), context.environment));
  });
}

function checkRequest(
  name: string | undefined,
  excess: readonly string[],
  options: ElectCommandOptions,
  { command, environment }: CliContext,
): ElectRequest {
  const form = "leasehold elect NAME -- COMMAND [ARGUMENT...]";
  if (name === undefined) throw usageError(`elect needs a name: ${form}`);
  if (excess.length > 0 || command === undefined) {
    throw usageError(`elect needs -- between the name and the command: ${form}`);
  }
  if (command.length === 0 || command[0] === "") throw usageError(`elect needs a command after --: ${form}`);
  const { value, identity, resume, wait } = options;
  if (resume === true && identity === undefined) {
    throw usageError("--resume needs --identity, by which the earlier run is known");
  }
  const ttlMs = parseDurationOption("--ttl", options.ttl, { minMs: 100, maxMs: 86_400_000 });
  const store = findStore(options, environment);
  const namespace = store.namespace === undefined ? {} : { namespace: store.namespace };
  // Finds out about illegal names before any server is asked.
  createCoordinator(memoryBackend(), namespace).election(name);
  const candidacy = {
    ...(value !== undefined && { value: publishedValue(value) }),
    ...(identity !== undefined && { identity }),
    ...(resume === true && { resume }),
  };
  return {
    ...{ name, command, store, candidacy, ttlMs },
    waitMs: wait === undefined ? Number.POSITIVE_INFINITY : parseDurationOption("--wait", wait),
    isOnce: options.once === true,
    graceMs: parseGrace(options.grace, ttlMs),
    foreground: options.foreground ?? isTerminal("stdin"),
  };
}

/** JSON where it is some, and else the text itself, so that a plain address needs no quotes. */
function publishedValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

async function electAndRun(
  request: ElectRequest,
  reporter: Reporter,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  let signals = routeSignals();
  try {
    await using coordinator = await untilInterrupted(
      connectToStore(request.store, { ttl: request.ttlMs }),
      signals,
    );
    for (;;) {
      const round = { request, reporter, environment, signals };
      const { exitCode, isOver } = await leadOnce(coordinator, round);
      if (isOver) return exitCode;
      reporter.notice(`campaigning again for ${titleOf(request)}`);
      // The next one listens before this one stops: no signal falls in between.
      const next = routeSignals();
      signals[Symbol.dispose]();
      signals = next;
    }
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.notAcquired) {
      reporter.notice(error.message);
      return error.exitCode;
    }
    if (signals.interruptedBy === undefined || !(error instanceof AbortedError)) throw error;
    return exitCodeOfSignal(signals.interruptedBy);
  } finally {
    signals[Symbol.dispose]();
  }
}

/** What one term needs. */
interface Round {
  readonly request: ElectRequest;
  readonly reporter: Reporter;
  readonly environment: NodeJS.ProcessEnv;
  readonly signals: SignalRouter;
}

/** Waits for one term and runs the command in it. `isOver`: it is not to campaign again. */
async function leadOnce(
  coordinator: Coordinator,
  { request, reporter, environment, signals }: Round,
): Promise<{ readonly exitCode: number; readonly isOver: boolean }> {
  const title = titleOf(request);
  const isNested = environment.LEASEHOLD_NAME === request.name;
  const grant = await acquireLock({
    lock: candidateOf(coordinator, request),
    ...{ title, waitMs: request.waitMs, isTry: false, reporter, runtime: systemRuntime, metadata: null },
    signal: signals.interrupted,
    parentFence: isNested ? environment.LEASEHOLD_FENCE : undefined,
  });
  reporter.detail(`leading ${title}, term ${grant.fence}, in ${withoutCredentials(request.store.url)}`);
  const { identity } = request.candidacy;
  let wasStopped = false;
  let isEnding = false;
  let exitCode: number;
  try {
    if (signals.interruptedBy !== undefined) {
      return { exitCode: exitCodeOfSignal(signals.interruptedBy), isOver: true };
    }
    exitCode = await runUnderGrant({
      ...{ grant, title, command: request.command, graceMs: request.graceMs, foreground: request.foreground },
      environment: {
        ...{ ...environment, ...request.store.environment },
        ...{ LEASEHOLD_TERM: String(grant.fence), LEASEHOLD_IDENTITY: identity },
      },
      signals: {
        ...{ interrupted: signals.interrupted, interruptedBy: undefined },
        takeOver: (listener) =>
          signals.takeOver((signal) => {
            isEnding ||= endingSignals.includes(signal);
            listener(signal);
          }),
        [Symbol.dispose]: () => undefined,
      },
      // Alarms tell that the command was stopped; its own exit code may be any.
      reporter: {
        ...reporter,
        alarm(message) {
          wasStopped = true;
          reporter.alarm(message);
        },
      },
    });
  } finally {
    await resign(grant, title, reporter);
  }
  // Only now: while it resigned, a signal may have asked for an end.
  return { exitCode, isOver: !wasStopped || isEnding || request.isOnce };
}

/** Signals after which nobody wants it to go on. */
const endingSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"];

/** The election, for what acquires locks. */
function candidateOf(coordinator: Coordinator, { name, candidacy }: ElectRequest): Acquirable {
  const election = coordinator.election(name);
  const acquire: Acquirable["acquire"] = async ({ wait, signal } = {}) =>
    election.campaign({
      ...candidacy,
      ...(wait !== undefined && { wait }),
      ...(signal !== undefined && { signal }),
    });
  return {
    acquire,
    tryAcquire: async (options) => acquire({ ...options, wait: 0 }),
    inspect: election.inspect,
  };
}

function titleOf({ name }: ElectRequest): string {
  return `election ${JSON.stringify(name)}`;
}

/** The command has ended already, so nothing that goes wrong here changes how the program ends. */
async function resign(grant: Grant, title: string, reporter: Reporter): Promise<void> {
  try {
    await grant.release();
    reporter.detail(`resigned from ${title}`);
  } catch (error) {
    // A loss was told when it happened.
    if (error instanceof LeaseLostError) return;
    reporter.notice(`${title} has no other leader until the lease ends: ${failureOf(error, {}).message}`);
  }
}
