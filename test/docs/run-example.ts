import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { entryPoints, root } from "../package/sources.ts";
import { localDynamodbSettings } from "../servers/index.ts";
import type { SharedServers } from "../servers/shared.ts";
import type { Example } from "./find-examples.ts";

/** What examples write for a server; the tests put a running one in its place. */
export const placeholders = { nats: "nats://127.0.0.1:4222", dynamodb: "http://127.0.0.1:8000" } as const;

/** What an example printed, by the line that printed it. */
export type Printed = ReadonlyMap<number, readonly string[]>;

const timeLimitMs = 25_000;

/**
 * Runs an example in an empty folder of its own, as a program of its own.
 *
 * @throws Error with everything that it printed, when it fails or does not end.
 */
export async function runExample(
  example: Example,
  folder: string,
  servers: () => SharedServers,
): Promise<Printed> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "example.ts");
  const { code, environment } = withServers(example.code, servers);
  await writeFile(file, code);
  const child = spawn(process.execPath, ["--import", join(import.meta.dirname, "example-preload.ts"), file], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    timeout: timeLimitMs,
    killSignal: "SIGKILL",
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      NO_COLOR: "1",
      ...environment,
      LEASEHOLD_EXAMPLE_FILE: pathToFileURL(file).href,
      LEASEHOLD_EXAMPLE_SOURCES: JSON.stringify(sourceUrls()),
    },
  });
  const [, out, errors, printed] = child.stdio as [null, ...NodeJS.ReadableStream[]];
  const ended = new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve(String(status ?? signal)));
  });
  const texts = await Promise.all([out, errors, printed].map((stream) => text(stream as never)));
  const status = await ended;
  if (status !== "0") throw new Error(`${example.place} ended with ${status}:\n${texts[0]}${texts[1]}`);
  return byLine(texts[2] ?? "");
}

/** Whether an example speaks to DynamoDB, whose address may also come from the environment. */
export function needsDynamodb({ code }: Pick<Example, "code">): boolean {
  return /dynamodb/i.test(code);
}

function withServers(code: string, servers: () => SharedServers) {
  let changed = code;
  const environment: Record<string, string> = {};
  if (code.includes(placeholders.nats)) {
    changed = changed.replaceAll(placeholders.nats, servers().nats.url);
  }
  if (needsDynamodb({ code })) {
    const { url } = servers().dynamodb;
    changed = changed.replaceAll(placeholders.dynamodb, url);
    environment.AWS_ENDPOINT_URL_DYNAMODB = url;
    environment.AWS_REGION = localDynamodbSettings.region;
    environment.AWS_ACCESS_KEY_ID = localDynamodbSettings.credentials.accessKeyId;
    environment.AWS_SECRET_ACCESS_KEY = localDynamodbSettings.credentials.secretAccessKey;
  }
  return { code: changed, environment };
}

function sourceUrls(): Record<string, string> {
  return Object.fromEntries(
    entryPoints().map(({ specifier, path }) => [specifier, pathToFileURL(join(root, path)).href]),
  );
}

function byLine(report: string): Printed {
  const printed = new Map<number, string[]>();
  for (const entry of report.split("\n").filter((line) => line !== "")) {
    const { line, text: output } = JSON.parse(entry) as { line: number; text: string };
    printed.set(line, [...(printed.get(line) ?? []), output]);
  }
  return printed;
}
