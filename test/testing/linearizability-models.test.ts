// Goal: the models of the lock and of the counter allow what these promise, and nothing else.
import { describe, expect, test } from "vitest";
import { type CounterOperation, counterModel } from "../../src/testing/linearizability/counter-model.ts";
import {
  type FencedLockOperation,
  fencedLockModel,
} from "../../src/testing/linearizability/fenced-lock-model.ts";
import { checkLinearizability, type HistoryEntry } from "../../src/testing/linearizability.ts";

const never = Number.POSITIVE_INFINITY;

function entry<Operation>(
  calledAt: number,
  returnedAt: number,
  operation: Operation,
): HistoryEntry<Operation> {
  return { operation, calledAt, returnedAt };
}

describe("a lock with fences and leases", () => {
  const acquire = (grant: string, fence?: number): FencedLockOperation => ({ kind: "acquire", grant, fence });
  const attempt = (grant: string, fence?: number | null): FencedLockOperation => ({
    kind: "try",
    grant,
    fence,
  });
  const release = (grant: string, result?: "released" | "lost"): FencedLockOperation => ({
    kind: "release",
    grant,
    result,
  });
  const expire = (grant: string): FencedLockOperation => ({ kind: "expire", grant });
  const judge = (...history: readonly HistoryEntry<FencedLockOperation>[]) =>
    checkLinearizability(fencedLockModel(), history).verdict;

  test("passes from one holder to the next by release", () => {
    const first = [entry(0, 1, acquire("a", 5)), entry(2, 3, release("a", "released"))];
    expect(judge(...first, entry(1, 4, acquire("b", 6)))).toBe("linearizable");
    expect(judge(entry(0, 1, acquire("a", 5)), entry(2, 3, acquire("b", 6)))).toBe("not linearizable");
  });

  test("gives fences that rise, also past those that nobody learned", () => {
    const first = [entry(0, 1, acquire("a", 5)), entry(2, 3, release("a", "released"))];
    expect(judge(...first, entry(4, 5, acquire("b", 5)))).toBe("not linearizable");
    expect(judge(...first, entry(4, 5, acquire("b", 4)))).toBe("not linearizable");
    const unlearned = [entry(4, 5, acquire("b")), entry(6, 7, release("b", "released"))];
    expect(judge(...first, ...unlearned, entry(8, 9, acquire("c", 7)))).toBe("linearizable");
    expect(judge(...first, ...unlearned, entry(8, 9, acquire("c", 6)))).toBe("not linearizable");
  });

  test("passes on by expiry, from its earliest instant on", () => {
    const history = [entry(0, 1, acquire("a", 5)), entry(2, 20, acquire("b", 6))];
    expect(judge(...history, entry(10, never, expire("a")))).toBe("linearizable");
    expect(judge(...history, entry(21, never, expire("a")))).toBe("not linearizable");
    expect(judge(...history, entry(10, never, expire("b")))).toBe("not linearizable");
  });

  test("does not expire where the holder could still release", () => {
    const history = [entry(0, 1, acquire("a", 5)), entry(10, never, expire("a"))];
    expect(judge(...history, entry(11, 12, release("a", "released")))).toBe("linearizable");
    expect(judge(...history, entry(11, 12, release("a", "lost")))).toBe("linearizable");
  });

  test("is not reported lost to a holder whose lease cannot have ended", () => {
    expect(judge(entry(0, 1, acquire("a", 5)), entry(2, 3, release("a", "lost")))).toBe("not linearizable");
  });

  test("is never released for somebody else", () => {
    const history = [
      entry(0, 1, acquire("a", 5)),
      entry(2, never, expire("a")),
      entry(3, 4, acquire("b", 6)),
    ];
    expect(judge(...history, entry(5, 6, release("a", "released")))).toBe("not linearizable");
    expect(judge(...history, entry(5, 6, release("a", "lost")))).toBe("linearizable");
    // A late release of unknown outcome leaves the new holder alone as well.
    const late = [...history, entry(5, never, release("a"))];
    expect(judge(...late, entry(7, 8, attempt("c", null)))).toBe("linearizable");
    expect(judge(...late, entry(7, 8, attempt("c", 7)))).toBe("not linearizable");
  });

  test("is refused to a try while it is held, and only then", () => {
    expect(judge(entry(0, 1, attempt("a", null)))).toBe("not linearizable");
    expect(judge(entry(0, 1, acquire("a", 5)), entry(2, 3, attempt("b", null)))).toBe("linearizable");
    expect(judge(entry(0, 1, acquire("a", 5)), entry(2, 3, attempt("b", 6)))).toBe("not linearizable");
    const free = [entry(0, 1, acquire("a", 5)), entry(2, 3, release("a", "released"))];
    expect(judge(...free, entry(4, 5, attempt("b", null)))).toBe("not linearizable");
    expect(judge(...free, entry(4, 5, attempt("b", 6)))).toBe("linearizable");
    expect(judge(...free, entry(4, 5, attempt("b", 5)))).toBe("not linearizable");
  });

  test("may have been got by a try without an answer, or not", () => {
    const doubtful = entry(0, never, attempt("a"));
    expect(judge(doubtful, entry(1, 2, attempt("b", null)))).toBe("linearizable");
    expect(judge(doubtful, entry(1, 2, attempt("b", 1)))).toBe("linearizable");
    // One that has returned has got it, if it was free.
    expect(judge(entry(0, 1, attempt("a")), entry(2, 3, attempt("b", 1)))).toBe("not linearizable");
    const held = [entry(0, 1, acquire("a", 5)), entry(2, 3, attempt("b"))];
    expect(judge(...held, entry(4, 5, release("a", "released")), entry(6, 7, attempt("c", 6)))).toBe(
      "linearizable",
    );
  });

  test("may have been held by an acquire that was given up, until it was given back", () => {
    const givenUp = [entry(0, never, acquire("a")), entry(3, never, release("a"))];
    expect(judge(...givenUp, entry(1, 2, attempt("b", null)), entry(4, 5, attempt("c", 2)))).toBe(
      "linearizable",
    );
    expect(judge(...givenUp, entry(1, 2, attempt("b", null)), entry(4, 5, attempt("c", 1)))).toBe(
      "not linearizable",
    );
  });
});

