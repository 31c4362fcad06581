import { readFileSync } from "node:fs";
import { Command } from "commander";
import { counterCommand } from "./counter-command.ts";
import { electCommand } from "./elect-command.ts";
import { exitCodesHelp } from "./exit-codes.ts";
import { forceReleaseCommand } from "./force-release-command.ts";
import { inspectCommand } from "./inspect-command.ts";
import { kvCommand } from "./kv-command.ts";
import { limitCommand } from "./limit-command.ts";
import { lockCommand } from "./lock-command.ts";
import { lsCommand } from "./ls-command.ts";
import { onceCommand } from "./once-command.ts";
import { provisionCommand } from "./provision-command.ts";
import { semaphoreCommand } from "./semaphore-command.ts";
import { write, writeLine } from "./terminal.ts";
import { watchCommand } from "./watch-command.ts";

/** What every command gets besides its own options and arguments. */
export interface CliContext {
  /** What stands after `--`; `undefined` when there was none. */
  readonly command: readonly string[] | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Called by a command that ends with anything but 0. */
  readonly exitWith: (code: number) => void;
}

const environmentHelp = `
Environment:
  LEASEHOLD_URL        the store, when --url is not given
  LEASEHOLD_NAMESPACE  the namespace, when --namespace is not given
  LEASEHOLD_DEBUG      any text: errors are printed with all that is known of them`;

/** The whole command line. */
export function createProgram(context: CliContext): Command {
  const program = new Command("leasehold")
    .description("Coordinates programs: leased locks with fencing tokens over SQLite, NATS or DynamoDB.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
    .configureOutput({
      writeOut: (text) => write("stdout", text),
      writeErr: (text) => write("stderr", text),
      outputError: (text) =>
        writeLine("stderr", `leasehold: ${text.trim().replace(/^error: |\.$/g, "")}; see --help`),
    })
    .addHelpText("after", `${environmentHelp}\n${exitCodesHelp}`);
  const commands = [
    lockCommand(context),
    semaphoreCommand(context),
    electCommand(context),
    counterCommand(context),
    limitCommand(context),
    kvCommand(context),
    onceCommand(context),
    lsCommand(context),
    inspectCommand(context),
    forceReleaseCommand(context),
    watchCommand(context),
    provisionCommand(context),
  ];
  for (const command of commands) {
    // Words too many are refused by the commands themselves, which know what was probably meant.
    for (const each of [command, ...command.commands])
      each.copyInheritedSettings(program).allowExcessArguments();
    program.addCommand(command);
  }
  return program;
}

function version(): string {
  // The same place from src/cli and from dist/cli.
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
