import { Command, Option } from "commander";
import { memoryBackend } from "../backends/memory/index.ts";
import { systemRuntime } from "../core/runtime.ts";
import {
  AbortedError,
  createCoordinator,
  type Decision,
  type RateLimiter,
  type RateLimiterOptions,
} from "../index.ts";
import { exitCodeOfSignal, startCommand } from "./command-process.ts";
import { formatDuration, parseDurationOption } from "./duration-option.ts";
import { exitCodes, exitCodesHelp } from "./exit-codes.ts";
import { CommandFailure, usageError } from "./failure.ts";
import { untilInterrupted } from "./hold-command.ts";
import { formatTable, print, printable } from "./output.ts";
import type { CliContext } from "./program.ts";
import { parseRates, type RateOptions } from "./rate-option.ts";
import { createReporter, type Reporter, type VerbosityOptions } from "./reporter.ts";
import { keyboardSignals, routeSignals, type SignalRouter } from "./signal-router.ts";
import { addStoreOptions, connectToStore, findStore, type Store, type StoreOptions } from "./store-option.ts";
import { isTerminal } from "./terminal.ts";

interface LimitCommandOptions extends StoreOptions, RateOptions, VerbosityOptions {
  readonly key: string;
  readonly cost: string;
  readonly wait?: string;
  readonly peek?: true;
  readonly block?: string;
  readonly reset?: true;
  readonly json?: true;
}

/** Everything that was asked for, checked. */
interface LimitRequest {
  readonly name: string;
  readonly key: string;
  readonly cost: number;
  readonly waitMs: number;
  /** For how long everything is to be denied. */
  readonly blockMs: number | undefined;
  readonly action: "take" | "peek" | "block" | "reset";
  readonly limiterOptions: RateLimiterOptions;
  readonly command: readonly string[] | undefined;
  readonly store: Store;
}

/** For how long the store may be silent: a person and a script rather wait than hear that it is away. */
const timeoutMs = 10_000;
const waitMaxMs = 366 * 86_400_000;

const help = `
Forms:
  leasehold limit NAME --rate 10/1m -- COMMAND    run COMMAND if the limit admits it
  leasehold limit NAME --rate 10/1m               take, and print what was decided
  leasehold limit NAME --rate 10/1m --peek        print how it stands; takes nothing
  leasehold limit NAME --rate 10/1m --block 5m    deny everything for this long
  leasehold limit NAME --rate 10/1m --reset       as if never used, and not blocked

A denial takes nothing, says on stderr when to come again, and ends with 75. Give a limit
the same rates every time: what is used stands under each rate.

Examples:
  leasehold limit mails --rate 10/1m --rate 1000/day -- ./send-mail.sh
  leasehold limit api --key "$USER" --rate 100/1h --cost 5 --wait 30s -- ./report.sh
  leasehold limit logins --key 198.51.100.7 --rate 5/15m --json`;

/** `leasehold limit NAME --rate 10/1m -- COMMAND`: runs a program as often as a limit admits. */
export function limitCommand(context: CliContext): Command {
  const command = new Command("limit")
    .summary("run a command as often as a limit admits")
    .description("Runs a command if a rate limit that programs on many machines share admits it.")
    .usage("[options] NAME --rate 10/1m [-- COMMAND [ARGUMENT...]]")
    .argument("[name]", "the name of the limit")
    .addOption(
      new Option(
        "-r, --rate <rate>",
        "how many in which time: 10/1m, or 1000/day for each minute, hour, day, week or month of the calendar; " +
          "several rates have to admit it together",
      ).argParser((rate: string, before: readonly string[] = []) => [...before, rate]),
    )
    .option("-k, --key <key>", "of whom or what: each key has the limit to itself", "default")
    .option("-c, --cost <number>", "how much is taken", "1")
    .option("-w, --wait <duration>", "wait at most this long until it is admitted (default: not at all)")
    .option("--algorithm <name>", "token-bucket, fixed-window or sliding-window (default: token-bucket)")
    .option("--burst <number>", "the most that a token bucket admits at once (default: the limit)")
    .option("--time-zone <name>", "whose calendar, as Europe/Berlin (default: UTC)")
    .addOption(new Option("--peek", "take nothing; print how it stands, and end with 75 if it would deny"))
    .addOption(new Option("--block <duration>", "deny everything for this long").conflicts("peek"))
    .addOption(new Option("--reset", "as if the key had never been used").conflicts(["peek", "block"]))
    .option("--json", "print a JSON object")
    .addOption(new Option("-q, --quiet", "print errors only").conflicts("verbose"))
    .option("-v, --verbose", "tell of a wait, also where stderr is no terminal");
  addStoreOptions(command)
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `${help}\n${exitCodesHelp}`);
  return command.action(async () => {
    const options = command.opts<LimitCommandOptions>();
    const request = checkRequest(command.args, options, context);
    await checkBeforehand(request);
    const reporter = createReporter(options);
    using signals = routeSignals();
    try {
      const decision = await decide(request, signals, reporter);
      context.exitWith(await act(request, decision, options, { signals, reporter, context }));
    } catch (error) {
      if (signals.interruptedBy === undefined || !(error instanceof AbortedError)) throw error;
      context.exitWith(exitCodeOfSignal(signals.interruptedBy));
    }
  });
}

