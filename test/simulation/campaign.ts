import { Worker } from "node:worker_threads";
import type { Violation } from "./judge.ts";
import type { Mutant } from "./mutants/mutant.ts";
import type { Theme } from "./stage.ts";

/** A seed whose history has something that must not be. */
export interface Failure {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** All that went out of the ordinary in it. */
  readonly taken: readonly string[];
}

/** What came of some seeds. */
export interface CampaignReport {
  histories: number;
  /** Events of virtual time. */
  steps: number;
  /** How often each kind of fault was injected. */
  readonly faults: Record<string, number>;
  /** How often each rare thing happened. */
  readonly rarities: Record<string, number>;
  readonly failures: Failure[];
}

/** What one thread is told. */
export interface CampaignOrder {
  readonly from: number;
  readonly to: number;
  readonly stride: number;
  readonly mutant: Mutant | undefined;
  /** Only what this checker finds counts. */
  readonly checker: string | undefined;
  /** Names of workloads; none: all of them. */
  readonly workload: readonly string[];
  /** Only seeds whose worlds are about this are run. */
  readonly theme: Theme | undefined;
  /** The thread stops at so many. */
  readonly failuresMax: number;
}

/** Options of {@link runCampaign}. */
export interface CampaignOptions {
  readonly from: number;
  readonly histories: number;
  readonly threads: number;
  readonly mutant?: Mutant;
  /** Only what this checker finds counts. Default: what any of them finds. */
  readonly checker?: string | undefined;
  /** Names of workloads. Default: all of them. */
  readonly workload?: readonly string[];
  /** Of the seeds, only those whose worlds are about this. Default: all. */
  readonly theme?: Theme | undefined;
  /** It is over at so many failures. Default: 10. */
  readonly failuresMax?: number;
  /** Told now and then how far it is. */
  onProgress?(report: CampaignReport): void;
}

/** Runs many seeds, shared out over threads. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { from, histories, threads, mutant, checker, workload = [], failuresMax = 10, theme } = options;
  const total: CampaignReport = { histories: 0, steps: 0, faults: {}, rarities: {}, failures: [] };
  const workers = Array.from({ length: threads }, (_, index) => {
    const order: CampaignOrder = {
      from: from + index,
      to: from + histories,
      stride: threads,
      mutant,
      checker,
      workload,
      theme,
      failuresMax,
    };
    return new Worker(new URL("./campaign-thread.ts", import.meta.url), { workerData: order });
  });
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.on("message", (report: CampaignReport) => {
            include(total, report);
            options.onProgress?.(total);
            if (total.failures.length >= failuresMax) for (const each of workers) void each.terminate();
          });
          worker.on("error", reject);
          worker.on("exit", () => resolve());
        }),
    ),
  );
  total.failures.sort((left, right) => left.seed - right.seed);
  return total;
}

function include(total: CampaignReport, part: CampaignReport): void {
  total.histories += part.histories;
  total.steps += part.steps;
  total.failures.push(...part.failures);
  for (const [fault, count] of Object.entries(part.faults))
    total.faults[fault] = (total.faults[fault] ?? 0) + count;
  for (const [rarity, count] of Object.entries(part.rarities)) {
    total.rarities[rarity] = (total.rarities[rarity] ?? 0) + count;
  }
}
