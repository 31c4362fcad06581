// Goal: docs/coverage.md claims nothing that no test shows: every row has calls that compile, or commands that run, and
// tests that are there, each under the title that the row says.
import { existsSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { makePlace } from "../cli/cli-process.ts";
import { nodesOf, parse, root, textOf } from "../package/sources.ts";
import { checkTypes } from "./check-types.ts";

const page = "docs/coverage.md";
const lines = textOf(page).split("\n");
const header = /^\| (feature|what goes wrong) \| here \| shown by \| .+ \|$/;

/** A line of a table. */
interface Row {
  readonly place: string;
  readonly cells: readonly string[];
  /** What stands in backticks in the second cell. */
  readonly calls: readonly string[];
  readonly commands: readonly string[];
}

const rows = lines.flatMap((line, index): readonly Row[] => {
  if (!line.startsWith("| ") || header.test(line)) return [];
  const cells = line
    .slice(1, line.lastIndexOf("|"))
    .split("|")
    .map((cell) => cell.trim());
  const code = [...(cells[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
  const isCommand = (text: string) => text.startsWith("leasehold ");
  return [
    {
      ...{ place: `${page}:${index + 1}`, cells },
      calls: code.filter((text) => !isCommand(text)),
      commands: code.filter(isCommand),
    },
  ];
});

/** The test files that the page names, by the short name that its rows use. */
const files = new Map(
  lines.flatMap((line) => {
    const [, name, path] = /^\[([\w-]+)\]: \.\.\/(\S+)$/.exec(line) ?? [];
    return name === undefined || path === undefined ? [] : [[name, path] as const];
  }),
);

/** What the calls of the page take for granted. */
const prelude = `
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import * as leasehold from "leasehold";
import * as dynamodb from "leasehold/dynamodb";
import * as memory from "leasehold/memory";
import * as nats from "leasehold/nats";
export const { bytesCodec, connect, createCoordinator, jsonCodec, LeaseholdError, textCodec, UnavailableError } = leasehold;
export const { and, dynamodbBackend, dynamodbClientOf, dynamodbItems, dynamodbProvisioning, dynamodbSnapshot } = dynamodb;
export const { dynamodbTransaction, equals, exists, greaterThan, tableFromEnvironment } = dynamodb;
export const { memoryBackend } = memory;
export const { natsBackend, natsBucketOf, natsConnectionOf, natsPermissions } = nats;
export type Coordinator = leasehold.Coordinator;
export declare const client: DynamoDBClient;
export declare const connection: nats.NatsConnection;
export declare const coordinator: leasehold.Coordinator;
// biome-ignore lint: what the values are is nothing to the page.
export declare const kv: leasehold.KeyValue<any>;
export declare const items: dynamodb.DynamodbItems<Record<string, unknown>>;
export declare const version: leasehold.Version;
export declare const data: unknown;
export declare const cursor: string;
`;

test("there are five tables, each row with a feature, a call or command, a test, and a remark that may be empty", () => {
  expect(lines.filter((line) => header.test(line))).toHaveLength(5);
  expect(rows.length).toBeGreaterThan(120);
  const incomplete = rows.filter(
    ({ cells, calls, commands }) =>
      cells.length !== 4 || cells[0] === "" || calls.length + commands.length === 0 || cells[2] === "",
  );
  expect(incomplete.map(({ place }) => place)).toEqual([]);
  // A line that looks like a row and is none would be held to nothing.
  const others = lines.filter((line) => line.startsWith("|") && !/^\| |^\|---/.test(line));
  expect(others).toEqual([]);
});

test("every row names tests that are there, under the titles that it says", () => {
  const titles = new Map([...files].map(([name, path]) => [name, titlesOf(path)]));
  const wrong = rows.flatMap(({ place, cells }) => {
    const named = (cells[2] ?? "").split(/; (?=\[)/);
    return named.flatMap((text) => {
      const [, name = "", title] = /^\[([\w-]+)\] "([^"]+)"$/.exec(text) ?? [];
      const known = titles.get(name);
      if (title === undefined || known === undefined) return [`${place}: ${text} names no file and title`];
      return known.some((each) => each.includes(title)) ? [] : [`${place}: ${name} has no "${title}"`];
    });
  });
  expect(wrong).toEqual([]);
});

test("every file that is named is a test, is there, and shows something", () => {
  const cells = rows.map((row) => row.cells[2]).join();
  for (const [name, path] of files) {
    expect(path).toMatch(/^(test\/.*\.test\.ts|src\/testing\/conformance\/[\w-]+-cases\.ts)$/);
    expect(existsSync(join(root, path)), path).toBe(true);
    expect(cells, `nothing is shown by ${name}`).toContain(`[${name}]`);
  }
});

test("every call compiles", () => {
  const examples = rows.flatMap(({ place, calls }) => {
    const code = `${prelude}${calls.map((call) => `export async function call${calls.indexOf(call)}() { ${call} }`).join("\n")}`;
    return calls.length === 0 ? [] : [{ place, code, expected: new Map<number, string>() }];
  });
  expect(checkTypes(examples)).toEqual([]);
}, 120_000);

test("every command runs", async () => {
  await using place = makePlace();
  for (const command of rows.flatMap(({ commands }) => commands)) {
    const { exitCode, stderr } = await place.run(command.split(" ").slice(1));
    expect({ command, exitCode, stderr }).toEqual({ command, exitCode: 0, stderr: "" });
  }
}, 120_000);

/** The titles of a file's tests: first arguments that are texts, and properties named title. */
function titlesOf(path: string): readonly string[] {
  const titles: string[] = [];
  for (const node of nodesOf(parse(path))) {
    const title = ts.isCallExpression(node)
      ? node.arguments[0]
      : ts.isPropertyAssignment(node) && node.name.getText() === "title"
        ? node.initializer
        : undefined;
    if (title !== undefined && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)))
      titles.push(ts.isStringLiteralLike(title) ? title.text : title.getText());
  }
  return titles;
}
