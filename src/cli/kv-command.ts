import { Command, Option } from "commander";
import { InvalidValueError } from "../index.ts";
import { parseLifetimeOption } from "./duration-option.ts";
import { exitCodes } from "./exit-codes.ts";
import { CommandFailure, usageError } from "./failure.ts";
import { getEntry, listEntries, showHistory, showStatus, watchEntries } from "./kv-reading.ts";
import {
  type CodecName,
  codecNames,
  type KvRun,
  notThere,
  openSpace,
  parseSpaceName,
  parseValue,
  readInput,
} from "./kv-space.ts";
import { print, printable } from "./output.ts";
import type { CliContext } from "./program.ts";
import { addStoreOptions, connectToStore, findStore, type StoreOptions } from "./store-option.ts";

interface SpaceOptions extends StoreOptions {
  readonly store: string;
  readonly codec?: CodecName;
}

interface WriteCommandOptions {
  readonly file?: string;
  readonly ttl?: string;
  readonly initial?: string;
  readonly ifVersion?: string;
  readonly ifAbsent?: true;
  readonly ifPresent?: true;
  readonly history?: string;
  readonly printVersion?: true;
  readonly yes?: true;
}

/** What an action does once its words are checked; what it answers then runs with the store. */
type Prepare<O> = (args: readonly string[], options: O) => Promise<(run: KvRun<O>) => Promise<void>>;

const help = `
Keys stand in a namespace, which --store names: the same key in another one is
another key. All of them are in the store of --url, where --namespace keeps what
one application has apart from another's.

What set is given is stored as JSON where it is valid JSON, else as text; so is
a number that would be written back in another way, as 1.10. get prints text as
text, JSON as JSON, and what was stored with --codec bytes as it is, or in
base64 with --json.

A condition that does not hold changes nothing and ends with 75; where a key is
not there, it ends with 66. The first set or increment creates the store; what
only reads or deletes ends with 78 where there is none. What begins with - comes
after --: leasehold kv set level -- -high

Examples:
  leasehold kv set greeting hello && leasehold kv get greeting
  leasehold kv set session-7 '{"user":"ada"}' --ttl 30m
  leasehold kv set deploying "$HOSTNAME" --if-absent --ttl 1h || echo "not now"
  leasehold kv set logo --file logo.png --codec bytes --store assets/images
  leasehold kv ls session- --values`;

