import { Command } from "commander";
import { CorruptRecordError, type Inspection } from "../index.ts";
import {
  type AdministrationCommandOptions,
  addAdministrationOptions,
  singleArgument,
  withStore,
} from "./administration-command.ts";
import { inspectionTable, isInUse } from "./describe-inspection.ts";
import { print } from "./output.ts";
import type { CliContext } from "./program.ts";

interface LsCommandOptions extends AdministrationCommandOptions {
  readonly all?: true;
}

const help = `
Examples:
  leasehold ls                       everything that is held or waited for
  leasehold ls invoice-              whose name begins with invoice-
  leasehold ls -k semaphore --json   for programs: an array`;

/** `leasehold ls [PREFIX]`: shows what is held. */
export function lsCommand(context: CliContext): Command {
  const command = new Command("ls")
    .summary("list what is held")
    .description("Lists what is held and waited for, by whom and since when.")
    .usage("[options] [PREFIX]")
    .argument("[prefix]", "what names begin with")
    .option("-a, --all", "also what nobody holds now");
  addAdministrationOptions(command, "all of them", "print a JSON array").addHelpText("after", help);
  return command.action(async () => {
    const prefix = singleArgument(command, context);
    const options = command.opts<LsCommandOptions>();
    await withStore(options, context, async (coordinator) => {
      const found: Inspection[] = [];
      let damage: CorruptRecordError | undefined;
      try {
        for await (const inspection of coordinator.list(prefix, options.kind && { kind: options.kind })) {
          if (options.all === true || isInUse(inspection)) found.push(inspection);
        }
      } catch (error) {
        if (!(error instanceof CorruptRecordError)) throw error;
        damage = error;
      }
      await print(options.json === true ? `${JSON.stringify(found, null, 2)}\n` : inspectionTable(found));
      // Everything else was listed.
      if (damage !== undefined) throw damage;
    });
  });
}
