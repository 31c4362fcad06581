// Goal: the demo shows what it promises, on every backend that processes can share, and leaves nothing behind.
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { readJobs } from "../../examples/fleet/jobs.ts";
import { sharedServers } from "../servers/shared.ts";
import { waitUntil } from "../servers/wait-until.ts";
import { type DemoRun, runDemo, startDemo } from "./run-demo.ts";

const folder = mkdtempSync(join(tmpdir(), "leasehold-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const jobsFile = fileURLToPath(new URL("../../examples/jobs.txt", import.meta.url));
const quick = ["--ttl", "1000", "--job-time", "300"];
const demoMs = 60_000;

function fileWith(text: string | Uint8Array): string {
  const path = join(folder, `${randomUUID()}.txt`);
  writeFileSync(path, text);
  return path;
}

/** Both accidents happened, both jobs were taken over with larger fences, and the late write was refused. */
function expectSurvival(run: DemoRun, jobs: readonly string[]): void {
  const { code, output, complaint } = run;
  expect(complaint).toBe("");
  expect(output).toContain(`✓ ${jobs.length} of ${jobs.length} jobs done, each exactly once`);
  for (const job of jobs) expect(output).toContain(`has done ${job}, fence `);

  const stopped = /SIGSTOP: worker (\d+) stands still, right before it writes (.+)/.exec(output);
  const refused = /✓ late write of worker (\d+) with fence (\d+) refused: (.+) has seen fence (\d+)/.exec(
    output,
  );
  expect(refused?.[1]).toBe(stopped?.[1]);
  expect(refused?.[3]).toBe(stopped?.[2]);
  expect(Number(refused?.[4])).toBeGreaterThan(Number(refused?.[2]));
  expect(output).toMatch(/SIGCONT: worker \d+ goes on/);

  expect(output).toMatch(/SIGKILL: worker \d+ dies in the middle of/);
  const killed = /✓ worker (\d+) was killed with .+, fence (\d+): worker (\d+) took over, fence (\d+)/.exec(
    output,
  );
  expect(killed?.[3]).not.toBe(killed?.[1]);
  expect(Number(killed?.[4])).toBeGreaterThan(Number(killed?.[2]));
  expect(output.match(/takes over/g)?.length).toBeGreaterThanOrEqual(2);
  expect(output).not.toContain("\x1b[");
  expect(code).toBe(0);
}

test("a fleet over SQLite does each job of a file once, in spite of its accidents", {
  timeout: demoMs,
}, async () => {
  const run = await runDemo("--jobs", jobsFile, "--workers", "4", ...quick);
  expectSurvival(run, readJobs(jobsFile));
  const store = /over sqlite:(.+\.db);/.exec(run.output)?.[1] ?? "";
  expect(existsSync(dirname(store))).toBe(false);
});

test("two workers and one job are enough", { timeout: demoMs }, async () => {
  const path = fileWith("the only one\n");
  expectSurvival(await runDemo("--jobs", path, "--workers", "2", ...quick), ["the only one"]);
});

test("the same fleet works over NATS", { timeout: demoMs }, async () => {
  const url = `${sharedServers().nats.url}/demo-${randomUUID()}`;
  expectSurvival(await runDemo("--url", url, "--jobs", jobsFile, ...quick), readJobs(jobsFile));
});

test("the same fleet works over DynamoDB", { timeout: demoMs }, async () => {
  const url = `dynamodb://local/demo-${randomUUID()}?endpoint=${sharedServers().dynamodb.url}`;
  expectSurvival(await runDemo("--url", url, "--jobs", jobsFile, ...quick), readJobs(jobsFile));
});

test("workers do not outlive a killed fleet, not even one that is stopped", { timeout: demoMs }, async () => {
  await using fleet = await demoThatSays("SIGSTOP", "--job-time", "60", "--ttl", "20000");
  expect(fleet.workers()).toHaveLength(4);
  fleet.child.kill("SIGKILL");
  await untilGone(fleet.workers());
});

test("an interrupted fleet takes its workers and files with it", { timeout: demoMs }, async () => {
  await using fleet = await demoThatSays("has done");
  fleet.child.kill("SIGINT");
  expect(await fleet.code).toBe(130);
  expect(existsSync(fleet.folder())).toBe(false);
  await untilGone(fleet.workers());
});

test("a fleet that loses all its workers fails the check", { timeout: demoMs }, async () => {
  await using fleet = await demoThatSays("has done");
  for (const pid of fleet.workers()) process.kill(pid, "SIGKILL");
  expect(await fleet.code).toBe(1);
  expect(fleet.output()).toMatch(/✗ FAILED: \d+ of 24 jobs done exactly once; .*job-24 0 times/);
});

/** A running demo that has printed `words`. */
async function demoThatSays(words: string, ...parameters: readonly string[]) {
  const child = startDemo(...parameters);
  const code = new Promise<number | null>((end) => child.once("close", end));
  let output = "";
  const { promise: said, resolve } = Promise.withResolvers<void>();
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.includes(words)) resolve();
  });
  await said;
  const demoFolder = dirname(/over sqlite:(.+\.db);/.exec(output)?.[1] ?? "");
  return {
    child,
    code,
    output: () => output,
    folder: () => demoFolder,
    workers: () => [...output.matchAll(/is process (\d+)/g)].map((match) => Number(match[1])),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await code;
      rmSync(demoFolder, { recursive: true, force: true });
    },
  };
}

