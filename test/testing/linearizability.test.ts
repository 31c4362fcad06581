// Goal: histories that a person can judge are judged rightly, and told why.
import { describe, expect, test } from "vitest";
import {
  checkLinearizability,
  type HistoryEntry,
  type LinearizabilityVerdict,
} from "../../src/testing/linearizability.ts";
import { mutexModel, type RegisterOperation, registerModel, textModel } from "./histories/models.ts";

const never = Number.POSITIVE_INFINITY;

function entry<Operation>(
  calledAt: number,
  returnedAt: number,
  operation: Operation,
): HistoryEntry<Operation> {
  return { operation, calledAt, returnedAt };
}

const read = (value: string | undefined): RegisterOperation => ({ kind: "read", value });
const write = (value: string): RegisterOperation => ({ kind: "write", value });
const cas = (from: string, to: string, done: boolean | undefined): RegisterOperation => ({
  kind: "cas",
  from,
  to,
  done,
});

function judge(...history: readonly HistoryEntry<RegisterOperation>[]) {
  return checkLinearizability(registerModel("0"), history);
}

function failure<State, Operation>(found: LinearizabilityVerdict<State, Operation>) {
  if (found.verdict !== "not linearizable") throw new Error(`expected a failure, got ${found.verdict}`);
  return found;
}

describe("a register", () => {
  test("of which nobody asked anything is linearizable", () => {
    expect(judge()).toEqual({ verdict: "linearizable", order: [], steps: 0 });
  });

  test("shows a write to whoever reads after it", () => {
    expect(judge(entry(0, 1, write("1")), entry(2, 3, read("1"))).verdict).toBe("linearizable");
  });

  test("shows no value from before a write that is over", () => {
    const stale = entry(2, 3, read("0"));
    const found = failure(judge(entry(0, 1, write("1")), stale));
    expect(found.blocked).toBe(stale);
    expect(found.state).toBe("1");
    expect(found.part).toBeUndefined();
  });

  test("shows either value while a write is under way, and the old one never again after the new one", () => {
    const writing = entry(0, 9, write("1"));
    expect(judge(writing, entry(1, 2, read("0")), entry(3, 4, read("1"))).verdict).toBe("linearizable");
    const found = failure(judge(writing, entry(1, 2, read("1")), entry(3, 4, read("0"))));
    expect(found.blocked.operation).toEqual(read("0"));
    expect(found.prefix.map(({ operation }) => operation)).toEqual([write("1"), read("1")]);
  });

  test("answers in an order that explains everything, part after part", () => {
    const writing = entry(0, 9, write("1"));
    const [before, after] = [entry(1, 2, read("0")), entry(3, 4, read("1"))];
    expect(judge(writing, before, after)).toMatchObject({ order: [before, writing, after] });
  });

  test("loses no update: of two that compare with the same value, one finds it changed", () => {
    expect(judge(entry(0, 3, cas("0", "1", true)), entry(1, 4, cas("0", "2", true))).verdict).toBe(
      "not linearizable",
    );
    expect(judge(entry(0, 3, cas("0", "1", true)), entry(1, 4, cas("0", "2", false))).verdict).toBe(
      "linearizable",
    );
  });

  test("a failed compare-and-set may only have failed while the value was another one", () => {
    expect(judge(entry(0, 1, cas("0", "1", false))).verdict).toBe("not linearizable");
    expect(judge(entry(0, 3, write("1")), entry(1, 2, cas("0", "2", false))).verdict).toBe("linearizable");
    // It could have failed only before the write back, which was over when it was called.
    const history = [entry(0, 1, write("1")), entry(2, 3, write("0")), entry(4, 5, cas("0", "2", false))];
    expect(judge(...history).verdict).toBe("not linearizable");
  });

  test("a write that does nothing now may be needed later", () => {
    // The write of 0 must come after the write of 1, although it would fit at once and change nothing.
    const history = [entry(0, 5, write("0")), entry(1, 4, write("1")), entry(6, 7, read("0"))];
    expect(judge(...history).verdict).toBe("linearizable");
  });

  test("the order of the list does not matter", () => {
    expect(judge(entry(2, 3, read("1")), entry(0, 1, write("1"))).verdict).toBe("linearizable");
    expect(judge(entry(2, 3, read("0")), entry(0, 1, write("1"))).verdict).toBe("not linearizable");
  });

  test("what returns at the very time of another's call overlaps it", () => {
    expect(judge(entry(0, 1, write("1")), entry(1, 2, read("0"))).verdict).toBe("linearizable");
    expect(judge(entry(0, 1, write("1")), entry(1, 1, read("0"))).verdict).toBe("linearizable");
    expect(judge(entry(0, 1, write("1")), entry(1.001, 2, read("0"))).verdict).toBe("not linearizable");
  });
});