/** `leasehold kv ACTION`: values under keys. */
export function kvCommand(context: CliContext): Command {
  const kv = new Command("kv")
    .summary("keep values under keys")
    .description("Keeps values under keys, for programs on many machines.")
    .usage("[options] ACTION [ARGUMENT...]")
    .addOption(
      new Option("-s, --store <name>", "the namespace of the keys; a/b is the namespace b within a").default(
        "default",
      ),
    )
    .addOption(
      new Option("-c, --codec <name>", "how values are stored (default: json; reading: any)").choices(
        codecNames,
      ),
    );
  addStoreOptions(kv).helpOption("-h, --help", "print this help").helpCommand(false);
  const add = <O extends object>(
    form: string,
    summary: string,
    prepare: Prepare<O>,
    options: readonly Option[] = [],
  ) => {
    const [name = "", ...words] = form.split(" ");
    const command = new Command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
      .usage(["[options]", ...words].join(" "));
    for (const option of options) command.addOption(option);
    command
      .helpOption("-h, --help", "print this help")
      .addHelpText("after", "\nAlso takes --store, --codec, --url and --namespace: see leasehold kv --help.");
    kv.addCommand(
      command.action(async () => {
        checkWords(name, words, command.args);
        const own = command.opts<O>();
        const { store, codec, ...given } = kv.opts<SpaceOptions>();
        const names = parseSpaceName(store);
        const run = await prepare(command.args, own);
        // Who only looks, or deletes, creates nothing.
        const setup = name === "set" || name === "increment";
        const connecting = connectToStore(findStore(given, context.environment), { setup });
        await using coordinator = await connecting;
        const history = parseNumber("--history", (own as WriteCommandOptions).history);
        const space = openSpace(coordinator, names, { codec, history });
        const title = printable(`the namespace ${JSON.stringify(store)}`);
        await run({ args: command.args, options: own, space, title, context });
      }),
    );
  };
  const json = (what: string) => new Option("--json", `print ${what}`);
  const ttl = new Option("-t, --ttl <duration>", "how long it lives, such as 30m (default: forever)");
  const ifVersion = new Option(
    "--if-version <version>",
    "only if the entry is still of this version, as get --json shows it",
  );
  const history = new Option(
    "--history <number>",
    "how many states of the key are kept for kv history, 1 to 64; to be given with each write (default: 1)",
  );

  add("get KEY", "print a value", async () => getEntry, [
    json("the entry as JSON: key, value, version, ..."),
  ]);
  add("set KEY [VALUE]", "write a value: an argument, else standard input", prepareSet, [
    new Option("-f, --file <path>", "the value is what this file holds"),
    ...[ttl, history],
    ifVersion.conflicts(["ifAbsent", "ifPresent"]),
    new Option("--if-absent", "only if the key is not there").conflicts("ifPresent"),
    new Option("--if-present", "only if the key is there"),
    new Option("--print-version", "print the version that this write makes"),
  ]);
  add("delete KEY...", "delete entries", prepareDelete, [
    new Option(ifVersion.flags, ifVersion.description),
    history,
  ]);
  add("ls [PREFIX]", "list entries, with PREFIX those whose keys begin so", async () => listEntries, [
    new Option("--values", "show the values too"),
    new Option("--keys", "only the keys, one in a line").conflicts(["values", "json"]),
    json("one JSON object in a line for each"),
  ]);
  add(
    "watch [PATTERN]",
    "show entries, then changes as they come; * is any text, ? a character",
    watchEntries,
    [
      new Option("--updates-only", "only changes, not what is there already"),
      new Option("--since <cursor>", "go on after this change: --json shows the cursor of each"),
      new Option(
        "--resync <duration>",
        "how often everything is read again, in case the store did not tell a change",
      ),
      json("one JSON object in a line for each"),
    ],
  );
  add(
    "history KEY",
    "show what a key held, as far as writes with --history kept it",
    async () => showHistory,
    [json("one JSON object in a line for each")],
  );
  add("increment KEY [BY]", "add to a number, and print the sum", prepareIncrement, [
    new Option("--initial <number>", "what is added to where the key is not there (default: 0)"),
    new Option(ttl.flags, "how long it lives, if this creates it"),
    history,
  ]);
  add("expire KEY DURATION", "give an entry another time to live from now on, or forever", prepareExpire, [
    history,
  ]);
  add("purge KEY", "erase an entry with its history and every trace", async () => purgeEntry);
  add("clear", "delete every entry of the namespace", prepareClear, [
    new Option("--yes", "needed, so that nobody does it by mistake"),
  ]);
  add("status", "count the entries and bytes in the namespace", async () => showStatus, [
    json("a JSON object"),
  ]);
  kv.addHelpText("after", help);
  return kv.action(() => {
    const names = kv.commands.map((each) => each.name()).join(", ");
    const [action] = kv.args;
    throw usageError(
      action === undefined
        ? `kv needs an action: ${names}`
        : `kv has no action ${JSON.stringify(action)}; it has ${names}`,
    );
  });
}

function checkWords(name: string, words: readonly string[], args: readonly string[]): void {
  const least = words.filter((word) => !word.startsWith("[")).length;
  const most = words.some((word) => word.endsWith("...")) ? Number.POSITIVE_INFINITY : words.length;
  if (args.length >= least && args.length <= most) return;
  const got = args.length === 0 ? "nothing" : args.map((each) => JSON.stringify(each)).join(" ");
  const hint = args.length > most ? ". Put what has spaces in quotes" : "";
  throw usageError(`kv ${name} takes ${words.join(" ") || "no arguments"}; got ${got}${hint}`);
}

function parseNumber(option: string, text: string): number;
function parseNumber(option: string, text: string | undefined): number | undefined;
function parseNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return Number(text);
  throw usageError(`${option} must be a number; got ${JSON.stringify(text)}`);
}

