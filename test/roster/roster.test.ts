// Goal: the roster, as pure functions, keeps its promises over any history.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  admit,
  ahead,
  type Entrant,
  emptyRoster,
  evict,
  hasRoom,
  isFull,
  join,
  leave,
  nextFence,
  predecessors,
  type Roster,
  standing,
  waitersMax,
} from "../../src/roster/roster.ts";

type Step =
  | { readonly kind: "join"; readonly entrant: Entrant }
  | { readonly kind: "leave"; readonly session: string; readonly ticket: number }
  | { readonly kind: "evict"; readonly session: string };

const session = fc.constantFrom("a", "b", "c", "d", "e");
const ticket = fc.integer({ min: 1, max: 6 });

function steps(capacity: number): fc.Arbitrary<readonly (readonly [Step, number])[]> {
  const weight = fc.integer({ min: 1, max: capacity });
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("join" as const),
        entrant: fc.record({ session, ticket, weight, ttlMs: fc.constant(1_000) }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("leave" as const), session, ticket }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("evict" as const), session }) },
  );
  // The wall clock does what it wants.
  return fc.array(fc.tuple(step, fc.integer({ min: 0, max: 2_000_000_000_000 })), { maxLength: 60 });
}

const histories = fc
  .integer({ min: 1, max: 5 })
  .chain((capacity) => fc.tuple(fc.constant(capacity), steps(capacity)));

function apply(roster: Roster, step: Step): Roster {
  if (step.kind === "join") return join(roster, step.entrant);
  if (step.kind === "leave") return leave(roster, step);
  return evict(roster, step.session);
}

/** Plays a history as the driver does, every change followed by an admission, and shows each pair of states. */
function play(
  capacity: number,
  history: readonly (readonly [Step, number])[],
  look: (before: Roster, after: Roster, step: Step, changed: Roster) => void,
): Roster {
  return history.reduce((before, [step, wallMs]) => {
    const changed = apply(before, step);
    const after = admit(changed, wallMs);
    look(before, after, step, changed);
    return after;
  }, emptyRoster(capacity));
}

function check(look: (before: Roster, after: Roster, step: Step, changed: Roster) => void): void {
  fc.assert(
    fc.property(histories, ([capacity, history]) => {
      play(capacity, history, look);
    }),
  );
}

const names = (entrants: readonly Entrant[]) =>
  entrants.map((entrant) => `${entrant.session}/${entrant.ticket}`);
const weightOf = (entrants: readonly Entrant[]) => entrants.reduce((sum, { weight }) => sum + weight, 0);

