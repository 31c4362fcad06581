import { Command } from "commander";
import {
  type AdministrationCommandOptions,
  addAdministrationOptions,
  singleArgument,
  withStore,
} from "./administration-command.ts";
import { inspectionText } from "./describe-inspection.ts";
import { usageError } from "./failure.ts";
import { print, printable } from "./output.ts";
import type { CliContext } from "./program.ts";

/** For those who left out the kind and meant another one. */
const otherKinds = "; what is no lock needs --kind, and leasehold ls --all shows every name";

/** `leasehold inspect NAME`: shows who holds something and who waits for it. */
export function inspectCommand(context: CliContext): Command {
  const command = new Command("inspect")
    .summary("show who holds a lock, who waits, and who took it away")
    .description("Shows who holds a name, who waits for it, and the last forced releases.")
    .usage("[options] NAME")
    .argument("[name]", "the name of the lock, semaphore and so on");
  addAdministrationOptions(command, "lock", "print a JSON object; null when nobody ever asked for it");
  return command.action(async () => {
    const name = singleArgument(command, context);
    if (name === undefined) throw usageError("inspect needs a name: leasehold inspect NAME");
    const options = command.opts<AdministrationCommandOptions>();
    const { kind = "lock", json } = options;
    const inspection = await withStore(options, context, (coordinator) =>
      coordinator.inspect(name, { kind }),
    );
    const text =
      inspection === null
        ? `${printable(`${kind} ${JSON.stringify(name)}: nobody ever asked for it, or not for a week`)}${
            options.kind === undefined ? otherKinds : ""
          }\n`
        : inspectionText(inspection);
    await print(json === true ? `${JSON.stringify(inspection, null, 2)}\n` : text);
  });
}
