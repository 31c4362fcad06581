/**
 * Worker processes against real servers under real faults: `npm run test:faults`, `-- --help`.
 *
 * Exit codes: 0 all was as it must be; 1 a violation, or a case that proves nothing; 2 the command line is wrong;
 * 130 interrupted.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommanderError } from "commander";
import { type Case, nameOf } from "./cases.ts";
import { readCommandLine, type Wish } from "./command-line.ts";
import { lineOf, type Outcome, summaryOf, tableOf } from "./report.ts";
import { runCase } from "./run-case.ts";

const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 };

async function main(words: readonly string[]): Promise<number> {
  let wish: Wish;
  try {
    wish = readCommandLine(words, (text) => process.stderr.write(text));
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    throw error;
  }
  if (wish.list) return list(wish.cases);
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new Error("interrupted"));
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  return run(wish, interrupted.signal);
}

async function list(cases: readonly Case[]): Promise<number> {
  for (const one of cases) {
    const reason = await one.fault.missing(one.backend);
    print(`${nameOf(one).padEnd(38)} ${reason === undefined ? one.fault.summary : `NOT RUN: ${reason}`}`);
  }
  return exitCodes.ok;
}

async function run(wish: Wish, signal: AbortSignal): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-faults-"));
  const startedAt = performance.now();
  print(`${wish.cases.length} cases, ${wish.seconds} s of faults each, --seed ${wish.seed}`);
  const outcomes: Outcome[] = [];
  for (const [index, one] of wish.cases.entries()) {
    if (signal.aborted) break;
    const outcome = await runOne(one, wish, join(folder, String(index)), signal);
    if (outcome === undefined) break;
    outcomes.push(outcome);
    print(lineOf(outcome));
  }
  const isKept = outcomes.some((outcome) => outcome.kind !== "not run" && outcome.logs !== undefined);
  if (!isKept) await rm(folder, { recursive: true, force: true });
  if (signal.aborted) {
    print("interrupted; everything was stopped and removed");
    return exitCodes.interrupted;
  }
  const { text, isGood } = summaryOf(outcomes, wish.broken !== undefined);
  print(`\n${tableOf(outcomes)}\n\n${text}`);
  print(`took ${Math.round((performance.now() - startedAt) / 1_000)} s; repeat with --seed ${wish.seed}`);
  return isGood ? exitCodes.ok : exitCodes.failed;
}

/** Answers nothing when the run was interrupted. */
async function runOne(
  one: Case,
  { seconds, seed, broken, keep }: Wish,
  folder: string,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const reason = await one.fault.missing(one.backend);
  if (reason !== undefined) return { case: one, kind: "not run", reason };
  try {
    const verdict = await runCase(one, { seconds, seed, broken, folder, signal });
    const isGood = verdict.violations.length + verdict.vacuous.length === 0;
    if (isGood && !keep) await rm(folder, { recursive: true, force: true });
    return { case: one, kind: "run", verdict, logs: isGood && !keep ? undefined : folder };
  } catch (error) {
    if (signal.aborted) {
      await rm(folder, { recursive: true, force: true });
      return undefined;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { case: one, kind: "broke off", reason: text, logs: folder };
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

process.exit(await main(process.argv.slice(2)));