describe("an operation of unknown outcome", () => {
  test("must have happened when its effect was seen", () => {
    const lost = entry(0, never, write("1"));
    const found = judge(lost, entry(5, 6, read("1")));
    expect(found).toMatchObject({ verdict: "linearizable", order: [lost, { operation: read("1") }] });
  });

  test("must not have happened when its effect was not seen, and may happen late", () => {
    const lost = entry(0, never, write("1"));
    expect(judge(lost, entry(5, 6, read("0"))).verdict).toBe("linearizable");
    expect(judge(lost, entry(5, 6, read("0")), entry(7, 8, read("1"))).verdict).toBe("linearizable");
  });

  test("happens once at most", () => {
    const history = [
      entry(0, never, cas("0", "1", undefined)),
      entry(1, 2, read("1")),
      entry(3, 4, write("0")),
    ];
    expect(judge(...history, entry(5, 6, read("0"))).verdict).toBe("linearizable");
    expect(judge(...history, entry(5, 6, read("1"))).verdict).toBe("not linearizable");
    // Two of them are enough; called too late, the second is not.
    const second = (calledAt: number) => entry(calledAt, never, cas("0", "1", undefined));
    expect(judge(...history, entry(5, 6, read("1")), second(6)).verdict).toBe("linearizable");
    expect(judge(...history, entry(5, 6, read("1")), second(7)).verdict).toBe("not linearizable");
  });

  test("has no effect before it was called", () => {
    expect(judge(entry(5, never, write("1")), entry(1, 2, read("1"))).verdict).toBe("not linearizable");
  });

  test("that returned without an answer has happened", () => {
    const mandatory = entry(0, 1, cas("0", "1", undefined));
    expect(judge(mandatory, entry(2, 3, read("0"))).verdict).toBe("not linearizable");
    expect(judge(mandatory, entry(2, 3, read("1"))).verdict).toBe("linearizable");
  });

  test("costs little, however many there are that are alike or only read", () => {
    const history = [entry(1_000, 1_001, read("3"))];
    for (let at = 0; at < 60; at += 1)
      history.push(entry(at, never, write(String(at % 3))), entry(at, never, read("2")));
    const found = judge(...history);
    expect(found.verdict).toBe("not linearizable");
    expect(found.steps).toBeLessThan(1_000);
  });
});

describe("a mutex", () => {
  const acquire = { kind: "acquire" } as const;
  const release = { kind: "release" } as const;

  test("is not held twice", () => {
    expect(checkLinearizability(mutexModel, [entry(0, 1, acquire), entry(2, 3, acquire)]).verdict).toBe(
      "not linearizable",
    );
    expect(
      checkLinearizability(mutexModel, [entry(0, 1, acquire), entry(2, 5, acquire), entry(4, 6, release)])
        .verdict,
    ).toBe("linearizable");
  });

  test("is held twice where the lease may have ended in between, and not before", () => {
    // Expiry is a release that nobody asked for.
    const expiry = (calledAt: number) => entry(calledAt, never, release);
    const history = [entry(0, 1, acquire), entry(4, 6, acquire)];
    expect(checkLinearizability(mutexModel, [...history, expiry(5)]).verdict).toBe("linearizable");
    const found = failure(checkLinearizability(mutexModel, [...history, expiry(7)]));
    expect(found.blocked).toBe(history[1]);
  });
});

