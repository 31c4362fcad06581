// Goal: each checker finds what it is there for in a log that shows it, and nothing in a log that does not.
import { describe, expect, test } from "vitest";
import { checkCounting } from "./checkers/counting.ts";
import { checkEndings } from "./checkers/endings.ts";
import { checkErrors } from "./checkers/errors.ts";
import { checkExclusion } from "./checkers/exclusion.ts";
import { checkFences } from "./checkers/fences.ts";
import { checkFirstCome } from "./checkers/first-come.ts";
import { checkLeases } from "./checkers/leases.ts";
import { checkLostStore } from "./checkers/lost-store.ts";
import { checkRecovery } from "./checkers/recovery.ts";
import { checkResource } from "./checkers/resource.ts";
import { evidenceIn, vacuityOf } from "./checkers/vacuity.ts";
import type { History, WorkerEvent } from "./history.ts";

const ttlMs = 1_000;
const name = "lock";

function history(logs: readonly (readonly WorkerEvent[])[], rest: Partial<History> = {}): History {
  const workers = logs.map((events, place) => ({ worker: `w${place}.0`, place, events }));
  return { ttlMs, workers, rounds: [], resource: [], startedAt: 0, leftovers: [], stubborn: [], ...rest };
}

/** One request from call to release, held until the end. */
function turn(call: number, calledAt: number, grantedAt: number, to: number, fence: number): WorkerEvent[] {
  return [
    { at: calledAt, event: "called", call, name },
    { at: grantedAt, event: "granted", call, name, fence },
    { at: grantedAt, event: "held", call },
    { at: to, event: "held", call },
    { at: to, event: "ended", call },
  ];
}

function session(from: number, to: number): WorkerEvent[] {
  const events: WorkerEvent[] = [{ at: from, event: "session" }];
  for (let sentAt = from; sentAt <= to; sentAt += ttlMs / 3)
    events.push({ at: sentAt + 1, event: "renewed", sentAt });
  return events;
}

function inOrder(...parts: readonly (readonly WorkerEvent[])[]): WorkerEvent[] {
  return parts.flat().sort((a, b) => a.at - b.at);
}

describe("exclusion", () => {
  test("finds two sections that overlap, also where the later one has the smaller fence", () => {
    const { violations } = checkExclusion(history([turn(1, 0, 10, 30, 7), turn(1, 0, 20, 40, 6)]));
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain("held twice for 10.0 ms");
  });

  test("finds a section within another one, behind a third", () => {
    const logs = [turn(1, 0, 10, 100, 1), turn(1, 0, 20, 30, 2), turn(1, 0, 50, 60, 3)];
    expect(checkExclusion(history(logs)).violations).toHaveLength(2);
  });

  test("accepts sections one after the other, and one that was stopped until others had come", () => {
    const stopped: WorkerEvent[] = [
      ...turn(2, 30, 50, 60, 3).slice(0, 3),
      { at: 5_000, event: "lost", call: 2 },
    ];
    const found = checkExclusion(history([turn(1, 0, 10, 30, 1), stopped, turn(1, 0, 3_000, 3_010, 4)]));
    expect(found).toEqual({ examined: 3, violations: [] });
  });
});

describe("fences", () => {
  test("finds a fence that was given twice", () => {
    const { violations } = checkFences(history([turn(1, 0, 10, 20, 7), turn(1, 5, 30, 40, 7)]));
    expect(violations[0]).toContain("given twice");
  });

  test("finds a smaller fence for who asked later", () => {
    const { violations } = checkFences(history([turn(1, 0, 10, 20, 7), turn(1, 15, 30, 40, 6)]));
    expect(violations[0]).toContain("fell");
  });

  test("accepts any order among those that asked at the same time", () => {
    const found = checkFences(history([turn(1, 0, 30, 40, 6), turn(1, 5, 10, 20, 7)]));
    expect(found).toEqual({ examined: 2, violations: [] });
  });
});

describe("resource", () => {
  const logs = [turn(1, 0, 10, 20, 1), turn(1, 0, 30, 40, 2)];
  const write = (worker: string, fence: number, accepted: boolean) => ({
    at: 50,
    worker,
    name,
    fence,
    accepted,
  });

  test("finds an older fence that was accepted after a newer one", () => {
    const resource = [write("w1.0", 2, true), write("w0.0", 1, true)];
    expect(checkResource(history(logs, { resource })).violations[0]).toContain(
      "accepted after one with fence 2",
    );
  });

  test("finds a refusal without a reason, and a fence that was never granted", () => {
    const resource = [write("w1.0", 2, false), write("w0.0", 2, true)];
    const [refused, foreign] = checkResource(history(logs, { resource })).violations;
    expect(refused).toContain("nothing newer");
    expect(foreign).toContain("never granted");
  });

  test("accepts writes in order, and the refusal of a late one", () => {
    const resource = [write("w0.0", 1, true), write("w1.0", 2, true), write("w0.0", 1, false)];
    expect(checkResource(history(logs, { resource }))).toEqual({ examined: 3, violations: [] });
  });
});

