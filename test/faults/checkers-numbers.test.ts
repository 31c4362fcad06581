// Goal: the checkers of counters that step and of sequences find each planted bad log, and nothing in a good one.
import { expect, test } from "vitest";
import { checkGaps, checkSteps, checkUnique } from "./checkers/numbers.ts";
import type { History, WorkerEvent } from "./history.ts";
import { numbered } from "./worker-settings.ts";

function history(logs: readonly (readonly WorkerEvent[])[], rest: Partial<History> = {}): History {
  const workers = logs.map((events, place) => ({ worker: `w${place}.0`, place, events }));
  return {
    ttlMs: 1_000,
    workers,
    rounds: [],
    resource: [],
    startedAt: 0,
    leftovers: [],
    stubborn: [],
    ...rest,
  };
}

const given = (name: string, number: number, calledAt: number, at: number): WorkerEvent => ({
  ...{ at, event: "numbered", name, number, calledAt },
});
const stepped = (from: number): WorkerEvent => ({ at: 1, event: "stepped", from });
const begun = (number: number): WorkerEvent => ({ at: 1, event: "issuing", number });
const issued = (number: number): WorkerEvent => ({ at: 2, event: "issued", number });

test("steps: one that two made is found, and a counter that fell behind", () => {
  const logs = [[stepped(0), stepped(1)], [stepped(1)]];
  const twice = checkSteps(history(logs, { finalNumbers: { steps: 3, lastIssued: 0 } }));
  expect(twice.violations).toEqual(["the step from 1 was given to w0.0 and to w1.0"]);
  const behind = checkSteps(
    history([[stepped(0), stepped(1)]], { finalNumbers: { steps: 1, lastIssued: 0 } }),
  );
  expect(behind.violations).toEqual(["the counter stands at 1, and 2 steps were confirmed"]);
  // One may have been made whose answer was lost.
  const good = checkSteps(
    history([[stepped(0)], [stepped(1)]], { finalNumbers: { steps: 3, lastIssued: 0 } }),
  );
  expect(good).toEqual({ examined: 2, violations: [] });
});

test("unique: a number that two got is found, in blocks and one by one", () => {
  for (const name of [numbered.blocks, numbered.risen]) {
    const logs = [[given(name, 7, 0, 9)], [given(name, 7, 1, 8)]];
    expect(checkUnique(history(logs)).violations).toEqual([`${name} 7 was given to w0.0 and to w1.0`]);
  }
});

test("unique: numbers fall between processes in blocks only, and in no process", () => {
  const between = (name: string) => [[given(name, 20, 0, 1)], [given(name, 5, 2, 3)]];
  expect(checkUnique(history(between(numbered.blocks))).violations).toEqual([]);
  expect(checkUnique(history(between(numbered.risen))).violations).toEqual([
    `w1.0 got 5 of ${numbered.risen} when 20 had been given`,
  ]);
  const fell = [[given(numbered.blocks, 6, 0, 1), given(numbered.blocks, 5, 2, 3)]];
  expect(checkUnique(history(fell)).violations).toHaveLength(1);
  // Both had asked at the same time.
  const together = [[given(numbered.risen, 20, 0, 9)], [given(numbered.risen, 5, 2, 12)]];
  expect(checkUnique(history(together))).toEqual({ examined: 2, violations: [] });
});

test("gaps: a number that nobody began, that two had, or that is beyond the last is found", () => {
  const finalNumbers = { steps: 0, lastIssued: 2 };
  const good = [
    [begun(1), issued(1)],
    [begun(2), begun(3)],
  ];
  expect(checkGaps(history(good, { finalNumbers }))).toEqual({ examined: 1, violations: [] });
  expect(checkGaps(history([[begun(1), issued(1)]], { finalNumbers })).violations).toEqual([
    "number 2 counts as used, and nobody began it",
  ]);
  const twice = [
    [begun(1), issued(1)],
    [begun(1), issued(1), begun(2)],
  ];
  expect(checkGaps(history(twice, { finalNumbers })).violations).toEqual([
    `${numbered.issued} 1 was given to w0.0 and to w1.0`,
  ]);
  const beyond = [[begun(1), begun(2), begun(3), issued(3)]];
  expect(checkGaps(history(beyond, { finalNumbers })).violations).toEqual([
    "w0.0 issued 3, and only 2 are used at the end",
  ]);
});
