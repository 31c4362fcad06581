import { Command } from "commander";
import type { Coordinator, Counter } from "../index.ts";
import { parseDurationOption } from "./duration-option.ts";
import { exitCodes } from "./exit-codes.ts";
import { CommandFailure, usageError } from "./failure.ts";
import { print, printable } from "./output.ts";
import type { CliContext } from "./program.ts";
import { addStoreOptions, connectToStore, findStore, type StoreOptions } from "./store-option.ts";

interface CounterCommandOptions extends StoreOptions {
  readonly min?: string;
  readonly max?: string;
  readonly ttl?: string;
  readonly shards?: string;
  readonly bigint?: true;
  readonly json?: true;
}

/** How many numbers follow the name, at least and at most. */
const actions = {
  add: { numbers: [0, 1], form: "add NAME [DELTA]" },
  get: { numbers: [0, 0], form: "get NAME" },
  set: { numbers: [1, 1], form: "set NAME VALUE" },
  reset: { numbers: [0, 0], form: "reset NAME" },
  "compare-and-set": { numbers: [2, 2], form: "compare-and-set NAME EXPECTED NEXT" },
} as const;

type Action = keyof typeof actions;

const forms = Object.values(actions)
  .map(({ form }) => `  leasehold counter ${form}`)
  .join("\n");

const help = `
Forms:
${forms}

Each of them prints the value after it. A value that a bound forbids, and one that
is not EXPECTED, change nothing and end with 75. Give a counter the same --min,
--max, --ttl, --shards and --bigint every time: they are not kept in the store.

Examples:
  build=$(leasehold counter add builds)
  leasehold counter add seats -1 --min 0 || echo "sold out"
  leasehold counter compare-and-set release 41 42`;

/** `leasehold counter ACTION NAME`: changes and shows a counter. */
export function counterCommand(context: CliContext): Command {
  const command = new Command("counter")
    .summary("change and show a counter")
    .description("Changes a number that programs on many machines share, and prints it.")
    .usage("[options] ACTION NAME [NUMBERS]")
    .argument("[action]", Object.keys(actions).join(", "))
    .argument("[name]", "the name of the counter")
    .argument("[numbers...]", "what to add (default: 1), to set, or to expect and to set")
    .option("--min <number>", "refuse what would lead below it, with 75")
    .option("--max <number>", "refuse what would lead above it, with 75")
    .option("--ttl <duration>", "how long it lives from its first change, such as 15m; then it is 0")
    .option("--shards <number>", "over how many records it is spread, 1 to 64")
    .option("--bigint", "a counter of numbers of any size, up to 1,000 digits")
    .option("--json", "print a JSON object; the value is text with --bigint");
  addStoreOptions(command).helpOption("-h, --help", "print this help").addHelpText("after", help);
  return command.action(async () => {
    const { action, name, numbers } = parseArguments(command.args, context);
    const options = command.opts<CounterCommandOptions>();
    const open = parseOptions(options, numbers);
    const store = findStore(options, context.environment);
    // Who only looks creates nothing.
    const connecting = connectToStore(store, { setup: action !== "get" });
    await using coordinator = await connecting;
    const value = await open(coordinator, name, async (counter, values) => {
      const after = await perform(counter, action, values);
      // In shards, an add tells the sum of one of them.
      return action === "add" && options.shards !== undefined ? counter.get() : after;
    });
    if (value === null) {
      context.exitWith(exitCodes.notAcquired);
      if (options.json === true) await print(`${JSON.stringify({ name, set: false })}\n`);
      else throw new CommandFailure(exitCodes.notAcquired, notExpected(name, numbers));
    } else if (options.json === true) {
      const shown = typeof value === "bigint" ? String(value) : value;
      await print(
        `${JSON.stringify({ name, value: shown, ...(action === "compare-and-set" && { set: true }) })}\n`,
      );
    } else await print(`${value}\n`);
  });
}

