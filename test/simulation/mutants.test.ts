// Goal: there are enough planted bugs, each still fits the code it spoils, and bugs that were once real stay found.
// That each is found, and each checker proven by one, `npm run simulate -- --mutant` shows on every commit.
import { expect, test } from "vitest";
import { runCampaign } from "./campaign.ts";
import { checkers } from "./checkers/all.ts";
import { formerBugs } from "./corpus.ts";
import { mutants } from "./mutants/all.ts";
import { mutate } from "./mutants/plant.ts";

test("there are at least thirty planted bugs, with names of their own", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(30);
});

test("each still stands in the code that it spoils, and changes it", () => {
  for (const mutant of mutants) {
    expect(mutate(mutant).size).toBeGreaterThan(0);
    for (const { find, replace } of mutant.edits) expect(replace).not.toBe(find);
  }
});

test("one whose text is gone is refused, for it would prove nothing", () => {
  const edit = { file: "roster/roster.ts", find: "never written", replace: "" };
  expect(() => mutate({ name: "gone", edits: [edit] })).toThrow(
    /src\/roster\/roster.ts must have its text once, and has it 0/,
  );
});

test("checkers that a bug must be found by exist", () => {
  const named = mutants.flatMap(({ checker }) => (checker === undefined ? [] : [checker]));
  expect(named.filter((name) => !checkers.some((checker) => checker.name === name))).toEqual([]);
});

test.each(formerBugs)(
  "seeds from $from on show a former bug, and are clean without it: $mutant.name",
  { timeout: 300_000 },
  async ({ mutant, from, histories }) => {
    const seeds = { from, histories, threads: 1 };
    const withBug = await runCampaign({ ...seeds, mutant, failuresMax: 1 });
    expect(withBug.failures.length).toBeGreaterThan(0);
    const withoutBug = await runCampaign(seeds);
    expect(withoutBug.failures).toEqual([]);
  },
);