function checkRequest(
  [name, ...excess]: readonly string[],
  options: LimitCommandOptions,
  { command, environment }: CliContext,
): LimitRequest {
  if (name === undefined) throw usageError("limit needs a name: leasehold limit NAME --rate 10/1m");
  if (excess.length > 0) {
    throw usageError(
      `limit needs -- between its options and the command, as in: leasehold limit ${JSON.stringify(name)} ` +
        `--rate 10/1m -- ${excess.join(" ")}`,
    );
  }
  if (command?.length === 0 || command?.[0] === "") throw usageError("limit needs a command after --");
  const action = actionOf(options);
  if (command !== undefined && action !== "take") {
    throw usageError(`--${action} runs no command; leave -- out`);
  }
  if (command !== undefined && options.json === true) {
    throw usageError("--json prints the decision, and a command's output is its own: leave one of them out");
  }
  if (options.wait !== undefined && action !== "take") throw usageError(`--${action} does not wait`);
  return {
    ...{ name, key: options.key, action, command },
    cost: parseCost(options.cost),
    waitMs:
      options.wait === undefined ? 0 : parseDurationOption("--wait", options.wait, { maxMs: waitMaxMs }),
    blockMs:
      options.block === undefined
        ? undefined
        : parseDurationOption("--block", options.block, { minMs: 1, maxMs: waitMaxMs }),
    // Of a command that ends at once, nothing is kept in advance.
    limiterOptions: { policies: parseRates(options), mode: "exact", timeout: timeoutMs },
    store: findStore(options, environment),
  };
}

function actionOf({ peek, block, reset }: LimitCommandOptions): LimitRequest["action"] {
  if (peek === true) return "peek";
  if (block !== undefined) return "block";
  return reset === true ? "reset" : "take";
}

function parseCost(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw usageError(`--cost must be a whole number from 0 to 2^40; got ${JSON.stringify(text)}`);
}

/** Finds out about what can never be, before any server is asked. */
async function checkBeforehand({ name, key, cost, limiterOptions, store }: LimitRequest): Promise<void> {
  const namespace = store.namespace === undefined ? {} : { namespace: store.namespace };
  await using nowhere = createCoordinator(memoryBackend(), namespace);
  const { allowed, policy, limit } = await nowhere.rateLimiter(name, limiterOptions).peek(key, { cost });
  if (allowed) return;
  throw usageError(
    `--cost ${cost} is never admitted: ${policy} admits ${limit} at once; raise the limit or its --burst, or cost less`,
  );
}

