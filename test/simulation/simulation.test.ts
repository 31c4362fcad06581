// Goal: simulated histories keep every promise (2,000 of them here, 20,000 by `npm run simulate` on every commit), the
// same seed is the same history, and what makes a history hard really happens in them.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { runCampaign } from "./campaign.ts";
import { traceOf } from "./history.ts";
import { judge } from "./judge.ts";
import { accidentKinds, mishapKinds } from "./plan.ts";
import { shrink } from "./shrink.ts";
import { countRarities, rarities } from "./sometimes.ts";
import { workloads } from "./workloads/all.ts";
import { simulate } from "./world.ts";

const program = new URL("./main.ts", import.meta.url).pathname;

/** Runs the program as `npm run simulate` does. */
async function run(...options: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, ...options], {
      maxBuffer: 100_000_000,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

test("2,000 histories violate nothing, and none of what makes them hard is missing", {
  timeout: 600_000,
}, async () => {
  const report = await runCampaign({ from: 1, histories: 2_000, threads: 1 });
  expect(report.failures.map(({ seed, violations }) => ({ seed, violations }))).toEqual([]);
  expect(report.histories).toBe(2_000);
  expect(rarities.filter((rarity) => !(Number(report.rarities[rarity]) > 0))).toEqual([]);
  const kinds = [...accidentKinds, ...mishapKinds];
  expect(kinds.filter((kind) => !(Number(report.faults[kind]) > 0))).toEqual([]);
});

test("the same seed gives the same history, byte for byte", async () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const [first, second] = [await simulate(seed, workloads), await simulate(seed, workloads)];
    expect(traceOf(first)).toBe(traceOf(second));
  }
});

test("the same seed gives the same history in another process", async () => {
  for (const seed of [1, 76, 743]) {
    const { stdout } = await run("--seed", String(seed), "--trace");
    expect(stdout.startsWith(traceOf(await simulate(seed, workloads)))).toBe(true);
  }
});

test("different seeds give different histories", async () => {
  const traces = new Set<string>();
  for (let seed = 1; seed <= 50; seed += 1) traces.add(traceOf(await simulate(seed, workloads)));
  expect(traces.size).toBe(50);
});

test("what happens at one place does not change what is decided at another", async () => {
  const whole = await simulate(1, workloads);
  const again = await simulate(1, workloads, whole.taken);
  expect(traceOf(again)).toBe(traceOf(whole));
  const nothing = await simulate(1, workloads, []);
  expect(nothing.taken).toEqual([]);
  expect(judge(nothing)).toEqual([]);
});

test("a failing seed is shrunk to a few choices, each of them needed, that fail again when replayed", async () => {
  // A promise that nobody made: no lock is ever taken over.
  const fails = (history: Awaited<ReturnType<typeof simulate>>): boolean =>
    countRarities(history).takeover > 0;
  let seed = 1;
  while (!fails(await simulate(seed, workloads))) seed += 1;
  const { taken } = await simulate(seed, workloads);
  const complain = async (only: readonly string[]): Promise<readonly string[] | undefined> =>
    fails(await simulate(seed, workloads, only)) ? ["a lock was taken over"] : undefined;
  const { only } = await shrink(taken, complain);
  expect(only.length).toBeGreaterThan(0);
  expect(only.length).toBeLessThanOrEqual(15);
  expect(await complain(only)).toBeDefined();
  for (const place of only) expect(await complain(only.filter((other) => other !== place))).toBeUndefined();
});

test("the program tells what it ran, and refuses what it does not know", async () => {
  const few = await run("--histories", "40", "--workload", "tries a lock", "--threads", "1");
  expect(few.stdout).toMatch(/^40 histories, \d+ steps, \d+ faults, 0 histories with violations/m);
  expect(few.code).toBe(0);
  for (const [options, message] of [
    [["--workload", "juggles"], /there is no workload "juggles"; there are: "waits for a lock"/],
    [["--seed", "-1"], /--seed/],
    [["--histories", "0"], /whole number from 1/],
    [["--mutant", "none"], /there is no mutant "none"; there are:\n {2}the deadline/],
    [["--only", "accident1"], /give it with --seed/],
    [["--sead", "1"], /unknown option '--sead'/],
  ] as const) {
    const { code, stderr } = await run(...options);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  }
});
