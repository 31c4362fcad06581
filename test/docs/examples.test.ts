// Goal: every example of README.md, docs/ and the JSDoc comments compiles, runs, and prints what it says.
//
// An example is a ```ts block. It runs in an empty folder, as a program of its own, against the sources.
// `console.log(x); // text` must print that text. nats://127.0.0.1:4222 and http://127.0.0.1:8000 stand for
// running servers, and example-tables.ts says which tables there are. Only "```ts no-run: reason" is not run, and
// only "```ts no-check: reason" is not compiled either.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sharedServers } from "../servers/shared.ts";
import { checkTypes } from "./check-types.ts";
import { makeExampleTables } from "./example-tables.ts";
import { findExamples } from "./find-examples.ts";
import { needsDynamodb, runExample } from "./run-example.ts";

const examples = findExamples();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "leasehold-examples-"));
  if (examples.some(needsDynamodb)) await makeExampleTables(sharedServers().dynamodb.url);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the documentation has examples", () => {
  expect(examples.length).toBeGreaterThan(10);
});

test("all examples compile", () => {
  expect(checkTypes(examples.filter(({ exemption }) => exemption !== "no-check"))).toEqual([]);
}, 120_000);

test.each(examples.filter(({ exemption }) => exemption === undefined))("$place runs", async (example) => {
  const printed = await runExample(example, join(folder, example.place.replace(/\W/g, "-")), sharedServers);
  const claimed = [...example.expected].map(([line, text]) => `line ${line}: ${text}`);
  const actual = [...example.expected.keys()].map(
    (line) => `line ${line}: ${(printed.get(line) ?? ["nothing"]).join(", ").replace(/\s+/g, " ")}`,
  );
  expect(actual).toEqual(claimed);
});
