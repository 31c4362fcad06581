import { createReadStream } from "node:fs";
import {
  bytesCodec,
  type Codec,
  type Coordinator,
  type Entry,
  InvalidValueError,
  jsonCodec,
  type KeyValue,
  textCodec,
} from "../index.ts";
import { exitCodes } from "./exit-codes.ts";
import { CommandFailure, usageError } from "./failure.ts";
import { printable } from "./output.ts";
import type { CliContext } from "./program.ts";
import { isTerminal } from "./terminal.ts";

/** How values are stored, by the type that stands next to them. */
const codecs = {
  json: jsonCodec(),
  text: textCodec as Codec<unknown>,
  bytes: bytesCodec as Codec<unknown>,
  "extended-json": jsonCodec({ extended: true }),
} satisfies Record<string, Codec<unknown>>;

export type CodecName = keyof typeof codecs;
export const codecNames = Object.keys(codecs) as CodecName[];

/** An entry with its value as people and programs are shown it. */
export interface ShownEntry extends Omit<Entry<unknown>, "value"> {
  readonly codec: CodecName;
  readonly bytes: Uint8Array;
  /** As it stands in JSON: bytes in base64. */
  readonly value: unknown;
}

/** One key-value namespace, of whatever codec. */
export interface KvSpace {
  /** `undefined`: any for reading, `json` for writing. */
  readonly codec: CodecName | undefined;
  open(codec: CodecName): KeyValue<unknown>;
}

/** One run of an action. */
export interface KvRun<O> {
  readonly args: readonly string[];
  readonly options: O;
  readonly space: KvSpace;
  /** The namespace, in messages. */
  readonly title: string;
  readonly context: CliContext;
}

/** Larger ones no store takes. */
const inputBytesMax = 16 * 1_048_576;

/** Splits at `/`. In a name, `%2F` is a `/` and `%25` a `%`. @throws CommandFailure (64) for any other `%`. */
export function parseSpaceName(text: string): readonly string[] {
  return text.split("/").map((name) => {
    if (name === "" || /%(?!2F|25)/i.test(name))
      throw usageError(
        "--store must be a name, or names with / between, where %2F is a / within a name and %25 a %; got " +
          JSON.stringify(text),
      );
    return decodeURIComponent(name);
  });
}

/** Opens the namespace of these names, each within the one before. */
export function openSpace(
  coordinator: Coordinator,
  [outermost = "", ...inner]: readonly string[],
  { codec, history = 1 }: { readonly codec?: CodecName | undefined; readonly history?: number | undefined },
): KvSpace {
  return {
    codec,
    open(name) {
      const outer = coordinator.kv<unknown>(outermost, { codec: codecs[name], history });
      return inner.reduce((around, each) => around.namespace(each), outer);
    },
  };
}

/** Reads with the codec that was asked for, or with each in turn. @throws InvalidValueError when it is another one's. */
export async function readAs<R>(
  { codec, open }: KvSpace,
  read: (kv: KeyValue<unknown>, codec: CodecName) => Promise<R>,
): Promise<R> {
  let refusal: unknown;
  for (const name of codec === undefined ? codecNames : [codec]) {
    try {
      return await read(open(name), name);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

/** The end of a run that found no entry. */
export function notThere(keys: readonly string[], title: string): CommandFailure {
  const names = keys.map((key) => JSON.stringify(key)).join(", ");
  return new CommandFailure(exitCodes.missing, printable(`${names} is not in ${title}`));
}

/** An entry as it is shown. */
export async function shown(entry: Entry<unknown>, codec: CodecName): Promise<ShownEntry> {
  const { value, ...rest } = entry;
  const bytes = await codecs[codec].encode(value);
  const text = codec === "bytes" ? Buffer.from(bytes).toString("base64") : Buffer.from(bytes).toString();
  return { ...rest, codec, bytes, value: codec.endsWith("json") ? JSON.parse(text) : text };
}

/** The value of a shown entry on a line of its own, or in a cell. */
export function valueText({ value }: Pick<ShownEntry, "value">): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The bytes of a value: the argument, else a file, else standard input. @throws CommandFailure (64) when there are none. */
export async function readInput(argument: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (file !== undefined) {
    if (argument !== undefined) throw usageError("--file has the value already; leave VALUE out");
    return collect(createReadStream(file), file);
  }
  if (argument !== undefined && argument !== "-") return Buffer.from(argument);
  if (argument === undefined && isTerminal("stdin")) throw usageError(noValue);
  const bytes = await collect(process.stdin, "standard input");
  // Of a script without input, as those of timers are: more likely forgotten than meant.
  if (argument === undefined && bytes.length === 0) throw usageError(noValue);
  return bytes;
}

const noValue =
  "kv set needs a value: as an argument ('' for an empty one), with --file, or on standard input";

async function collect(stream: AsyncIterable<Uint8Array>, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > inputBytesMax) break;
    }
  } catch (error) {
    throw usageError(
      `${JSON.stringify(name)} cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`,
    );
  }
  if (size > inputBytesMax) throw usageError(`${name} has more than 16 MB, and no store takes that`);
  return Buffer.concat(chunks);
}

/** The value that these bytes are, and what it is stored by. @throws CommandFailure (64) for what the codec refuses. */
export async function parseValue(
  bytes: Uint8Array,
  codec: CodecName | undefined,
): Promise<{ readonly codec: CodecName; readonly value: unknown }> {
  try {
    if (codec !== undefined) return { codec, value: await codecs[codec].decode(bytes) };
    const value = plainValue(String(await textCodec.decode(bytes)));
    await codecs.json.encode(value);
    return { codec: "json", value };
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    const hint = codec === undefined ? ". With --codec bytes anything is stored as it is" : "";
    throw usageError(
      `the value cannot be stored as ${codec ?? "text or json"}: ${error.issues[0]?.message}${hint}`,
    );
  }
}

/** What the shell's text means: JSON where it is JSON, else the text. A number only if it is written back the same. */
function plainValue(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "number" && String(value) !== text.trim() ? text : value;
  } catch {
    // No JSON: most of what people write.
    return text;
  }
}