describe("a counter", () => {
  const add = (delta: number, sum?: number): CounterOperation => ({ kind: "add", delta, sum });
  const get = (sum: number): CounterOperation => ({ kind: "get", sum });
  const judge = (...history: readonly HistoryEntry<CounterOperation>[]) =>
    checkLinearizability(counterModel(), history).verdict;

  test("answers each add with the sum after it", () => {
    expect(judge(entry(0, 3, add(2, 5)), entry(1, 2, add(3, 3)), entry(4, 5, get(5)))).toBe("linearizable");
    expect(judge(entry(0, 1, add(2, 5)), entry(2, 3, add(3, 3)))).toBe("not linearizable");
    expect(judge(entry(0, 3, add(2, 2)), entry(1, 2, add(3, 3)))).toBe("not linearizable");
    expect(checkLinearizability(counterModel(7), [entry(0, 1, add(1, 8))]).verdict).toBe("linearizable");
  });

  test("applies an add of unknown outcome once or not at all, early or late", () => {
    const doubtful = entry(0, never, add(2));
    for (const sums of [[1], [3], [1, 3]]) {
      const gets = sums.map((sum, at) => entry(3 + 2 * at, 4 + 2 * at, get(sum)));
      expect(judge(doubtful, entry(1, 2, add(1)), ...gets)).toBe("linearizable");
    }
    for (const sums of [[2], [5], [3, 1]]) {
      const gets = sums.map((sum, at) => entry(3 + 2 * at, 4 + 2 * at, get(sum)));
      expect(judge(doubtful, entry(1, 2, add(1)), ...gets)).toBe("not linearizable");
    }
  });

  test("takes no longer for many adds that nobody knows of", () => {
    const doubtful = Array.from({ length: 40 }, (_, at) => entry(at, never, add(1)));
    const found = checkLinearizability(counterModel(), [...doubtful, entry(100, 101, get(41))]);
    expect(found.verdict).toBe("not linearizable");
    expect(found.steps).toBeLessThan(2_000);
    expect(judge(...doubtful, entry(100, 101, get(40)))).toBe("linearizable");
  });
});
