// Goal: the demo's check finds what it is there to find.
import { expect, test } from "vitest";
import { check } from "../../examples/fleet/check.ts";
import { openResults, type Results } from "../../examples/fleet/results.ts";

const stopped = { worker: 1, job: "a", fence: 10 };
const killed = { worker: 2, job: "b", fence: 11 };

/** What a good run leaves: 1 is stopped with a, 2 dies with b, 3 takes over both. */
function goodRun(): Results {
  const results = openResults(":memory:");
  results.enroll(["a", "b"]);
  results.claim("a", 1, 10);
  results.claim("b", 2, 11);
  results.claim("a", 3, 12);
  return results;
}

function finish(results: Results): void {
  results.write("a", 3, 12, "done");
  results.claim("b", 3, 13);
  results.write("b", 3, 13, "done");
}

const failures = (results: Results, accidents: Parameters<typeof check>[2] = { stopped, killed }) =>
  check(["a", "b"], results.audit(), accidents).flatMap(({ holds, text }) => (holds ? [] : [text]));

test("a good run passes", () => {
  using results = goodRun();
  expect(results.write("a", 1, 10, "late")).toEqual({ accepted: false, seenFence: 12 });
  finish(results);
  expect(failures(results)).toEqual([]);
  expect(results.unfinished()).toEqual([]);
});

test("a run without accidents proves nothing", () => {
  using results = goodRun();
  finish(results);
  expect(failures(results, { stopped: undefined, killed: undefined })).toEqual([
    "no worker was stopped",
    "no worker was killed",
  ]);
});

test("a late write that never came is missed", () => {
  using results = goodRun();
  finish(results);
  expect(failures(results)).toEqual(["late write of worker 1 with fence 10: it never came"]);
});

test("a late write that was accepted is found, and the job that was done twice", () => {
  using results = openResults(":memory:");
  results.enroll(["a", "b"]);
  results.claim("a", 1, 10);
  results.claim("b", 2, 11);
  // A lock that gives out the same fence again: the resource cannot tell the two holders apart.
  results.write("a", 3, 10, "done");
  results.write("a", 1, 10, "late");
  results.claim("b", 3, 13);
  results.write("b", 3, 13, "done");
  expect(failures(results)).toEqual([
    "1 of 2 jobs done exactly once; a 2 times",
    "late write of worker 1 with fence 10 was accepted by a",
  ]);
});

test("a job that was not done is found, and a dead worker's job that nobody took over", () => {
  using results = goodRun();
  results.write("a", 1, 10, "late");
  results.write("a", 3, 12, "done");
  expect(failures(results)).toEqual([
    "1 of 2 jobs done exactly once; b 0 times",
    "worker 2 was killed with b, fence 11: nobody took over with a larger fence",
  ]);
});

test("the resource lets nobody claim with a fence that is not larger, nor what is done", () => {
  using results = goodRun();
  expect(results.claim("a", 4, 12)).toEqual({ claimed: false });
  expect(results.claim("a", 4, 9)).toEqual({ claimed: false });
  expect(results.claim("a", 4, 14)).toEqual({ claimed: true, earlier: { worker: 3, fence: 12 } });
  finish(results);
  expect(results.claim("b", 4, 15)).toEqual({ claimed: false });
});

test("a fence that does not rise is found", () => {
  const claims = [
    { job: "a", worker: 1, fence: 10 },
    { job: "a", worker: 2, fence: 10 },
  ];
  const findings = check([], { claims, writes: [] }, { stopped, killed });
  expect(findings.map(({ text }) => text)).toContain(
    "fences must rise, but worker 2 came to a with fence 10",
  );
});