/** The value afterwards; null when it was not the expected one. */
async function perform<N extends number | bigint>(
  counter: Counter<N>,
  action: Action,
  [first, second]: readonly N[],
): Promise<N | null> {
  if (action === "add") return counter.add(first);
  if (action === "reset") await counter.reset();
  if (action === "set" && first !== undefined) {
    await counter.set(first);
    return first;
  }
  if (action === "compare-and-set" && first !== undefined && second !== undefined) {
    return (await counter.compareAndSet(first, second)) ? second : null;
  }
  return counter.get();
}

function notExpected(name: string, [expected = ""]: readonly string[]): string {
  return printable(`counter ${JSON.stringify(name)} is not ${expected}; nothing was changed`);
}

function parseArguments(
  args: readonly string[],
  { command }: CliContext,
): { readonly action: Action; readonly name: string; readonly numbers: readonly string[] } {
  if (command !== undefined) throw usageError("counter runs no command; leave -- out");
  const [action, name, ...numbers] = args;
  if (action === undefined) {
    throw usageError(`counter needs an action: ${Object.keys(actions).join(", ")}`);
  }
  if (!Object.hasOwn(actions, action)) {
    throw usageError(
      `counter has no action ${JSON.stringify(action)}; it has ${Object.keys(actions).join(", ")}`,
    );
  }
  const { form, numbers: counts } = actions[action as Action];
  if (name === undefined) {
    throw usageError(`counter ${action} needs a name: leasehold counter ${form}`);
  }
  if (numbers.length < counts[0] || numbers.length > counts[1]) {
    const got = numbers.length === 0 ? "none" : numbers.map((each) => JSON.stringify(each)).join(" ");
    throw usageError(
      `after the name, counter ${action} takes ${howMany(counts)}: leasehold counter ${form}; got ${got}`,
    );
  }
  return { action: action as Action, name, numbers };
}

function howMany([least, most]: readonly [number, number]): string {
  if (most === 0) return "nothing more";
  if (least === 0) return "at most one number";
  return least === 1 ? "one number" : "two numbers";
}

type Use<R> = <N extends number | bigint>(counter: Counter<N>, values: readonly N[]) => Promise<R>;
type Open = <R>(coordinator: Coordinator, name: string, use: Use<R>) => Promise<R>;

/** Checks what can be checked before a store is asked for. */
function parseOptions(options: CounterCommandOptions, numbers: readonly string[]): Open {
  const { min, max, shards, bigint } = options;
  const ttl =
    options.ttl === undefined ? {} : { ttl: parseDurationOption("--ttl", options.ttl, { minMs: 1 }) };
  const bounds = <N>(parse: (what: string, text: string) => N) => ({
    ...(min !== undefined && { min: parse("--min", min) }),
    ...(max !== undefined && { max: parse("--max", max) }),
  });
  if (bigint === true) {
    if (shards !== undefined) throw usageError("--shards and --bigint do not go together");
    const known = { ...ttl, ...bounds(parseBigint) };
    const values = numbers.map((text) => parseBigint("the number", text));
    return (coordinator, name, use) => use(coordinator.bigintCounter(name, known), values);
  }
  const spread = shards === undefined ? {} : { shards: parseInteger("--shards", shards) };
  const known = { ...ttl, ...spread, ...bounds(parseInteger) };
  const values = numbers.map((text) => parseInteger("the number", text));
  return (coordinator, name, use) => use(coordinator.counter(name, known), values);
}

function parseInteger(what: string, text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw usageError(
    `${what} must be a whole number from -(2^53 - 1) to 2^53 - 1; got ${JSON.stringify(text)}. Larger ones need --bigint`,
  );
}

function parseBigint(what: string, text: string): bigint {
  if (/^[+-]?\d{1,1000}$/.test(text)) return BigInt(text.replace(/^\+/, ""));
  throw usageError(
    `${what} must be a whole number of up to 1,000 digits; got ${JSON.stringify(text.slice(0, 80))}`,
  );
}
