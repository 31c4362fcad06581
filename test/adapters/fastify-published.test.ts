// Goal: the tests that @fastify/rate-limit publishes for its own stores pass with a store of ours in their place.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../package/sources.ts";

/** Tests that want what is not so with our store, and why. */
const notOurs: readonly (readonly [title: string, why: string])[] = [
  [
    "the peek (mirrors|reports)",
    "wants a time to the millisecond; ours is rounded up by what is not known of it",
  ],
  [
    "(exceeding is off under route|should not always return)",
    "wants a time to the second at the very edge of one",
  ],
  ["^Exponential Backoff$", "the plugin's memory store lets a client in before the time that it told"],
  ["MAx safe", "wants a wait of 285,421 years; ours are a year at most"],
  ["[Tt]hrows? on redis error", "wants the words of the client of Redis"],
];

/** How many tests each file has that are run. */
const files = {
  "create-rate-limit": 5,
  "exponential-backoff": 1,
  "global-rate-limit": 34,
  "group-rate-limit": 5,
  "not-found-handler-rate-limited": 2,
  "redis-rate-limit": 11,
  "route-rate-limit": 38,
} as const;

async function run(file: string): Promise<string> {
  const program = join(root, "node_modules/@fastify/rate-limit/test", `${file}.test.js`);
  const skips = notOurs.map(([title]) => `--test-skip-pattern=/${title}/`);
  const preload = join(import.meta.dirname, "fastify-with-our-store.ts");
  const flags = [
    "--disable-warning=ExperimentalWarning",
    "--test-reporter=tap",
    ...skips,
    "--import",
    preload,
  ];
  const child = spawn(process.execPath, [...flags, program], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  await new Promise((ended) => child.once("close", ended));
  return output;
}

test.each(Object.entries(files))("%s", async (file, count) => {
  const output = await run(file);
  const failures = [...output.matchAll(/^ *not ok.*$/gm)].map(String);
  expect(failures, output).toEqual([]);
  const passed = [...output.matchAll(/^ *ok \d+ - (?!.*# SKIP)(.*)$/gm)].map(([, title = ""]) => title);
  // Groups of tests are not tests.
  expect(passed.filter((title) => !/^(Global|Route) rate limit$/.test(title))).toHaveLength(count);
});
