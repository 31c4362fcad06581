import { type Change, InvalidValueError, type PastEntry, type Removal, type Reset } from "../index.ts";
import { exitCodeOfSignal } from "./command-process.ts";
import { moment } from "./describe-inspection.ts";
import { formatDuration, parseDurationOption } from "./duration-option.ts";
import { exitCodes } from "./exit-codes.ts";
import { CommandFailure } from "./failure.ts";
import {
  type CodecName,
  type KvRun,
  type KvSpace,
  notThere,
  readAs,
  type ShownEntry,
  shown,
  valueText,
} from "./kv-space.ts";
import { formatTable, print, printable } from "./output.ts";
import { routeSignals } from "./signal-router.ts";
import { isTerminal } from "./terminal.ts";

interface ReadOptions {
  readonly json?: true;
  readonly values?: true;
  readonly keys?: true;
}

interface WatchCommandOptions extends ReadOptions {
  readonly updatesOnly?: true;
  readonly since?: string;
  readonly resync?: string;
}

/** More of a value nobody reads in a table. */
const cellCharsMax = 80;

/** `kv get`: the value, in such a way that a file which was set is written back byte by byte if it ends with a line. */
export async function getEntry({
  args: [key = ""],
  options,
  space,
  title,
}: KvRun<ReadOptions>): Promise<void> {
  const found = await readOne(space, key);
  if (found === undefined) throw notThere([key], title);
  if (options.json === true) await print(jsonLine(found, true));
  else if (isTerminal("stdout")) {
    // What somebody stored must not move the cursor.
    const text = found.codec === "bytes" ? Buffer.from(found.bytes).toString() : valueText(found);
    const lines = text
      .split(/(?<=[\n\t])|(?=[\n\t])/)
      .map((part) => (/^[\n\t]$/.test(part) ? part : printable(part)));
    await print(withNewline(lines.join("")));
  } else await print(found.codec === "bytes" ? found.bytes : withNewline(valueText(found)));
}

function readOne(space: KvSpace, key: string): Promise<ShownEntry | undefined> {
  return readAs(space, async (kv, codec) => {
    const entry = await kv.get(key);
    return entry && shown(entry, codec);
  });
}

/** `kv ls`. */
export async function listEntries({
  args: [prefix = ""],
  options,
  space,
}: KvRun<ReadOptions>): Promise<void> {
  const rows: (readonly string[])[] = [];
  let cursor: string | undefined;
  do {
    const page = { prefix, ...(cursor !== undefined && { cursor }) };
    if (options.keys === true) {
      const { items, cursor: next } = await space.open("bytes").keys(page).page();
      if (!(await print(items.map((key) => `${key}\n`).join("")))) return;
      cursor = next;
    } else {
      const { items, cursor: next } = await readPage(space, page);
      if (options.json !== true) rows.push(...items.map(rowOf));
      else if (!(await print(items.map((each) => jsonLine(each, options.values === true)).join("")))) return;
      cursor = next;
    }
  } while (cursor !== undefined);
  if (options.json === true || options.keys === true) return;
  const heads = ["KEY", "VERSION", "TTL", "SIZE", "VALUE"].slice(0, options.values === true ? 5 : 4);
  await print(
    formatTable(
      heads,
      rows.map((row) => row.slice(0, heads.length)),
    ),
  );
}

/** A page whose values are of one codec, as they mostly are, is read at once; else each of them by itself. */
async function readPage(
  space: KvSpace,
  page: { readonly prefix: string; readonly cursor?: string },
): Promise<{ readonly items: readonly ShownEntry[]; readonly cursor?: string }> {
  const codec = space.codec ?? "json";
  try {
    const { items, ...rest } = await space.open(codec).list(page).page();
    return { ...rest, items: await Promise.all(items.map((entry) => shown(entry, codec))) };
  } catch (error) {
    if (space.codec !== undefined || !(error instanceof InvalidValueError)) throw error;
    const { items, ...rest } = await space.open(codec).keys(page).page();
    const read = await Promise.all(items.map((key) => readOne(space, key)));
    return { ...rest, items: read.filter((entry) => entry !== undefined) };
  }
}

