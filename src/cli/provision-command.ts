import { Command } from "commander";
import { usageError } from "./failure.ts";
import type { CliContext } from "./program.ts";
import { addProvisionDynamodb } from "./provision-dynamodb.ts";
import { addProvisionNats } from "./provision-nats.ts";

/** `leasehold provision STORE`: makes what a store needs, or prints what others need to make it. */
export function provisionCommand(context: CliContext): Command {
  const command = new Command("provision")
    .summary("make a table or a bucket, or print what makes it")
    .description(
      "Makes the table or the bucket, or looks whether the one that is there will do; or prints what others need to " +
        "make it, and who may use it.",
    )
    .helpOption("-h, --help", "print this help");
  addProvisionDynamodb(command, context);
  addProvisionNats(command, context);
  return command.action(() => {
    const [store] = command.args;
    const got = store === undefined ? "" : `; got ${JSON.stringify(store)}`;
    throw usageError(`provision needs a store, dynamodb or nats${got}. See leasehold provision --help`);
  });
}