describe("a check", () => {
  test("judges each part by itself, and names the one that failed", () => {
    const put = (key: string, at: number) => entry(at, at + 1, { kind: "put", key, value: key } as const);
    const get = (key: string, at: number, value: string) =>
      entry(at, at + 1, { kind: "get", key, value } as const);
    const history = [put("a", 0), put("b", 2), get("a", 4, "a")];
    const partition = ({ key }: { readonly key: string }) => key;
    const model = textModel(["a", "b"]);
    const whole = checkLinearizability(model, history, { partition });
    expect(whole).toMatchObject({ verdict: "linearizable", order: [history[0], history[2], history[1]] });
    const found = failure(checkLinearizability(model, [...history, get("b", 6, "")], { partition }));
    expect(found).toMatchObject({ part: "b", blocked: { calledAt: 6 } });
    expect(checkLinearizability(model, history).verdict).toBe("not linearizable");
  });

  test("that runs out of steps says so, and nothing else", () => {
    const writes = Array.from({ length: 12 }, (_, at) => entry(at, 100 + at, write(String(at))));
    const history = [...writes, entry(200, 201, read("none of these"))];
    const model = registerModel("0");
    const found = checkLinearizability(model, history, { stepsMax: 1_000 });
    expect(found).toMatchObject({ verdict: "exhausted", part: undefined });
    expect(found.steps).toBeGreaterThan(1_000);
    expect(found.steps).toBeLessThan(1_100);
    expect(checkLinearizability(model, history).verdict).toBe("not linearizable");
  });

  test("that runs out of steps in one part still finds what is wrong in another", () => {
    const partition = (operation: RegisterOperation) => (operation.kind === "cas" ? "small" : "large");
    const writes = Array.from({ length: 12 }, (_, at) => entry(at, 100 + at, write(String(at))));
    const large = [...writes, entry(200, 201, read("none of these"))];
    const options = { partition, stepsMax: 1_000 };
    const good = checkLinearizability(
      registerModel("0"),
      [...large, entry(0, 1, cas("0", "1", true))],
      options,
    );
    expect(good).toMatchObject({ verdict: "exhausted", part: "large" });
    const bad = checkLinearizability(
      registerModel("0"),
      [...large, entry(0, 1, cas("1", "1", true))],
      options,
    );
    expect(bad).toMatchObject({ verdict: "not linearizable", part: "small" });
  });

  test("goes as deep as a history is long", () => {
    const history = Array.from({ length: 20_000 }, (_, at) => entry(3 * at, 3 * at + 4, write(String(at))));
    expect(checkLinearizability(registerModel("0"), history).verdict).toBe("linearizable");
  });

  test("tells more than 32 operations apart that overlap", () => {
    const model = registerModel("0");
    const ahead = Array.from({ length: 70 }, (_, at) =>
      entry(at, 1_000 + at, cas(`${at}`, `${at + 1}`, true)),
    );
    // Called backwards, so that the first to be called is the last that can take effect.
    const backward = ahead.map(({ operation, returnedAt }, at) => entry(100 - at, returnedAt, operation));
    expect(checkLinearizability(model, [...backward, entry(2_000, 2_001, read("70"))]).verdict).toBe(
      "linearizable",
    );
    expect(checkLinearizability(model, [...backward, entry(2_000, 2_001, read("69"))]).verdict).toBe(
      "not linearizable",
    );
  });

  test("tells apart which of more than 32 took effect, where they led to the same value", () => {
    // Whoever writes 1 first: only after the compare-and-set can the write, which was called before, still fit.
    const reads = Array.from({ length: 32 }, (_, at) => entry(at, 1_000 + at, read("2")));
    const changes = [
      entry(50, 900, write("1")),
      entry(51, 901, cas("0", "1", true)),
      entry(52, 800, cas("1", "2", true)),
    ];
    expect(judge(...reads, ...changes).verdict).toBe("linearizable");
  });

  test("refuses times that are none, and budgets that are none", () => {
    const bad = [entry(Number.NaN, 1, write("1")), entry(0, Number.NaN, write("1")), entry(2, 1, write("1"))];
    for (const wrong of [...bad, entry(never, never, write("1"))]) {
      expect(() => judge(wrong)).toThrow(/called at a finite time and return no earlier; got .*"write"/);
    }
    for (const stepsMax of [0, -1, 1.5, Number.NaN, never]) {
      expect(() => checkLinearizability(registerModel("0"), [], { stepsMax })).toThrow(/stepsMax must be/);
    }
  });

  test("refuses a model that calls a read what changes the state", () => {
    const model = { ...registerModel("0"), isRead: () => true };
    expect(() => checkLinearizability(model, [entry(0, 1, write("1"))])).toThrow(/isRead leaves the state/);
  });
});
