import type { Command } from "commander";
import { holdCommand } from "./hold-command.ts";
import type { CliContext } from "./program.ts";

const help = `
The command gets LEASEHOLD_NAME and LEASEHOLD_FENCE, a number that is larger for
every later holder: a resource that refuses smaller ones is safe even from a
holder that was paused and woke up late. It also gets LEASEHOLD_URL, so that
leasehold inside it uses the same store.

The lock is renewed while the command runs, and released when it has ended, with
all that it left running in its process group. If the lock cannot be renewed,
the command gets SIGTERM, and after --grace, before anybody else can get the
lock, SIGKILL. If leasehold itself is killed with SIGKILL, nobody is left to
stop the command: the lock becomes free after --ttl, and the command goes on.

Examples:
  leasehold lock nightly -- ./backup.sh --all      wait, then run
  leasehold lock nightly --try -- ./backup.sh      only if nobody else does it
  leasehold lock deploy --wait 10m -- make deploy  give up after ten minutes
  leasehold lock deploy -u nats://10.0.0.5:4222/locks -- make deploy
  leasehold lock deploy -- sh -c 'echo "fence $LEASEHOLD_FENCE"'`;

/** `leasehold lock NAME -- COMMAND`: runs a program while a lock is held. */
export function lockCommand(context: CliContext): Command {
  return holdCommand(
    {
      word: "lock",
      summary: "run a command while holding a lock",
      description:
        "Runs a command while holding a lock: at most one at a time, on all machines that use the store.",
      argument: "the lock: any text of 1 to 1,024 bytes",
      help,
      options: [],
      prepare: () => (coordinator, name) => coordinator.lock(name),
    },
    context,
  );
}
