import { type Command, Option } from "commander";
import { usageError } from "./failure.ts";
import { holdCommand } from "./hold-command.ts";
import type { CliContext } from "./program.ts";

const help = `
The number of permits stands in the store and counts for everybody. Whoever
comes first sets it with --permits; who comes with another number is refused
with exit code 64. Without --permits it is the one that was set.

The command gets LEASEHOLD_NAME, LEASEHOLD_FENCE and LEASEHOLD_URL, and its
permits are renewed, released and lost as a lock is: see leasehold lock --help.

Examples:
  leasehold semaphore downloads --permits 3 -- ./download.sh
  leasehold semaphore downloads --take 2 --wait 10m -- ./download-all.sh`;

/** `leasehold semaphore NAME --permits 3 -- COMMAND`: runs a program while it has permits. */
export function semaphoreCommand(context: CliContext): Command {
  return holdCommand(
    {
      word: "semaphore",
      summary: "run a command while holding permits of a semaphore",
      description:
        "Runs a command while holding permits of a semaphore: so many at a time, on all machines that use the store.",
      argument: "the semaphore: any text of 1 to 1,024 bytes",
      help,
      options: [
        new Option("-p, --permits <number>", "how many permits there are (default: as many as were set)"),
        new Option("--take <number>", "how many of them to take").default("1", "1"),
      ],
      prepare({ permits: all, take }) {
        const permits = all === undefined ? undefined : parseCount("--permits", all);
        const taken = parseCount("--take", take);
        if (permits !== undefined && taken > permits) {
          throw usageError(`--take must be at most --permits, which is ${permits}; got ${taken}`);
        }
        return (coordinator, name) => {
          const semaphore = coordinator.semaphore(name, permits === undefined ? {} : { permits });
          return {
            acquire: (options) => semaphore.acquire({ ...options, permits: taken }),
            tryAcquire: (options) => semaphore.tryAcquire({ ...options, permits: taken }),
            inspect: () => semaphore.inspect(),
          };
        };
      },
    },
    context,
  );
}

function parseCount(option: string, text: unknown): number {
  const count = typeof text === "string" && /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 1_000_000) return count;
  throw usageError(`${option} must be a whole number from 1 to 1000000; got ${JSON.stringify(text)}`);
}