/** `kv history`. */
export async function showHistory({
  args: [key = ""],
  options,
  space,
  title,
}: KvRun<ReadOptions>): Promise<void> {
  const past = await readAs(space, async (kv, codec) =>
    Promise.all((await kv.history(key)).map((each) => pastShown(each, codec))),
  );
  if (past.length === 0) throw notThere([key], title);
  if (options.json === true) await print(past.map((each) => jsonLine(each, true)).join(""));
  else await print(formatTable(["CHANGE", "AT", "VERSION", "VALUE"], past.map(changeRow)));
}

type Shown = ShownEntry | Removal;

async function pastShown(past: PastEntry<unknown>, codec: CodecName): Promise<Shown> {
  return past.operation === "put" ? shown(past, codec) : past;
}

/** `kv watch`: until a signal, or nobody reads it any more. */
export async function watchEntries(
  [match]: readonly string[],
  options: WatchCommandOptions,
): Promise<(run: KvRun<WatchCommandOptions>) => Promise<void>> {
  const { json, updatesOnly = false, since, resync } = options;
  const request = {
    updatesOnly,
    ...(match !== undefined && { match }),
    ...(resync !== undefined && { resync: parseDurationOption("--resync", resync, { minMs: 100 }) }),
  };
  return async ({ space, context }) => {
    using signals = routeSignals();
    let hasTold = false;
    let from = since;
    await readAs(space, async (kv, codec) => {
      try {
        for await (const change of kv.watch({ ...request, since: from, signal: signals.interrupted })) {
          const line = await (json === true ? changeJson(change, codec) : changeLine(change, codec));
          hasTold ||= change.operation === "put";
          from = change.cursor;
          if (!(await print(line))) return;
        }
      } catch (error) {
        // Another codec is tried as long as no value was told.
        if (!hasTold || !(error instanceof InvalidValueError)) throw error;
        throw new CommandFailure(exitCodes.corrupt, error.message, { cause: error });
      }
    });
    if (signals.interruptedBy !== undefined) context.exitWith(exitCodeOfSignal(signals.interruptedBy));
  };
}

async function changeJson(change: Change<unknown> | Reset, codec: CodecName): Promise<string> {
  return jsonLine(change.operation === "put" ? await shown(change, codec) : change, true);
}

async function changeLine(change: Change<unknown> | Reset, codec: CodecName): Promise<string> {
  if (change.operation === "reset") return "reset: --since is too old; what follows is what is there\n";
  const [operation = "", at = "", , value = ""] = changeRow(await pastShown(change, codec));
  return `${at}  ${operation.padEnd(6)}  ${printable(`${change.key}  ${value}`).trimEnd()}\n`;
}

function changeRow(past: Shown): readonly string[] {
  return [
    past.operation,
    moment(past.updatedAt),
    past.version ?? "",
    past.operation === "put" ? cellOf(past) : "",
  ];
}

function rowOf(entry: ShownEntry): readonly string[] {
  const { key, version, ttlMs, bytes } = entry;
  const ttl = ttlMs === null ? "-" : formatDuration(ttlMs);
  return [key, version, ttl, String(bytes.length), cellOf(entry)];
}

function cellOf(entry: ShownEntry): string {
  const text = valueText(entry);
  return text.length > cellCharsMax ? `${[...text].slice(0, cellCharsMax - 1).join("")}…` : text;
}

function jsonLine(shownEntry: object, hasValue: boolean): string {
  const { bytes, value, ...rest } = shownEntry as Partial<ShownEntry>;
  const size = bytes && { size: bytes.length };
  return `${JSON.stringify({ ...rest, ...size, ...(hasValue && bytes && { value }) })}\n`;
}

/** `kv status`. */
export async function showStatus({ options, space }: KvRun<ReadOptions>): Promise<void> {
  // How many are kept, and for how long, is of who writes.
  const { history: _, ttlMs: __, ...status } = await space.open("bytes").status();
  if (options.json === true) return void (await print(`${JSON.stringify(status)}\n`));
  const { name, backend, entries, bytes, valueBytesMax } = status;
  const row = [name, backend, entries, bytes, valueBytesMax].map(String);
  await print(formatTable(["NAMESPACE", "BACKEND", "ENTRIES", "BYTES", "VALUES UP TO"], [row]));
}

function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
