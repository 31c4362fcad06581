// Goal: the program of the fault tests runs a case from end to end, says clearly what it is asked wrongly, and
// reports broken workers as what they are.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { allCases, casesOf, faults, nameOf } from "./cases.ts";
import { backendNames } from "./targets/target.ts";
import { workloadNames } from "./worker-settings.ts";

const program = fileURLToPath(new URL("./run.ts", import.meta.url));
const runTimeoutMs = 60_000;
/** The logs of runs that fail stay, for people; those of this file go. */
const folder = mkdtempSync(join(tmpdir(), "leasehold-faults-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(...words: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: folder },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => {
      output += text.toString("utf8");
    });
  }
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

test.concurrent.each([
  [["--backend", "redis"], "one of sqlite, nats, nats-cluster, dynamodb"],
  [["--workload", "racing"], `one of ${workloadNames.join(", ")}`],
  [["--fault", "gremlins"], "one of worker-kill"],
  [["--seed", "lucky"], "a whole number from 0 to 4294967295"],
  [["--seed", "-1"], "a whole number"],
  [["--seconds", "0"], "a whole number from 1 to 3600"],
  [["--selection", "some"], "ci, full"],
  [
    ["--backend", "sqlite", "--fault", "leader-kill"],
    "there is no case of backend sqlite, fault leader-kill",
  ],
  [["--tea"], "unknown option '--tea'"],
  [["fenced"], "too many arguments"],
])(
  "%j is refused with a clear message and exit code 2",
  { timeout: runTimeoutMs },
  async (words, message) => {
    const { code, output } = await run(...words);
    expect(output).toContain(message);
    expect(code).toBe(2);
  },
);

test("a case runs to its end and is told of in a table", { timeout: runTimeoutMs }, async () => {
  const words = ["--backend", "sqlite", "--workload", "fenced", "--fault", "worker-kill", "--seconds", "1"];
  const { code, output } = await run(...words, "--seed", "7");
  expect(output).toMatch(/^fenced\/sqlite\/worker-kill +ok/m);
  expect(output).toMatch(/^\| fenced \| sqlite \| worker-kill \| \d+ \| \d+ \| [1-9]/m);
  expect(output).toMatch(/^1 cases run, 0 not run, 0 violations/m);
  expect(output).toContain("repeat with --seed 7");
  expect(code).toBe(0);
});

const broken = [
  ["no-lock", "fenced", ["exclusion:", "fences:", "resource:"]],
  ["no-lock", "waiting", ["exclusion:", "fences:", "first come:"]],
  ["careless-count", "counting", ["counting:"]],
  ["no-lock", "permits", ["permits:", "fences:"]],
  ["no-lock", "readers", ["readers:", "fences:", "upgrades:", "resource:"]],
  ["no-lock", "leading", ["exclusion:", "fences:", "resource:"]],
  ["no-lock", "partitions", ["exclusion:", "fences:", "resource:", "spread:"]],
  ["hasty-move", "partitions", ["moves:"]],
  ["no-lock", "slots", ["slots:", "closed:", "exclusion:", "fences:", "resource:"]],
  ["stuck-slot", "slots", ["going on:"]],
  ["generous-limit", "limits", ["never over:"]],
  ["stuck-limit", "limits", ["going on:"]],
  ["repeated-numbers", "numbers", ["counting:", "steps:", "unique:", "gaps:"]],
  ["careless-entries", "entries", ["entries:", "fading:"]],
  ["loose-transfers", "transfers", ["transfers:", "totals:", "one order:"]],
  ["forgetful-once", "payments", ["one result:", "repeats:", "exclusion:", "fences:", "resource:"]],
] as const;

test.each(broken)(
  "workers broken by %s fail %s",
  { timeout: runTimeoutMs },
  async (way, workload, checkers) => {
    const words = ["--backend", "sqlite", "--workload", workload, "--fault", "worker-stop", "--seconds", "1"];
    const { code, output } = await run(...words, "--broken", way);
    for (const checker of checkers) expect(output).toContain(`  ${checker}`);
    expect(output).toMatch(/^1 cases run, 0 not run, [1-9]\d* violations/m);
    expect(code).toBe(1);
  },
);

test("an interrupted run stops everything and says so", { timeout: runTimeoutMs }, async () => {
  const words = [
    "--backend",
    "sqlite",
    "--workload",
    "counting",
    "--fault",
    "worker-stop",
    "--seconds",
    "60",
  ];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...words], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let output = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  child.stdout.on("data", (text: Buffer) => {
    output += text.toString("utf8");
    // It has begun.
    if (output.includes("1 cases")) child.kill("SIGINT");
  });
  expect(await ended).toBe(130);
  expect(output).toContain("interrupted; everything was stopped and removed");
});

test("the selection of CI has every backend, every workload and every fault", () => {
  const chosen = casesOf("ci");
  expect(new Set(chosen.map(({ backend }) => backend))).toEqual(new Set(backendNames));
  expect(new Set(chosen.map(({ workload }) => workload))).toEqual(new Set(workloadNames));
  expect(new Set(chosen.map(({ fault }) => fault.name))).toEqual(new Set(faults.map((fault) => fault.name)));
});

test("every case has a name of its own", () => {
  const names = allCases().map(nameOf);
  expect(new Set(names).size).toBe(names.length);
});
