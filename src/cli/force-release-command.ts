import { Command } from "commander";
import {
  type AdministrationCommandOptions,
  addAdministrationOptions,
  singleArgument,
  withStore,
} from "./administration-command.ts";
import { usageError } from "./failure.ts";
import { print, printable } from "./output.ts";
import type { CliContext } from "./program.ts";

interface ForceReleaseCommandOptions extends AdministrationCommandOptions {
  readonly reason?: string;
  readonly fence?: string;
  readonly ask?: true;
}

const help = `
The holder is told: its work is stopped within a third of its lease, if it lives.
Until then, and for as long as it is stopped or cut off, two may work at the same
time, and only the fence tells them apart. A command that runs under
"leasehold lock" is killed. With --ask nothing is taken: a program that listens
for it may give up by itself, and "leasehold lock" does not listen.

Examples:
  leasehold force-release deploy --reason "stuck since noon"
  leasehold force-release reindex --ask --reason "a deploy waits for it"`;

/** `leasehold force-release NAME`: takes a name from whoever holds it. */
export function forceReleaseCommand(context: CliContext): Command {
  const command = new Command("force-release")
    .summary("take a lock from whoever holds it")
    .description("Takes a name from those who hold it, tells them why, and lets the next in line in.")
    .usage("[options] NAME --reason TEXT")
    .argument("[name]", "the name of the lock, semaphore and so on")
    .option("-r, --reason <text>", "why: for the holder, and for whoever inspects it later")
    .option("--fence <number>", "only from the holder with this fence")
    .option("--ask", "only ask the holder to give it back");
  addAdministrationOptions(command, "lock", "print a JSON object").addHelpText("after", help);
  return command.action(async () => {
    const name = singleArgument(command, context);
    const form = "leasehold force-release NAME --reason TEXT";
    if (name === undefined) throw usageError(`force-release needs a name: ${form}`);
    const options = command.opts<ForceReleaseCommandOptions>();
    const { kind = "lock", reason, ask } = options;
    if (reason === undefined) throw usageError(`force-release needs a reason: ${form}`);
    const how = { kind, reason, ...(options.fence !== undefined && { fence: parseFence(options.fence) }) };
    const wasHeld = await withStore(options, context, (coordinator) =>
      ask === true ? coordinator.requestRevoke(name, how) : coordinator.forceRelease(name, how),
    );
    const title = `${kind} ${JSON.stringify(name)}`;
    const done = ask === true ? `asked the holder of ${title}` : `released ${title}`;
    const text = printable(wasHeld ? done : `nobody holds ${title}`);
    const answer = ask === true ? { kind, name, asked: wasHeld } : { kind, name, released: wasHeld };
    await print(`${options.json === true ? JSON.stringify(answer) : text}\n`);
  });
}

function parseFence(text: string): number {
  const fence = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(fence) && fence > 0) return fence;
  throw usageError(`--fence must be the fence of a holder, as inspect shows it; got ${JSON.stringify(text)}`);
}