describe("counting", () => {
  const add = (sequence: number, calledAt: number, addedAt: number, sum: number): WorkerEvent[] => [
    { at: calledAt, event: "add-called", sequence },
    { at: addedAt, event: "added", sequence, sum },
  ];
  const called = (sequence: number, at: number): WorkerEvent => ({ at, event: "add-called", sequence });
  const dropped = (sequence: number, at: number): WorkerEvent => ({ at, event: "add-dropped", sequence });

  test("finds an acknowledged add that is not in the sum", () => {
    const logs = [[...add(1, 0, 5, 1), ...add(2, 10, 15, 2)]];
    expect(checkCounting(history(logs, { finalSum: 1 })).violations).not.toEqual([]);
  });

  test("finds an add that counted twice, and one that counted though it was said not to", () => {
    const logs = [[...add(1, 0, 5, 1), called(2, 10), dropped(2, 20)]];
    expect(checkCounting(history(logs, { finalSum: 2 })).violations[0]).toContain("stands at 2");
  });

  test("finds a sum that was answered twice, and one that fell", () => {
    const logs = [add(1, 0, 5, 2), add(1, 10, 15, 2), add(1, 20, 25, 1)];
    const { violations } = checkCounting(history(logs, { finalSum: 3 }));
    expect(violations.filter((text) => text.includes("was answered to"))).toHaveLength(1);
    expect(violations.filter((text) => text.includes("before it"))).toHaveLength(2);
  });

  test("accepts adds whose outcome nobody knows, counted or not", () => {
    for (const finalSum of [1, 2]) {
      const found = checkCounting(history([add(1, 0, 5, 1), [called(1, 3)]], { finalSum }));
      expect(found).toEqual({ examined: 1, violations: [] });
    }
  });

  test("finds that the sum could not be read", () => {
    expect(checkCounting(history([add(1, 0, 5, 1)])).violations).toHaveLength(1);
  });
});

describe("first come", () => {
  const queued = (call: number, at: number): WorkerEvent => ({ at, event: "queued", call });

  test("finds who was overtaken by one that asked later", () => {
    const first = inOrder(session(0, 300), turn(1, 10, 200, 210, 9), [queued(1, 20)]);
    const later = inOrder(session(0, 300), turn(1, 30, 100, 110, 8));
    expect(checkFirstCome(history([first, later])).violations).toHaveLength(1);
  });

  test("finds who was never served while its lease was good", () => {
    const first = inOrder(
      session(0, 900),
      [{ at: 10, event: "called", call: 1, name }, queued(1, 20)],
      [{ at: 900, event: "gave-up", call: 1, code: "ABORTED" }],
    );
    const later = inOrder(session(0, 900), turn(1, 30, 100, 110, 8));
    const found = checkFirstCome(history([first, later]));
    expect(found.violations[0]).toContain("never served");
  });

  test("excuses who could not renew in time, who gave up, and who had not been seen in line", () => {
    const lapsed = inOrder(
      session(0, 0),
      turn(1, 10, 2_000, 2_010, 9),
      [queued(1, 20)],
      session(1_900, 1_900),
    );
    const later = inOrder(session(0, 2_000), turn(1, 30, 1_200, 1_210, 8));
    const late: WorkerEvent = { at: 1_850, event: "renewed", sentAt: 900 };
    const gone = inOrder(session(0, 300), [
      { at: 10, event: "called", call: 1, name },
      queued(1, 20),
      { at: 25, event: "gave-up", call: 1, code: "ACQUIRE_TIMEOUT" },
    ]);
    const unseen = inOrder(session(0, 300), turn(1, 10, 1_500, 1_510, 10));
    for (const first of [lapsed, inOrder(lapsed, [late]), gone, unseen]) {
      expect(checkFirstCome(history([first, later])).violations).toEqual([]);
    }
  });

  test("accepts a line that is served in order", () => {
    const first = inOrder(session(0, 300), turn(1, 10, 100, 110, 8), [queued(1, 20)]);
    const later = inOrder(session(0, 300), turn(1, 30, 120, 130, 9));
    expect(checkFirstCome(history([first, later]))).toEqual({ examined: 1, violations: [] });
  });
});

