// Goal: the checkers of what is shared, of modes that change and of terms find each planted bad log, and nothing in a
// good one.
import { describe, expect, test } from "vitest";
import { checkExclusion } from "./checkers/exclusion.ts";
import { checkFences } from "./checkers/fences.ts";
import { checkResource } from "./checkers/resource.ts";
import { checkPermits, checkReaders, checkUpgrades } from "./checkers/sharing.ts";
import type { History, Share, WorkerEvent } from "./history.ts";

const name = "shared";

function history(logs: readonly (readonly WorkerEvent[])[], rest: Partial<History> = {}): History {
  const workers = logs.map((events, place) => ({ worker: `w${place}.0`, place, events }));
  return {
    ...{ ttlMs: 1_000, workers, rounds: [], resource: [], startedAt: 0, leftovers: [], stubborn: [] },
    ...rest,
  };
}

/** Held from the one moment to the other, as the only thing that its worker does. */
function held(fence: number, share: Share, from: number, to: number): WorkerEvent[] {
  return [
    { at: from - 5, event: "called", call: 1, name },
    { at: from, event: "granted", call: 1, name, fence, share },
    { at: from, event: "held", call: 1 },
    { at: to, event: "held", call: 1 },
  ];
}

function inOrder(...parts: readonly (readonly WorkerEvent[])[]): WorkerEvent[] {
  return parts.flat().sort((a, b) => a.at - b.at);
}

const upgradeCalled = (at: number): WorkerEvent => ({ at, event: "upgrade-called", call: 1 });
const upgraded = (at: number, fence: number): WorkerEvent => ({ at, event: "upgraded", call: 1, fence });
const share = (at: number, to: Share): WorkerEvent => ({ at, event: "share", call: 1, share: to });

describe("permits", () => {
  test("finds one permit too many among several holders, and for how long", () => {
    const { violations } = checkPermits(
      history([held(1, 2, 10, 50), held(2, 2, 20, 60), held(3, 2, 30, 40)]),
    );
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain("6 of 5 permits were held at 30.0, for 10.0 ms");
  });

  test("finds too many behind somebody who has left meanwhile", () => {
    const { violations } = checkPermits(
      history([held(1, 3, 10, 100), held(2, 2, 20, 30), held(3, 3, 40, 50)]),
    );
    expect(violations).toHaveLength(1);
    expect(violations[0]).not.toContain("w1.0");
  });

  test("counts two grants of one worker, and nobody who could not prove any more that he holds", () => {
    const twice = inOrder(
      held(1, 3, 10, 50),
      held(2, 3, 20, 50).map((event) => ({ ...event, call: 2 }) as WorkerEvent),
    );
    expect(checkPermits(history([twice])).violations).toHaveLength(1);
    const stopped: WorkerEvent[] = [...held(1, 5, 10, 20), { at: 90, event: "lost", call: 1 }];
    expect(checkPermits(history([stopped, held(2, 5, 40, 50)])).violations).toEqual([]);
  });

  test("accepts as many as there are, and examines only where several were inside", () => {
    expect(checkPermits(history([held(1, 2, 10, 50), held(2, 3, 20, 60)]))).toEqual({
      examined: 1,
      violations: [],
    });
    expect(checkPermits(history([held(1, 2, 10, 20), held(2, 3, 20, 60)])).examined).toBe(0);
  });
});

describe("readers", () => {
  test("finds a writer beside a reader, whoever came first", () => {
    for (const [first, second] of [
      ["read", "write"],
      ["write", "read"],
    ] as const) {
      const { violations } = checkReaders(history([held(1, first, 10, 50), held(2, second, 20, 60)]));
      expect(violations[0]).toContain("a writer was not alone at 20.0, for 30.0 ms");
    }
  });

  test("finds two that might become the writer", () => {
    const logs = [held(1, "upgradeable", 10, 50), held(2, "upgradeable", 20, 60)];
    expect(checkReaders(history(logs)).violations[0]).toContain("two might have become the writer");
  });

  test("finds who was upgraded beside a reader", () => {
    const upgrading = inOrder(held(1, "upgradeable", 10, 50), [upgradeCalled(20), upgraded(30, 3)]);
    const { violations } = checkReaders(history([upgrading, held(2, "read", 15, 60)]));
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain("w0.0 has write (fence 3)");
  });

  test("finds who writes again without having asked after a downgrade that seemed to fail", () => {
    const again = inOrder(held(1, "write", 10, 60), [share(20, "upgradeable"), share(40, "write")]);
    expect(checkReaders(history([again, held(2, "read", 30, 60)])).violations).toHaveLength(1);
  });

  test("finds a reader that came before the downgrade was asked for", () => {
    const downgrading = inOrder(held(1, "write", 10, 60), [share(30, "read")]);
    expect(checkReaders(history([downgrading, held(2, "read", 25, 60)])).violations).toHaveLength(1);
    expect(checkReaders(history([downgrading, held(2, "read", 35, 60)])).violations).toEqual([]);
  });

  test("accepts many readers with one that may upgrade, and the upgrade when they have left", () => {
    const upgrading = inOrder(held(1, "upgradeable", 10, 50), [upgradeCalled(20), upgraded(32, 4)]);
    const readers = [held(2, "read", 12, 30), held(3, "read", 13, 31)];
    expect(checkReaders(history([upgrading, ...readers]))).toEqual({ examined: 2, violations: [] });
  });
});

describe("upgrades", () => {
  test("finds one whose fence did not rise, also the second one of a grant", () => {
    const same = inOrder(held(7, "upgradeable", 10, 50), [upgradeCalled(20), upgraded(30, 7)]);
    const second = inOrder(same, [upgradeCalled(40), upgraded(45, 6)]);
    expect(checkUpgrades(history([second])).violations).toHaveLength(2);
  });

  test("finds a fence that somebody else had got before, or was given twice", () => {
    const upgrading = inOrder(held(5, "upgradeable", 10, 50), [upgradeCalled(30), upgraded(40, 7)]);
    const earlier = checkFences(history([upgrading, held(8, "read", 20, 25)])).violations;
    expect(earlier[0]).toContain("fences of shared fell");
    const twice = checkFences(history([upgrading, held(7, "read", 60, 70)])).violations;
    expect(twice.some((text) => text.includes("given twice"))).toBe(true);
  });

  test("accepts the write of who was upgraded, with the new fence only", () => {
    const logs = [inOrder(held(5, "upgradeable", 10, 50), [upgradeCalled(20), upgraded(30, 7)])];
    const write = { at: 35, worker: "w0.0", name, accepted: true };
    expect(checkUpgrades(history(logs))).toEqual({ examined: 1, violations: [] });
    expect(checkResource(history(logs, { resource: [{ ...write, fence: 7 }] })).violations).toEqual([]);
    expect(checkResource(history(logs, { resource: [{ ...write, fence: 8 }] })).violations).toHaveLength(1);
  });
});

describe("leading", () => {
  test("finds a leader whose work went on when the next one had begun, and a term that fell", () => {
    const terms = [held(5, 1, 10, 50), held(4, 1, 40, 60)];
    expect(checkExclusion(history(terms)).violations).toHaveLength(1);
    const later = [held(5, 1, 10, 20), held(4, 1, 40, 60)];
    expect(checkFences(history(later)).violations[0]).toContain("fell");
    expect(checkExclusion(history(later)).violations).toEqual([]);
  });
});
