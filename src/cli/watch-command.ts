import { Command } from "commander";
import { sleep, systemRuntime } from "../core/runtime.ts";
import { type Coordinator, type Inspection, LeaseholdError } from "../index.ts";
import {
  type AdministrationCommandOptions,
  addAdministrationOptions,
  singleArgument,
  withStore,
} from "./administration-command.ts";
import { exitCodeOfSignal } from "./command-process.ts";
import { inspectionTable, isInUse, moment } from "./describe-inspection.ts";
import { parseDurationOption } from "./duration-option.ts";
import { compareSnapshots, type Snapshot } from "./inspection-changes.ts";
import { print } from "./output.ts";
import type { CliContext } from "./program.ts";
import { routeSignals } from "./signal-router.ts";
import { isTerminal, writeLine } from "./terminal.ts";

interface WatchCommandOptions extends AdministrationCommandOptions {
  readonly interval: string;
}

const help = `
On a terminal the table is drawn anew whenever something changed; elsewhere each
change is a line. With --json each change is a line of JSON: at, change
(appeared, changed, gone) and inspection. It ends with Ctrl-C.

Each look reads everything that is chosen: on DynamoDB without --kind that is a
scan of the whole table, which costs money.

Examples:
  leasehold watch
  leasehold watch invoice- --kind lock --interval 500ms
  leasehold watch --json | jq -c .inspection.name`;

const clearScreen = "\u001b[H\u001b[2J\u001b[3J";

/** `leasehold watch [PREFIX]`: shows what is held, as it changes. */
export function watchCommand(context: CliContext): Command {
  const command = new Command("watch")
    .summary("show what is held as it changes")
    .description("Shows what is held and waited for, as it changes.")
    .usage("[options] [PREFIX]")
    .argument("[prefix]", "what names begin with")
    .option("-i, --interval <duration>", "the time between two looks", "2s");
  addAdministrationOptions(command, "all of them", "print a line of JSON for each change");
  command.addHelpText("after", help);
  return command.action(async () => {
    const prefix = singleArgument(command, context);
    const options = command.opts<WatchCommandOptions>();
    const intervalMs = parseDurationOption("--interval", options.interval, { minMs: 100, maxMs: 86_400_000 });
    using signals = routeSignals();
    await withStore(options, context, (coordinator) =>
      watch(coordinator, { ...options, prefix, intervalMs, signal: signals.interrupted }),
    );
    if (signals.interruptedBy !== undefined) context.exitWith(exitCodeOfSignal(signals.interruptedBy));
  });
}

interface WatchRequest extends WatchCommandOptions {
  readonly prefix: string | undefined;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Until the signal, or nobody reads it any more. The first look must succeed; later ones are tried again. */
async function watch(coordinator: Coordinator, request: WatchRequest): Promise<void> {
  let seen: Snapshot | undefined;
  let told = "";
  while (!request.signal.aborted) {
    try {
      const { snapshot, damage } = await look(coordinator, request);
      told = tellOnce(told, damage);
      if (!(await show(seen, snapshot, request))) return;
      seen = snapshot;
    } catch (error) {
      if (seen === undefined || !(error instanceof LeaseholdError)) throw error;
      told = tellOnce(told, error.message);
    }
    const pause = { holdsProcessOpen: true, signal: request.signal };
    await sleep(systemRuntime, request.intervalMs, pause);
  }
}

async function look(
  coordinator: Coordinator,
  { prefix, kind }: WatchRequest,
): Promise<{ readonly snapshot: Snapshot; readonly damage: string }> {
  const snapshot = new Map<string, Inspection>();
  try {
    for await (const inspection of coordinator.list(prefix, kind && { kind })) {
      if (isInUse(inspection)) snapshot.set(`${inspection.kind} ${inspection.name}`, inspection);
    }
  } catch (error) {
    // Everything else was listed.
    if (!(error instanceof LeaseholdError) || error.code !== "CORRUPT_RECORD") throw error;
    return { snapshot, damage: error.message };
  }
  return { snapshot, damage: "" };
}

/** Answers whether anybody still reads it. */
async function show(
  seen: Snapshot | undefined,
  snapshot: Snapshot,
  { json }: WatchRequest,
): Promise<boolean> {
  const changes = compareSnapshots(seen ?? new Map(), snapshot);
  const at = new Date(systemRuntime.wallMs());
  if (json === true) {
    return print(changes.map((each) => `${JSON.stringify({ at, ...each })}\n`).join(""));
  }
  if (changes.length === 0 && seen !== undefined) return true;
  const table = inspectionTable([...snapshot.values()]);
  if (isTerminal("stdout")) return print(`${clearScreen}${moment(at)}\n\n${table}`);
  const time = moment(at);
  const lines = changes.map(({ change, inspection }) => {
    const [, line = ""] = inspectionTable([inspection]).split("\n");
    return `${time}  ${change.padEnd(8)}  ${line}\n`;
  });
  return print(lines.join(""));
}

/** The same trouble is told once, until it is over. */
function tellOnce(told: string, trouble: string): string {
  if (trouble !== "" && trouble !== told) writeLine("stderr", `leasehold: ${trouble}`);
  return trouble;
}
