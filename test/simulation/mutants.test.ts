// Goal: every planted bug is found within 20,000 seeds, every checker finds at least one, and none of the bugs can
// get into the package.
import { expect, test } from "vitest";
import { runCampaign } from "./campaign.ts";
import { checkers } from "./checkers/all.ts";
import { formerBugs } from "./corpus.ts";
import { mutants } from "./mutants/all.ts";
import { mutate } from "./mutants/plant.ts";

const seedsMax = 20_000;
/** Which checker found which bugs. */
const foundBy = new Map<string, string[]>();

test("there are at least thirty planted bugs, with names of their own", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(30);
});

test.each(mutants.map((mutant) => ({ name: mutant.name, mutant })))(
  "is found: $name",
  { timeout: 1_200_000 },
  async ({ name, mutant }) => {
    expect(mutate(mutant).size).toBeGreaterThan(0);
    const { checker } = mutant;
    const report = await runCampaign({
      ...{ from: 1, histories: seedsMax, threads: 2 },
      ...{ mutant, checker, failuresMax: 1 },
    });
    const [failure] = report.failures;
    expect(failure, `none of ${report.histories} histories showed it`).toBeDefined();
    for (const violation of failure?.violations ?? []) {
      foundBy.set(violation.checker, [...(foundBy.get(violation.checker) ?? []), name]);
    }
  },
);

test("no checker is unproven: each finds at least one planted bug", () => {
  expect(checkers.map(({ name }) => name).filter((name) => !foundBy.has(name))).toEqual([]);
});

test.each(formerBugs)(
  "seed $seed shows a former bug, and is clean without it: $mutant",
  async ({ mutant, seed }) => {
    const bug = mutants.find(({ name }) => name === mutant);
    expect(bug).toBeDefined();
    const seedAlone = { from: seed, histories: 1, threads: 1 };
    const with_ = await runCampaign({ ...seedAlone, ...(bug !== undefined && { mutant: bug }) });
    expect(with_.failures.map((failure) => failure.seed)).toEqual([seed]);
    const without = await runCampaign(seedAlone);
    expect(without.failures).toEqual([]);
  },
);
