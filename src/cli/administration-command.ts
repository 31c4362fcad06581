import { userInfo } from "node:os";
import { type Command, Option } from "commander";
import type { Coordinator, RosterKind } from "../index.ts";
import { usageError } from "./failure.ts";
import type { CliContext } from "./program.ts";
import { addStoreOptions, connectToStore, findStore, type StoreOptions } from "./store-option.ts";

/** The options of every command that looks after what others hold. */
export interface AdministrationCommandOptions extends StoreOptions {
  readonly kind?: RosterKind;
  readonly json?: true;
}

const kinds = Object.keys({
  ...{ lock: 1, semaphore: 1, "read-write": 1, "web-lock": 1, election: 1 },
  ...{ group: 1, partition: 1, schedule: 1, barrier: 1, latch: 1, sequence: 1, "worker-id": 1, once: 1 },
} satisfies Record<RosterKind, 1>);

/** Adds the options that all of them have. `defaultKind`: what is meant where none is given. */
export function addAdministrationOptions(command: Command, defaultKind: string, json: string): Command {
  command.addOption(new Option("-k, --kind <kind>", `what it is (default: ${defaultKind})`).choices(kinds));
  return addStoreOptions(command.option("--json", json)).helpOption("-h, --help", "print this help");
}

/** What stands on the command line besides options: at most one argument, and no command. */
export function singleArgument(command: Command, context: CliContext): string | undefined {
  const [argument, ...excess] = command.args;
  if (excess.length > 0) {
    throw usageError(
      `${command.name()} takes one argument; got ${command.args.map((each) => JSON.stringify(each)).join(" ")}. Put a ` +
        "name with spaces in quotes",
    );
  }
  if (context.command !== undefined) throw usageError(`${command.name()} runs no command; leave -- out`);
  return argument;
}

/**
 * Runs something with a coordinator that is closed afterwards. The store must be there: who only looks creates nothing.
 */
export async function withStore<R>(
  options: StoreOptions,
  { environment }: CliContext,
  run: (coordinator: Coordinator) => Promise<R>,
): Promise<R> {
  const clientName = userName();
  const connecting = connectToStore(findStore(options, environment), {
    setup: false,
    ...(clientName !== undefined && { clientName }),
  });
  await using coordinator = await connecting;
  return await run(coordinator);
}

/** For those who ask later who it was. */
function userName(): string | undefined {
  try {
    return userInfo().username || undefined;
  } catch (error) {
    // A container may run under a number that has no name.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}