async function decide(request: LimitRequest, signals: SignalRouter, reporter: Reporter): Promise<Decision> {
  const { name, key, cost, action, store } = request;
  // Who only looks creates nothing.
  const connecting = connectToStore(store, { setup: action !== "peek" });
  await using coordinator = await untilInterrupted(connecting, signals);
  const limiter = coordinator.rateLimiter(name, request.limiterOptions);
  if (action !== "take") return await untilInterrupted(look(limiter, request), signals);
  const signal = signals.interrupted;
  let decision = await limiter.take(key, { cost, signal });
  const waitMs = decision.degraded ? null : decision.retryAfterMs;
  if (!decision.allowed && waitMs !== null && waitMs <= request.waitMs) {
    reporter.progress(`waiting for ${titleOf(request)}, for about ${formatWait(waitMs)}`);
    decision = await limiter.take(key, { cost, wait: request.waitMs, signal });
  }
  if (!decision.degraded) return decision;
  throw new CommandFailure(
    exitCodes.unavailable,
    `${titleOf(request)} is not decided: the store did not answer within ${formatDuration(timeoutMs)}; it may have been ` +
      "taken from the limit all the same",
  );
}

async function look(limiter: RateLimiter, { key, cost, action, blockMs }: LimitRequest): Promise<Decision> {
  if (action === "block" && blockMs !== undefined) await limiter.block(key, blockMs);
  if (action === "reset") await limiter.reset(key);
  return limiter.peek(key, { cost });
}

/** Runs the command or tells of the decision; answers the exit code. */
async function act(
  request: LimitRequest,
  decision: Decision,
  { json, quiet }: LimitCommandOptions,
  tools: { readonly signals: SignalRouter; readonly reporter: Reporter; readonly context: CliContext },
): Promise<number> {
  const { name, key, action, command, store } = request;
  const isDenied = !decision.allowed && (action === "take" || action === "peek");
  if (json === true) await print(`${JSON.stringify({ name, key, ...decision })}\n`);
  else if (action !== "take") await print(table(decision));
  else if (isDenied) tools.reporter.notice(denialOf(request, decision));
  else if (command !== undefined) {
    return run(command, { ...tools.context.environment, ...store.environment }, tools.signals);
  } else if (quiet !== true) await print(`${allowanceOf(decision)}\n`);
  return isDenied ? exitCodes.notAcquired : exitCodes.ok;
}

/** Nothing is held any more, so the command is as one that a shell had started: it stays in this process group. */
async function run(
  command: readonly string[],
  environment: NodeJS.ProcessEnv,
  signals: SignalRouter,
): Promise<number> {
  if (signals.interruptedBy !== undefined) return exitCodeOfSignal(signals.interruptedBy);
  const isAtTerminal = isTerminal("stdin");
  signals.takeOver((signal) => {
    // The terminal has sent it to the whole group already.
    if (!(isAtTerminal && keyboardSignals.includes(signal))) running.signal(signal);
  });
  const running = startCommand({ command, environment, foreground: true, runtime: systemRuntime });
  await running.started;
  return running.ended;
}

function titleOf({ name, key }: LimitRequest): string {
  return printable(`limit ${JSON.stringify(name)}, key ${JSON.stringify(key)}`);
}

function denialOf(request: LimitRequest, { policy, retryAfterMs }: Decision): string {
  const why = policy === "block" ? "is blocked" : `is denied by ${printable(policy)}`;
  return `${titleOf(request)} ${why}; come again in ${formatWait(retryAfterMs ?? 0)}`;
}

function allowanceOf({ policy, limit, remaining }: Decision): string {
  return printable(`allowed; ${remaining} of ${limit} left (${policy})`);
}

function table(decision: Decision): string {
  const rows = decision.policies.map(({ policy, limit, remaining, resetMs }) => [
    ...[policy, String(limit), String(remaining)],
    resetMs === 0 ? "now" : `in ${formatWait(resetMs)}`,
  ]);
  const isBlocked = decision.policy === "block" && !decision.allowed;
  const block = ["block", "", "0", `in ${formatWait(decision.retryAfterMs ?? 0)}`];
  return formatTable(["POLICY", "LIMIT", "LEFT", "WHOLE AGAIN"], isBlocked ? [block, ...rows] : rows);
}

/** Rounded up, so that nobody comes early; the few milliseconds that a clock leaves open do not count for that. */
export function formatWait(ms: number): string {
  const stepMs = ([86_400_000, 3_600_000, 60_000, 1_000].find((unitMs) => ms >= unitMs) ?? 10) / 10;
  return formatDuration(Math.ceil(ms / stepMs - 0.01) * stepMs);
}
