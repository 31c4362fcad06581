/** One thread of a campaign: runs its share of the seeds and posts a report now and then. */
import { parentPort, workerData } from "node:worker_threads";
import type { CampaignOrder, CampaignReport, Failure } from "./campaign.ts";
import type { History } from "./history.ts";
import type { Violation } from "./judge.ts";
import { plant } from "./mutants/plant.ts";

const { from, to, stride, mutant, checker, workload, theme, failuresMax } = workerData as CampaignOrder;
if (mutant !== undefined) plant(mutant);

// Only now: what these load may be the mutant.
const { judge } = await import("./judge.ts");
const { countRarities } = await import("./sometimes.ts");
const { chooseWorkloads } = await import("./choose-workloads.ts");
const { drawStage } = await import("./stage.ts");
const { Choices } = await import("../../src/testing/simulation/choices.ts");
const { simulate } = await import("./world.ts");

const workloads = chooseWorkloads(workload);
const reportEvery = 100;
let uncaught: string[] = [];
process.on("unhandledRejection", (reason) => uncaught.push(textOf(reason)));
process.on("uncaughtException", (error) => uncaught.push(textOf(error)));

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

let report = emptyReport();
let failures = 0;
for (let seed = from; seed < to && failures < failuresMax; seed += stride) {
  if (theme !== undefined && drawStage(new Choices(seed)).theme !== theme) continue;
  uncaught = [];
  const { history, violations } = await run(seed);
  if (uncaught.length > 0) violations.push({ checker: "nothing is thrown at nobody", messages: uncaught });
  report.histories += 1;
  report.steps += history?.steps ?? 0;
  for (const event of history?.events ?? []) {
    if (event.what === "mishap" || event.what === "accident") {
      report.faults[event.kind] = (report.faults[event.kind] ?? 0) + 1;
    }
  }
  for (const [rarity, count] of Object.entries(history === undefined ? {} : countRarities(history))) {
    report.rarities[rarity] = (report.rarities[rarity] ?? 0) + count;
  }
  const counts = checker === undefined || violations.some((violation) => violation.checker === checker);
  if (violations.length > 0 && counts) {
    failures += 1;
    const failure: Failure = { seed, violations, taken: history?.taken ?? [] };
    report.failures.push(failure);
  }
  if (report.histories === reportEvery) {
    parentPort?.postMessage(report);
    report = emptyReport();
  }
}
parentPort?.postMessage(report);

async function run(seed: number): Promise<{ readonly history?: History; readonly violations: Violation[] }> {
  try {
    const history = await simulate(seed, workloads);
    return { history, violations: [...judge(history)] };
  } catch (error) {
    return { violations: [{ checker: "the world comes to rest", messages: [textOf(error)] }] };
  }
}

function emptyReport(): CampaignReport {
  return { histories: 0, steps: 0, faults: {}, rarities: {}, failures: [] };
}