async function untilGone(pids: readonly number[]): Promise<void> {
  await waitUntil(async () => (pids.some(isAlive) ? null : true), {
    timeoutMs: 20_000,
    intervalMs: 50,
    what: "the workers to end",
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

const refusedArguments: readonly (readonly [parameters: readonly string[], reason: string])[] = [
  [["--workers", "1"], "must be a whole number from 2 to 16"],
  [["--workers", "three"], "must be a whole number from 2 to 16"],
  [["--ttl", "-1"], "must be a whole number from 500 to 60000"],
  [["--jobs", join(folder, "missing.txt")], "cannot read the jobs: ENOENT"],
  [["--jobs", folder], "cannot read the jobs: EISDIR"],
  [["--jobs", fileWith("\n# only a comment\n")], "contains no job"],
  [["--jobs", fileWith("one\ntwo\none\n")], 'line 3: the job "one" is in line 1 too'],
  [["--jobs", fileWith(`${"long".repeat(300)}\n`)], "line 1: the job is longer than 1024 bytes"],
  [["--jobs", fileWith("bell \x07\n")], "line 1: the job contains a control character"],
  [["--jobs", fileWith(Uint8Array.of(0xff, 0xfe))], "cannot read the jobs"],
  [["--url", "carrier-pigeon:coop"], "cannot use carrier-pigeon:coop: connect needs a URL"],
  [["--url", "memory:"], "memory: cannot be shared by processes"],
  [["--speed", "9"], "unknown option '--speed'"],
  [["now"], "too many arguments"],
];

test.each(refusedArguments)("arguments %j are refused: %s", async (parameters, reason) => {
  const { code, output, complaint } = await runDemo(...parameters);
  expect(complaint).toContain(reason);
  expect(complaint).not.toContain("    at ");
  expect(output).toBe("");
  expect(code).toBe(64);
});

test("a store that is out of reach is told from a wrong argument, and its password is not shown", async () => {
  const password = "sesame";
  const { code, complaint } = await runDemo("--url", `nats://user:${password}@127.0.0.1:1/demo`);
  expect(complaint).toContain("error: cannot use nats://…@127.0.0.1:1/demo");
  expect(complaint).not.toContain(password);
  expect(code).toBe(69);
});

test("--help says everything that can be said", async () => {
  const { code, output } = await runDemo("--help");
  for (const option of ["--workers", "--jobs", "--url", "--ttl", "--job-time"])
    expect(output).toContain(option);
  expect(code).toBe(0);
});