describe("leases", () => {
  test("finds a lease that was lost before its time, and accepts one that was lost in time", () => {
    const early = inOrder(session(0, 400), [{ at: 900, event: "lost", call: 1 }]);
    const inTime = inOrder(session(0, 400), [{ at: 1_340, event: "lost", call: 1 }]);
    expect(checkLeases(history([early])).violations).toHaveLength(1);
    expect(checkLeases(history([inTime]))).toEqual({ examined: 1, violations: [] });
  });

  test("counts no answer that came when the lease was over, and counts anew from the next session on", () => {
    const late: WorkerEvent = { at: 1_420, event: "renewed", sentAt: 1_000 };
    const lost: WorkerEvent = { at: 1_430, event: "lost", call: 1 };
    const first = inOrder(session(0, 400), [late, lost]);
    expect(checkLeases(history([first])).violations).toEqual([]);
    const again = inOrder(first, session(1_500, 1_500), [{ at: 1_600, event: "lost", call: 2 }]);
    expect(checkLeases(history([again]))).toMatchObject({ examined: 2, violations: [expect.any(String)] });
  });
});

describe("endings and errors", () => {
  const closed: WorkerEvent = { at: 1, event: "closed" };

  test("finds who did not stop, who ended by itself, and what stayed behind", () => {
    const logs: WorkerEvent[][] = [[], [closed]];
    const rest = { stubborn: ["w1.0"], leftovers: ["the lock is still held"] };
    expect(checkEndings(history(logs, rest)).violations).toHaveLength(3);
    expect(checkEndings(history([[closed]])).violations).toEqual([]);
  });

  test("excuses who was killed", () => {
    const workers = [{ worker: "w0.0", place: 0, events: [], killedAt: 1 }];
    expect(checkEndings({ ...history([]), workers }).violations).toEqual([]);
  });

  test("finds an error without a code, and a code that the fault cannot lead to", () => {
    const failed: WorkerEvent = { at: 1, event: "store-failed", doing: "get", code: "STORE_MISSING" };
    const odd: WorkerEvent = { at: 1, event: "unexpected", message: "TypeError" };
    expect(checkErrors(history([[failed, failed], [odd]]), []).violations).toHaveLength(2);
    expect(checkErrors(history([[failed]]), ["STORE_MISSING"]).violations).toEqual([]);
  });
});

describe("recovery and lost stores", () => {
  const round = { what: "a fault", faultAt: 100, healedAt: 200, survivors: ["w0.0", "w1.0"] };

  test("finds who gets on too late, and who never does", () => {
    const found = checkRecovery(history([turn(1, 0, 900, 910, 1), []], { rounds: [round] }), 500);
    expect(found.violations).toHaveLength(2);
    expect(found.violations[1]).toContain("nothing done any more");
    const soon = [turn(1, 0, 300, 310, 1), turn(1, 0, 320, 330, 2)];
    expect(checkRecovery(history(soon, { rounds: [round] }), 500).violations).toEqual([]);
  });

  test("finds who was not told that the store is gone, and who went on in it", () => {
    const told: WorkerEvent = { at: 300, event: "gave-up", call: 1, code: "STORE_MISSING" };
    const logs = [[told], [...turn(1, 210, 300, 310, 1)]];
    expect(checkLostStore(history(logs, { rounds: [round] })).violations).toHaveLength(2);
    expect(checkLostStore(history([[told], [told]], { rounds: [round] })).violations).toEqual([]);
  });
});

describe("vacuity", () => {
  const busy = Array.from({ length: 100 }, (_, index) =>
    turn(index, index * 10, index * 10 + 1, index * 10 + 2, index),
  );

  test("finds a run without a fault, and one whose fault nobody felt", () => {
    expect(vacuityOf(evidenceIn(history([busy.flat()])), 5)).not.toEqual([]);
    const rounds = [{ what: "nothing", faultAt: 500, healedAt: 600, survivors: [] }];
    const reasons = vacuityOf(evidenceIn(history([busy.flat()], { rounds })), 5);
    expect(reasons).toEqual(["nobody felt any of the faults"]);
  });

  test("finds a run in which hardly anything was done before the fault", () => {
    const rounds = [{ what: "a kill", faultAt: 900, healedAt: 1_000, survivors: [] }];
    const idle = history([turn(1, 0, 10, 20, 1)], { rounds });
    expect(vacuityOf(evidenceIn(idle), 5)[0]).toContain("operations a second");
  });

  test("counts operations, faults that were felt, and unknown outcomes", () => {
    const rounds = [{ what: "a fault", faultAt: 500, healedAt: 600, survivors: [] }];
    const unknown: WorkerEvent = { at: 550, event: "store-failed", doing: "commit", code: "OUTCOME_UNKNOWN" };
    const evidence = evidenceIn(history([busy.flat(), [unknown]], { rounds }));
    expect(evidence).toMatchObject({ operations: 100, faults: 1, felt: 1, unknownOutcomes: 1 });
    expect(vacuityOf(evidence, 5)).toEqual([]);
  });
});
