// Goal: the checkers of partitions that a group shares and of slots that a fleet runs find each planted bad log, and
// nothing in a good one.
import { describe, expect, test } from "vitest";
import { checkExclusion } from "./checkers/exclusion.ts";
import { checkMoves, checkSpread, isSpread } from "./checkers/partitions.ts";
import { checkClosed, checkGoingOn, checkSlots } from "./checkers/slots.ts";
import type { History, WorkerEvent } from "./history.ts";
import { shards, sweep } from "./worker-settings.ts";

const ttlMs = 1_000;
const limitMs = 500;

function history(logs: readonly (readonly WorkerEvent[])[], rest: Partial<History> = {}): History {
  const workers = logs.map((events, place) => ({ worker: `w${place}.0`, place, events }));
  return { ttlMs, workers, rounds: [], resource: [], startedAt: 0, leftovers: [], stubborn: [], ...rest };
}

function inOrder(...parts: readonly (readonly WorkerEvent[])[]): WorkerEvent[] {
  return parts.flat().sort((a, b) => a.at - b.at);
}

function session(from: number, renewedAt: number): WorkerEvent[] {
  return [
    { at: from, event: "session" },
    { at: renewedAt + 1, event: "renewed", sentAt: renewedAt },
  ];
}

/** Owns a partition from the one moment to the other; asked to give it up at the second, and done at a third. */
function owned(partition: number, from: number, to: number, endedAt = to): WorkerEvent[] {
  const call = partition + 1;
  return [
    { at: from - 5, event: "called", call, name: `${shards.group}/${partition}` },
    { at: from, event: "granted", call, name: `${shards.group}/${partition}`, fence: from },
    { at: from, event: "held", call },
    { at: to, event: "held", call },
    { at: to, event: "moving", call },
    { at: endedAt, event: "ended", call },
  ];
}

describe("moves", () => {
  const before = inOrder(session(0, 50), owned(3, 60, 100, 130));

  test("find a new owner that began before the work of the one before had ended", () => {
    const { violations } = checkMoves(history([before, owned(3, 120, 150)]));
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(
      "moved from w0.0 (fence 60) to w1.0 (fence 120) 10.0 ms before the work had ended",
    );
    // Both had obeyed their signals.
    expect(checkExclusion(history([before, owned(3, 120, 150)])).violations).toEqual([]);
  });

  test("accept who began afterwards, and another partition", () => {
    const logs = [before, owned(3, 140, 150), owned(4, 120, 150)];
    // Who has no session, in these logs, holds nothing that could last.
    expect(checkMoves(history(logs))).toEqual({ examined: 1, violations: [] });
  });

  test("excuse work that went on when the lease had ended, or in another session", () => {
    const late = inOrder(session(0, 50), owned(3, 60, 100, 1_100));
    const other = inOrder(session(0, 50), owned(3, 60, 100, 1_000), session(110, 900));
    for (const log of [late, other]) {
      const found = checkMoves(history([log, owned(3, 990, 995)]));
      expect(found).toEqual({ examined: 0, violations: [] });
    }
  });

  test("excuse who was granted it, and stood still until it had been lost", () => {
    const [called, granted] = owned(3, 120, 150) as [WorkerEvent, WorkerEvent];
    expect(checkMoves(history([before, [called, granted]])).violations).toEqual([]);
  });
});

describe("spread", () => {
  const at = 100;
  /** Everything owned by four, in turn. */
  const dealt = (of: number): WorkerEvent[][] =>
    Array.from({ length: 4 }, (_, place) =>
      Array.from({ length: of }, (__, partition) => partition)
        .filter((partition) => partition % 4 === place)
        .flatMap((partition) => owned(partition, 50, 150)),
    );

  test("is good where everything is owned, as evenly as it goes", () => {
    const all = history(dealt(shards.count), { settledAt: at });
    expect(checkSpread(all)).toEqual({ examined: shards.count, violations: [] });
    expect(isSpread(all.workers, at)).toBe(true);
    expect(isSpread(all.workers, 160)).toBe(false);
  });

  test("finds what nobody owns, or two own", () => {
    const missing = checkSpread(history(dealt(shards.count - 1), { settledAt: at })).violations;
    expect(missing[0]).toContain(`partition ${shards.count - 1} is owned by nobody`);
    const logs = dealt(shards.count);
    const twice = checkSpread(history([...logs, owned(0, 50, 150)], { settledAt: at })).violations;
    expect(twice[0]).toContain("partition 0 is owned by w0.0 and w4.0");
  });

  test("finds a member that has too little, and counts nobody who was killed", () => {
    const idle = history([...dealt(shards.count), []], { settledAt: at });
    expect(checkSpread(idle).violations[0]).toContain(
      "not shared evenly after the faults, at 100.0: w0.0 has 3",
    );
    const workers = idle.workers.map((log) => (log.worker === "w4.0" ? { ...log, killedAt: 10 } : log));
    expect(checkSpread({ ...idle, workers }).violations).toEqual([]);
  });

  test("has nothing to say of a crew that was never to be settled", () => {
    expect(checkSpread(history(dealt(1)))).toEqual({ examined: 0, violations: [] });
  });
});

