// Goal: the checkers of limits find each sure excess and each limit that admits no more, and nothing in a log that may
// have been good.
import { expect, test } from "vitest";
import { checkAdmitting, checkNeverOver } from "./checkers/limits.ts";
import { type History, isProgress, type WorkerEvent } from "./history.ts";
import { limits } from "./worker-settings.ts";

const [bucket, window] = limits;

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

function admitted(name: string, tokens: number, calledAt: number, at: number): WorkerEvent {
  return { at, event: "admitted", name, tokens, calledAt, source: "store" };
}

const denied = (name: string): WorkerEvent => ({
  at: 0,
  event: "denied",
  name,
  degraded: false,
  source: "store",
});

test("never over: a window that two fill beyond the limit is found, wherever the stretch lies", () => {
  const { name, policy } = window;
  const logs = [[admitted(name, policy.limit, 100, 110), denied(name)], [admitted(name, 1, 900, 1_090)]];
  const { examined, violations } = checkNeverOver(history(logs));
  expect(violations).toEqual([
    `${name} admitted ${policy.limit + 1} tokens in the 990.0 ms from 100.0 on, ${policy.limit} at most are allowed`,
  ]);
  expect(examined).toBe(2);
});

test("never over: what may have been taken outside the window is no sure excess", () => {
  const { name, policy } = window;
  for (const second of [admitted(name, 1, 900, 1_110), admitted(name, 1, 2_000, 2_001)]) {
    const logs = [[admitted(name, policy.limit, 100, 110)], [second]];
    expect(checkNeverOver(history(logs)).violations).toEqual([]);
  }
});

test("never over: a bucket gives what it holds and what came back since, and not a token more", () => {
  const { name, policy } = bucket;
  const back = (500 * policy.limit) / policy.per;
  const taken = (more: number) => [
    [admitted(name, policy.burst, 0, 10), admitted(name, back / 2, 100, 250)],
    [admitted(name, back / 2 + more, 260, 500)],
  ];
  expect(checkNeverOver(history(taken(0))).violations).toEqual([]);
  expect(checkNeverOver(history(taken(1))).violations).toEqual([
    `${name} admitted ${policy.burst + back + 1} tokens in the 500.0 ms from 0.0 on, ${policy.burst + back} at most are ` +
      "allowed",
  ]);
});

test("never over: limits that denied nothing, or only without the store, were never tried", () => {
  const { name } = bucket;
  const blind: WorkerEvent = { at: 0, event: "denied", name, degraded: true, source: "local" };
  expect(checkNeverOver(history([[admitted(name, 1, 0, 10), blind]])).examined).toBe(0);
  expect(checkNeverOver(history([[admitted(name, 1, 0, 10), denied(name)]])).examined).toBe(1);
});

test("going on: a limit that admits too late after a fault, or no more, is found", () => {
  const rounds = [{ what: "a fault", faultAt: 0, healedAt: 100, survivors: [] }];
  const good = [admitted(bucket.name, 1, 110, 120), admitted(window.name, 1, 130, 140)];
  expect(checkAdmitting(history([good], { rounds }), 50)).toEqual({ examined: 2, violations: [] });
  expect(checkAdmitting(history([good], { rounds }), 30).violations).toEqual([
    `${window.name} admitted again only 40 ms after a fault, more than 30 ms`,
  ]);
  // It was asked for before the fault was over.
  const early = [admitted(bucket.name, 1, 90, 120), admitted(window.name, 1, 130, 140)];
  expect(checkAdmitting(history([early], { rounds }), 50).violations).toEqual([
    `${bucket.name} admitted nothing any more after a fault`,
  ]);
});

test("only what the store said counts as getting on", () => {
  const { name } = bucket;
  expect(isProgress(denied(name))).toBe(true);
  expect(isProgress({ at: 0, event: "denied", name, degraded: false, source: "cache" })).toBe(false);
  expect(isProgress({ at: 0, event: "denied", name, degraded: true, source: "local" })).toBe(false);
});
