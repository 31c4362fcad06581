/** One thread of a campaign: runs its share of the seeds and posts a report now and then. */
import { parentPort, workerData } from "node:worker_threads";
import type { CampaignOrder, CampaignReport, Failure } from "./campaign.ts";
import { plant } from "./mutants/plant.ts";

const { from, to, stride, mutant, failuresMax } = workerData as CampaignOrder;
if (mutant !== undefined) plant(mutant);

// Only now: what these load may be the mutant.
const { judge } = await import("./judge.ts");
const { countRarities } = await import("./sometimes.ts");
const { workloads } = await import("./workloads/all.ts");
const { simulate } = await import("./world.ts");

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
  uncaught = [];
  const history = await simulate(seed, workloads);
  const violations = [...judge(history)];
  if (uncaught.length > 0) violations.push({ checker: "nothing is thrown at nobody", messages: uncaught });
  report.histories += 1;
  report.steps += history.steps;
  for (const event of history.events) {
    if (event.what === "mishap" || event.what === "accident") {
      report.faults[event.kind] = (report.faults[event.kind] ?? 0) + 1;
    }
  }
  for (const [rarity, count] of Object.entries(countRarities(history))) {
    report.rarities[rarity] = (report.rarities[rarity] ?? 0) + count;
  }
  if (violations.length > 0) {
    failures += 1;
    const failure: Failure = { seed, violations, taken: history.taken };
    report.failures.push(failure);
  }
  if (report.histories === reportEvery) {
    parentPort?.postMessage(report);
    report = emptyReport();
  }
}
parentPort?.postMessage(report);

function emptyReport(): CampaignReport {
  return { histories: 0, steps: 0, faults: {}, rarities: {}, failures: [] };
}