describe("slots", () => {
  /** Asks for a slot, and begins it as this attempt. */
  function began(slot: number, fence: number, rest: { attempt?: number; name?: string; ran?: number } = {}) {
    const { attempt = 1, name = "thrice", ran = slot } = rest;
    const call = fence;
    const events: WorkerEvent[] = [
      { at: 10 * fence, event: "called", call, name, slot },
      { at: 10 * fence + 1, event: "began", call, slot: ran, attempt },
      { at: 10 * fence + 1, event: "granted", call, name, fence },
    ];
    return events;
  }
  const asked = (slot: number, name = "thrice"): WorkerEvent[] => [
    { at: 5, event: "called", call: 0, name, slot },
    { at: 6, event: "refused", call: 0, reason: "taken" },
  ];

  test("find one that was begun twice, by whomever", () => {
    const logs = [began(7, 1), began(7, 2)];
    const { violations } = checkSlots(history(logs));
    expect(violations[0]).toContain(
      "slot 7, attempt 1, of thrice was begun by w0.0 (fence 1) and w1.0 (fence 2)",
    );
    expect(checkSlots(history([[...began(7, 1), ...began(7, 2)]])).violations).not.toEqual([]);
  });

  test("find one that was begun twice by two that were killed before they said more", () => {
    const [called, begun] = began(7, 1) as [WorkerEvent, WorkerEvent];
    expect(checkSlots(history([[called, begun], began(7, 2)])).violations).toHaveLength(1);
  });

  test("find one attempt too many", () => {
    const logs = [began(7, 1, { name: "once" }), began(7, 2, { name: "once", attempt: 2 })];
    expect(checkSlots(history(logs)).violations).toEqual([
      "slot 7 of once was begun 2 times, by w1.0 at last",
    ]);
  });

  test("find one that was begun after a newer one, and one that nobody asked for", () => {
    expect(checkSlots(history([began(7, 2), began(8, 1)])).violations[0]).toContain("after slot 8");
    expect(checkSlots(history([began(7, 1, { ran: 9 })])).violations).toEqual([
      "w0.0 asked for slot 7 of thrice and ran 9",
    ]);
  });

  test("accept slots in order and further attempts, and examine what several asked for", () => {
    const logs = [began(7, 1), [...asked(8), ...began(7, 2, { attempt: 2 }), ...began(8, 3)], asked(7)];
    expect(checkSlots(history(logs))).toEqual({ examined: 1, violations: [] });
    expect(checkSlots(history([began(7, 1, { name: "once" }), asked(7)])).examined).toBe(0);
  });

  test("closed: find a run that began too soon after the one before it", () => {
    const sweeping = (calledAt: number, grantedAt: number, fence: number): WorkerEvent[] => [
      { at: calledAt, event: "called", call: fence, name: sweep.name },
      { at: grantedAt, event: "began", call: fence, slot: null, attempt: 1 },
      { at: grantedAt, event: "granted", call: fence, name: sweep.name, fence },
    ];
    const first = sweeping(100, 110, 1);
    const tooSoon = checkClosed(history([first, sweeping(480, 100 + sweep.atLeastMs - 1, 2)])).violations;
    expect(tooSoon[0]).toContain("w1.0 ran sweep (fence 2) 399.0 ms after w0.0 had asked to");
    const inTime = history([first, sweeping(480, 100 + sweep.atLeastMs, 2)]);
    expect(checkClosed(inTime)).toEqual({ examined: 1, violations: [] });
    expect(checkSlots(inTime)).toEqual({ examined: 0, violations: [] });
  });

  test("going on: find a timetable that runs too late after a fault, or no more", () => {
    const rounds = [{ what: "a fault", faultAt: 0, healedAt: 5, survivors: [] }];
    const two = [began(7, 1), began(7, 2, { name: sweep.name })];
    const all = [...two, began(7, 20, { name: "once" })];
    expect(checkGoingOn(history(all, { rounds }), limitMs)).toEqual({ examined: 3, violations: [] });
    expect(checkGoingOn(history(all, { rounds }), 100).violations).toEqual([
      "once ran again only 196 ms after a fault, more than 100 ms",
    ]);
    expect(checkGoingOn(history(two, { rounds }), limitMs).violations).toEqual([
      "no slot of once was run any more after a fault",
    ]);
  });
});
