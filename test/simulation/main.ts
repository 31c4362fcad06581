/** The program behind `npm run simulate`: many histories, one seed, or the planted bugs. */
import { availableParallelism } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { type CampaignReport, type Failure, runCampaign } from "./campaign.ts";
import { checkers } from "./checkers/all.ts";
import { chooseWorkloads } from "./choose-workloads.ts";
import { describeWorld, explain } from "./explain.ts";
import { traceOf } from "./history.ts";
import { judge } from "./judge.ts";
import { mutants } from "./mutants/all.ts";
import { shrink } from "./shrink.ts";
import { rarities } from "./sometimes.ts";
import { type Theme, themes } from "./stage.ts";
import { simulate } from "./world.ts";

interface Options {
  readonly histories: number;
  readonly from: number;
  readonly threads: number;
  readonly workload: readonly string[];
  readonly theme?: Theme;
  readonly seed?: number;
  readonly only?: string;
  readonly trace?: true;
  readonly mutant?: string | true;
}

const seedMax = Number.MAX_SAFE_INTEGER;
const findMutantWithin = 20_000;

const program = new Command("simulate")
  .description(
    "Runs many clients of the real library on virtual time, over a store with faults, and checks what they saw.",
  )
  .option("--histories <count>", "how many seeds to run", wholeNumber(1), 20_000)
  .option("--from <seed>", "the first of them", wholeNumber(0), 1)
  .option("--threads <count>", "how many at a time", wholeNumber(1), availableParallelism())
  .option("--workload <name>", "only this one; may be given several times", collect, [])
  .addOption(new Option("--theme <theme>", "only worlds that are about this").choices(themes))
  .option("--seed <seed>", "one seed: what happens in it, and what is wrong with that", wholeNumber(0))
  .option("--only <places>", "with --seed: of all that goes on in it, just this; separated by commas")
  .option("--trace", "with --seed: everything that happened, line by line")
  .option(
    "--mutant [name]",
    "plants a bug and looks for the first seed that shows it; without a name: every bug",
  )
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= seedMax) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to 2^53 - 1.`);
  };
}

function collect(name: string, names: readonly string[]): readonly string[] {
  return [...names, name];
}

const options = program.opts<Options>();
try {
  chooseWorkloads(options.workload);
} catch (error) {
  program.error(`error: ${(error as Error).message}`);
}
if (options.seed === undefined && (options.only !== undefined || options.trace)) {
  program.error("error: --only and --trace are about one seed; give it with --seed <seed>");
}
process.exitCode = (await run(options)) ? 0 : 1;

function run({ seed, mutant }: Options): Promise<boolean> {
  if (seed !== undefined) return runSeed(seed);
  if (mutant !== undefined) return findMutants(mutant);
  return runMany();
}

async function runSeed(seed: number): Promise<boolean> {
  const only = options.only?.split(",");
  const workloads = chooseWorkloads(options.workload);
  const history = await simulate(seed, workloads, only);
  if (options.trace) process.stdout.write(traceOf(history));
  console.log(describeWorld(seed));
  const violations = judge(history);
  for (const { checker, messages } of violations)
    console.log(`VIOLATED: ${checker}\n  ${messages.join("\n  ")}`);
  const kept = only === undefined ? "" : ` with ${history.taken.length} of its faults and operations`;
  console.log(`seed ${seed}${kept}: ${history.steps} steps, ${violations.length} checkers complain`);
  return violations.length === 0;
}

async function runMany(): Promise<boolean> {
  const { histories, from, threads, workload, theme } = options;
  const startedAtMs = performance.now();
  let told = 0;
  const report = await runCampaign({
    ...{ histories, from, threads, workload, theme },
    onProgress({ histories: done, failures }) {
      if (done < told + histories / 10) return;
      told = done;
      console.log(`${done} of ${histories} histories, ${failures.length} of them with violations`);
    },
  });
  const seconds = (performance.now() - startedAtMs) / 1_000;
  printCounts("faults injected", report.faults);
  printCounts("rare things that happened", report.rarities);
  for (const failure of report.failures) await tellFailure(failure);
  const never = rarities.filter((rarity) => !(Number(report.rarities[rarity]) > 0));
  const isVacuous = never.length > 0 && workload.length === 0 && theme === undefined;
  if (isVacuous) console.log(`NOTHING PROVEN: these never happened: ${never.join(", ")}`);
  console.log(summaryOf(report, seconds));
  return report.failures.length === 0 && !isVacuous;
}

function summaryOf({ histories, steps, faults, failures }: CampaignReport, seconds: number): string {
  const injected = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return (
    `${histories} histories, ${steps} steps, ${injected} faults, ${failures.length} histories with violations, ` +
    `${seconds.toFixed(0)} s, ${(histories / seconds).toFixed(0)} histories a second`
  );
}

function printCounts(title: string, counts: Readonly<Record<string, number>>): void {
  console.log(`${title}:`);
  const rows = Object.entries(counts).sort(([, left], [, right]) => right - left);
  for (const [name, count] of rows) console.log(`  ${String(count).padStart(10)} ${name}`);
}

async function tellFailure({ seed, violations, taken }: Failure): Promise<void> {
  console.log(`\nseed ${seed}: ${describeWorld(seed)}`);
  const workloads = chooseWorkloads(options.workload);
  for (const { checker, messages } of violations) {
    console.log(`VIOLATED: ${checker}\n  ${messages.slice(0, 3).join("\n  ")}`);
    if (!checkers.some(({ name }) => name === checker)) continue;
    const { only, runs } = await shrink(taken, async (places) => {
      const found = judge(await simulate(seed, workloads, places));
      return found.find((violation) => violation.checker === checker)?.messages;
    });
    console.log(`shrunk from ${taken.length} to ${only.length} in ${runs} runs:`);
    for (const line of explain(seed, workloads, only)) console.log(`  ${line}`);
    console.log(
      `replay: npm run simulate -- --seed ${seed} --trace --only ${JSON.stringify(only.join(","))}`,
    );
  }
}

async function findMutants(name: string | true): Promise<boolean> {
  const chosen = mutants.filter((mutant) => name === true || mutant.name === name);
  if (chosen.length === 0) {
    const known = mutants.map((mutant) => `  ${mutant.name}`).join("\n");
    program.error(`error: there is no mutant ${JSON.stringify(name)}; there are:\n${known}`);
  }
  let found = 0;
  const proven = new Set<string>();
  for (const mutant of chosen) {
    const { threads, workload } = options;
    const { checker, theme = "locks", from = options.from } = mutant;
    const seeds = { from, histories: findMutantWithin, threads, workload, theme };
    const report = await runCampaign({ ...seeds, mutant, checker, failuresMax: 1 });
    const [failure] = report.failures;
    if (failure !== undefined) found += 1;
    for (const { checker: complaining } of failure?.violations ?? []) proven.add(complaining);
    const by = failure?.violations.map((violation) => violation.checker).join("; ");
    console.log(
      `${failure === undefined ? "NOT FOUND" : `seed ${failure.seed}`}: ${mutant.name}${by ? ` (${by})` : ""}`,
    );
  }
  // A checker that no planted bug ever set off may be blind.
  const unproven = name === true ? checkers.filter((checker) => !proven.has(checker.name)) : [];
  for (const checker of unproven)
    console.log(`UNPROVEN: no planted bug made this checker complain: ${checker.name}`);
  console.log(
    `${found} of ${chosen.length} planted bugs found within ${findMutantWithin} seeds, ${proven.size} checkers proven`,
  );
  return found === chosen.length && unproven.length === 0;
}