function conditionFailed(key: string, why: string): CommandFailure {
  const message = `${JSON.stringify(key)} ${why}; nothing was changed`;
  return new CommandFailure(exitCodes.notAcquired, printable(message));
}

const life = (ttl: string | undefined) =>
  ttl === undefined ? {} : { ttl: parseLifetimeOption("--ttl", ttl) };

/** What a script has in its hand when the key that it looked at was not there. */
function refuseEmpty(version: string | undefined, advice: string): void {
  if (version?.trim() === "") {
    throw usageError(`--if-version is empty: was the key there? For one that is not, ${advice}`);
  }
}

const prepareSet: Prepare<WriteCommandOptions & SpaceOptions> = async ([key = "", argument], options) => {
  const { file, ttl, ifVersion, ifAbsent, ifPresent, printVersion } = options;
  const limits = life(ttl);
  refuseEmpty(ifVersion, "there is --if-absent");
  const bytes = await readInput(argument, file);
  return async ({ space }) => {
    const { codec, value } = await parseValue(bytes, space.codec);
    const kv = space.open(codec);
    const written = await unlessOther(async () => {
      if (ifAbsent === true) return kv.setIfAbsent(key, value, limits);
      if (ifPresent === true) return kv.setIfPresent(key, value, limits);
      return kv.set(key, value, { ...limits, ...(ifVersion !== undefined && { ifVersion }) });
    });
    if (written?.committed === true) {
      if (printVersion === true) await print(`${written.version}\n`);
    } else if (ifVersion !== undefined) throw conditionFailed(key, `is not of version ${ifVersion}`);
    else throw conditionFailed(key, ifAbsent === true ? "is there already" : "is not there");
  };
};

/** What stands in the way may be of another codec, and nobody wants to see it. The new value was checked before. */
async function unlessOther<R>(write: () => Promise<R>): Promise<R | undefined> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}

const prepareDelete: Prepare<WriteCommandOptions> = async (args, { ifVersion }) => {
  const [key = "", ...others] = args;
  if (ifVersion !== undefined && others.length > 0) throw usageError("--if-version is of one key");
  refuseEmpty(ifVersion, "there is nothing to delete");
  return async ({ space, title }) => {
    const kv = space.open("bytes");
    if (ifVersion !== undefined) {
      const deleted = await unlessOther(() => kv.delete(key, { ifVersion }));
      if (deleted?.committed !== true) throw conditionFailed(key, `is not of version ${ifVersion}`);
      return;
    }
    const results = await kv.deleteMany(args);
    for (const result of results) if ("error" in result) throw result.error;
    const missing = results.filter((result) => "existed" in result && !result.existed);
    const names = missing.map((result) => result.key);
    if (names.length > 0) throw notThere(names, title);
  };
};

const prepareIncrement: Prepare<WriteCommandOptions> = async ([key = "", by = "1"], { initial, ttl }) => {
  const amount = parseNumber("BY", by);
  const from = parseNumber("--initial", initial);
  const options = { ...life(ttl), ...(from !== undefined && { initial: from }) };
  return async ({ space }) => {
    await print(`${await space.open(space.codec ?? "json").increment(key, amount, options)}\n`);
  };
};

const prepareExpire: Prepare<WriteCommandOptions> = async ([key = "", duration = ""]) => {
  const ttl = parseLifetimeOption("DURATION", duration);
  return async ({ space, title }) => {
    if (!(await space.open("bytes").expire(key, ttl))) throw notThere([key], title);
  };
};

async function purgeEntry({ args, space, title }: KvRun<unknown>): Promise<void> {
  if (!(await space.open("bytes").purge(args[0] ?? ""))) throw notThere(args, title);
}

const prepareClear: Prepare<WriteCommandOptions> = async (_args, { yes }) => {
  if (yes !== true)
    throw usageError("kv clear deletes every entry of the namespace: add --yes if you mean it");
  return async ({ space }) => {
    const cleared = await space.open("bytes").clear();
    await print(`${cleared} ${cleared === 1 ? "entry" : "entries"} deleted\n`);
  };
};