describe("over any history and any wall clock", () => {
  test("a fence is larger than every one before it, and no two grants share one", () => {
    check((before, after) => {
      expect(after.fence).toBeGreaterThanOrEqual(before.fence);
      const known = new Set(before.holders.map(({ fence }) => fence));
      const fresh = after.holders.filter(({ fence }) => !known.has(fence));
      for (const { fence } of fresh) expect(fence).toBeGreaterThan(before.fence);
      expect(new Set(fresh.map(({ fence }) => fence)).size).toBe(fresh.length);
      for (const { fence } of after.holders) expect(fence).toBeLessThanOrEqual(after.fence);
    });
  });

  test("the weight of the holders is never above the capacity", () => {
    check((_before, after) => expect(weightOf(after.holders)).toBeLessThanOrEqual(after.capacity));
  });

  test("whoever can be served is served, and nobody passes anybody", () => {
    check((before, after) => {
      const [first] = after.waiters;
      if (first !== undefined) expect(weightOf(after.holders) + first.weight).toBeGreaterThan(after.capacity);
      // Those who wait on stand in the same order, and all who were admitted stood before them.
      const queue = names(before.waiters);
      const kept = names(after.waiters).filter((name) => queue.includes(name));
      expect(kept).toEqual(queue.filter((name) => kept.includes(name)));
      const admitted = names(after.holders).filter((name) => queue.includes(name));
      const lastAdmitted = Math.max(-1, ...admitted.map((name) => queue.indexOf(name)));
      const firstKept = queue.findIndex((name) => kept.includes(name));
      if (firstKept >= 0) expect(lastAdmitted).toBeLessThan(firstKept);
    });
  });

  test("nobody stands in it twice, and never more than the most that may wait", () => {
    check((_before, after) => {
      const all = names([...after.holders, ...after.waiters]);
      expect(new Set(all).size).toBe(all.length);
      expect(after.waiters.length).toBeLessThanOrEqual(waitersMax);
    });
  });

  test("every change, applied twice, is the same as once, and admission too", () => {
    check((_before, after, step, changed) => {
      if (step.kind !== "join" || standing(after, step.entrant).place !== "absent") {
        expect(apply(changed, step)).toBe(changed);
      }
      expect(admit(after, 0)).toBe(after);
    });
  });

  test("a leave takes out its own entrant and touches no other; an eviction one session's", () => {
    check((before, _after, step, changed) => {
      if (step.kind === "join") return;
      const isGone = (entrant: Entrant): boolean =>
        entrant.session === step.session && (step.kind === "evict" || entrant.ticket === step.ticket);
      expect(changed.holders).toEqual(before.holders.filter((entrant) => !isGone(entrant)));
      expect(changed.waiters).toEqual(before.waiters.filter((entrant) => !isGone(entrant)));
      expect(changed.fence).toBe(before.fence);
    });
  });

  test("no state is changed in place", () => {
    fc.assert(
      fc.property(histories, ([capacity, history]) => {
        play(capacity, history, (before, _after, step) => {
          const copy = structuredClone(before);
          admit(apply(before, step), 1);
          expect(before).toEqual(copy);
        });
      }),
    );
  });

  test("the death of everybody in it is watched by somebody behind, as long as somebody waits", () => {
    check((_before, after) => {
      const watched = new Set(after.waiters.flatMap((_waiter, index) => names(predecessors(after, index))));
      const last = after.waiters.at(-1);
      if (last === undefined) return;
      for (const name of names([...after.holders, ...after.waiters.slice(0, -1)]))
        expect(watched).toContain(name);
      expect(names(ahead(after, after.waiters.length - 1)).sort()).toEqual(
        names([...after.holders, ...after.waiters.slice(0, -1)]).sort(),
      );
      // Whoever stands outside watches the last in the queue.
      expect(names(predecessors(after, after.waiters.length))).toEqual(names([last]));
    });
  });

  test("hasRoom says whether a join is admitted at once", () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 5 }), ([capacity, history], weight) => {
        const roster = play(capacity, history, () => undefined);
        const entrant = { session: "new", ticket: 1, weight, ttlMs: 1_000 };
        const { place } = standing(admit(join(roster, entrant), 0), entrant);
        expect(place === "holder").toBe(hasRoom(roster, weight));
      }),
    );
  });
});

describe("a full queue", () => {
  test("takes nobody more, until somebody leaves", () => {
    let roster = emptyRoster(1);
    const entrant = (number: number): Entrant => ({ session: `s${number}`, ticket: 1, weight: 1, ttlMs: 1 });
    for (let number = 0; number < waitersMax; number += 1) {
      expect(isFull(roster)).toBe(false);
      roster = join(roster, entrant(number));
    }
    expect(isFull(roster)).toBe(true);
    expect(join(roster, entrant(999))).toBe(roster);
    expect(join(leave(roster, entrant(3)), entrant(999)).waiters.at(-1)).toEqual(entrant(999));
  });
});

describe("a fence", () => {
  test("is the larger of one more than the last and the wall clock in microseconds", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.double({ noNaN: false }), (previous, wallMs) => {
        fc.pre(previous < Number.MAX_SAFE_INTEGER);
        const fence = nextFence(previous, wallMs);
        expect(Number.isSafeInteger(fence)).toBe(true);
        expect(fence).toBeGreaterThan(previous);
        if (wallMs * 1_000 <= 2 ** 52) expect(fence).toBeGreaterThanOrEqual(Math.floor(wallMs * 1_000));
        else expect(fence).toBe(previous + 1);
      }),
    );
  });

  test("is never driven out of range by a clock in the far future", () => {
    expect(nextFence(5, Number.MAX_VALUE)).toBe(6);
    expect(nextFence(5, Number.POSITIVE_INFINITY)).toBe(6);
    expect(nextFence(5, Number.NaN)).toBe(6);
    expect(nextFence(0, 2 ** 52 / 1_000)).toBe(2 ** 52);
  });
});
