// Goal: the search agrees with the definition of linearizability on any small history, and accepts whatever a
// correct object did.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CounterOperation, counterModel } from "../../src/testing/linearizability/counter-model.ts";
import {
  type FencedLockOperation,
  type FencedLockState,
  fencedLockModel,
} from "../../src/testing/linearizability/fenced-lock-model.ts";
import {
  checkLinearizability,
  type HistoryEntry,
  type SequentialModel,
} from "../../src/testing/linearizability.ts";
import { isLinearizableByDefinition, justAfter, justBefore, replay } from "./histories/brute-force.ts";
import {
  type MutexOperation,
  mutexModel,
  type RegisterOperation,
  registerModel,
  type TextOperation,
  textModel,
} from "./histories/models.ts";

const value = fc.constantFrom("0", "1", "2");
const someSum = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined });
const grant = fc.constantFrom("a", "b");
const someFence = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });

const registerOperation: fc.Arbitrary<RegisterOperation> = fc.oneof(
  fc.record({ kind: fc.constant("read" as const), value: fc.option(value, { nil: undefined, freq: 9 }) }),
  fc.record({ kind: fc.constant("write" as const), value }),
  fc.record({
    kind: fc.constant("cas" as const),
    from: value,
    to: value,
    done: fc.constantFrom(true, false, undefined),
  }),
);
const counterOperation: fc.Arbitrary<CounterOperation> = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), delta: fc.constantFrom(1, 2), sum: someSum }),
  fc.record({ kind: fc.constant("get" as const), sum: someSum }),
);
const lockOperation: fc.Arbitrary<FencedLockOperation> = fc.oneof(
  fc.record({ kind: fc.constant("acquire" as const), grant, fence: someFence }),
  fc.record({
    kind: fc.constant("try" as const),
    grant,
    fence: fc.option(someFence, { nil: null }),
  }),
  fc.record({
    kind: fc.constant("release" as const),
    grant,
    result: fc.constantFrom("released" as const, "lost" as const, undefined),
  }),
  fc.record({ kind: fc.constant("expire" as const), grant }),
);
const mutexOperation: fc.Arbitrary<MutexOperation> = fc.record({
  kind: fc.constantFrom("acquire", "release"),
});
const textOperation: fc.Arbitrary<TextOperation> = fc.oneof(
  fc.record({
    key: fc.constant("k"),
    kind: fc.constant("get" as const),
    value: fc.constantFrom("", "a", "b", "ab", "aab", undefined),
  }),
  fc.record({
    key: fc.constant("k"),
    kind: fc.constantFrom("put" as const, "append" as const, "append" as const),
    value: fc.constantFrom("a", "b"),
  }),
);

/** Up to six operations at few instants, so that many of them touch. */
function histories<Operation>(
  operation: fc.Arbitrary<Operation>,
): fc.Arbitrary<readonly HistoryEntry<Operation>[]> {
  const entry = fc
    .tuple(
      operation,
      fc.integer({ min: 0, max: 9 }),
      fc.option(fc.integer({ min: 0, max: 4 }), { nil: null }),
    )
    .map(([asked, calledAt, length]) => ({
      operation: asked,
      calledAt,
      returnedAt: length === null ? Number.POSITIVE_INFINITY : calledAt + length,
    }));
  return fc.array(entry, { maxLength: 6 });
}

/** Compares with the definition; answers how often each verdict came. */
function compare<State, Operation>(
  operation: fc.Arbitrary<Operation>,
  modelOf: (history: readonly HistoryEntry<Operation>[]) => SequentialModel<State, Operation>,
): { readonly good: number; readonly bad: number } {
  const counts = { good: 0, bad: 0 };
  fc.assert(
    fc.property(histories(operation), (history) => {
      const model = modelOf(history);
      const found = checkLinearizability(model, history);
      expect(found.verdict === "linearizable").toBe(isLinearizableByDefinition(model, history));
      if (found.verdict === "linearizable") {
        counts.good += 1;
        expect(replay(model, history, found.order)).toHaveProperty("state");
        const required = history.filter(({ returnedAt }) => returnedAt !== Number.POSITIVE_INFINITY);
        const missing = required.filter((entry) => !found.order.includes(entry));
        expect(missing).toEqual([]);
        return;
      }
      counts.bad += 1;
      if (found.verdict !== "not linearizable") throw new Error(found.verdict);
      expect(replay(model, history, found.prefix)).toEqual({ state: found.state });
      const time = found.blocked.returnedAt;
      expect(isLinearizableByDefinition(model, justBefore(history, time))).toBe(true);
      expect(isLinearizableByDefinition(model, justAfter(history, time))).toBe(false);
      expect(found.prefix).not.toContain(found.blocked);
    }),
    { numRuns: 3_000 },
  );
  return counts;
}

function seenIn(history: readonly HistoryEntry<TextOperation>[]): readonly string[] {
  return history.flatMap(({ operation }) =>
    operation.kind === "get" && operation.value !== undefined ? [operation.value] : [],
  );
}

/** The model without what makes the search fast. */
function plain<State, Operation>({ initial, step, key }: SequentialModel<State, Operation>) {
  return { initial, step, key };
}

describe("on any small history, the search agrees with the definition", () => {
  const cases: Readonly<Record<string, () => { readonly good: number; readonly bad: number }>> = {
    "a register": () => compare(registerOperation, () => registerModel("0")),
    "a register of which the search knows nothing": () =>
      compare(registerOperation, () => plain(registerModel("0"))),
    "a counter": () => compare(counterOperation, () => counterModel()),
    "a lock with fences and leases": () => compare(lockOperation, () => fencedLockModel()),
    "a mutex": () => compare(mutexOperation, () => mutexModel),
    "a text": () => compare(textOperation, (history) => textModel(seenIn(history))),
  };
  test.each(Object.entries(cases))("%s", (_, run) => {
    const { good, bad } = run();
    expect(good).toBeGreaterThan(300);
    expect(bad).toBeGreaterThan(300);
  });

  test("texts that nobody saw may be taken for one", () => {
    fc.assert(
      fc.property(histories(textOperation), (history) => {
        // All texts that can come of six appends are told apart.
        const all = { ...textModel([]), initial: "" as string | null };
        const exact: typeof all = {
          ...all,
          step(state, operation) {
            if (operation.kind === "put") return operation.value;
            if (operation.kind === "append") return `${state}${operation.value}`;
            return operation.value === undefined || operation.value === state ? state : undefined;
          },
        };
        const merged = checkLinearizability(textModel(seenIn(history)), history).verdict;
        expect(merged).toBe(checkLinearizability(exact, history).verdict);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** One thing that a client does: when it asks, how long until it takes effect, how long until it knows. */
interface Plan<Ask> {
  readonly client: number;
  readonly ask: Ask;
  readonly pauseBefore: number;
  readonly untilEffect: number;
  readonly untilReturn: number;
  readonly fate: "answered" | "unknown" | "lost";
}

/** Lets clients use an object that does everything at one instant, in the order of these instants. */
function perform<State, Ask, Operation>(
  plans: readonly Plan<Ask>[],
  initial: State,
  act: (state: State, ask: Ask, id: number) => readonly [State, Operation],
  withoutAnswer: (operation: Operation) => Operation,
): readonly HistoryEntry<Operation>[] {
  const clocks = new Map<number, number>();
  const timed = plans.map((plan, id) => {
    const calledAt = (clocks.get(plan.client) ?? 0) + plan.pauseBefore;
    const effectAt = calledAt + plan.untilEffect;
    clocks.set(plan.client, effectAt + plan.untilReturn);
    return { plan, id, calledAt, effectAt, returnedAt: effectAt + plan.untilReturn };
  });
  let state = initial;
  return timed
    .sort((left, right) => left.effectAt - right.effectAt)
    .map(({ plan, id, calledAt, returnedAt }) => {
      const [after, operation] = act(state, plan.ask, id);
      if (plan.fate !== "lost") state = after;
      if (plan.fate === "answered") return { operation, calledAt, returnedAt };
      return { operation: withoutAnswer(operation), calledAt, returnedAt: Number.POSITIVE_INFINITY };
    })
    .sort((left, right) => left.calledAt - right.calledAt);
}

function plansFor<Ask>(ask: fc.Arbitrary<Ask>): fc.Arbitrary<readonly Plan<Ask>[]> {
  const duration = fc.integer({ min: 0, max: 20 });
  const fate = fc.oneof(
    { weight: 12, arbitrary: fc.constant("answered" as const) },
    { weight: 1, arbitrary: fc.constantFrom("unknown" as const, "lost" as const) },
  );
  const client = fc.integer({ min: 0, max: 6 });
  const plan = fc.record({
    client,
    ask,
    pauseBefore: duration,
    untilEffect: duration,
    untilReturn: duration,
    fate,
  });
  return fc.array(plan, { minLength: 20, maxLength: 150, size: "max" });
}

describe("what a correct object did is always linearizable", () => {
  test("a counter, and never with a sum that is wrong", () => {
    const ask = fc.option(fc.constantFrom(1, 2, 3), { nil: null });
    fc.assert(
      fc.property(plansFor(ask), (plans) => {
        const history = perform<number, number | null, CounterOperation>(
          plans,
          0,
          (sum, delta) =>
            delta === null
              ? [sum, { kind: "get", sum }]
              : [sum + delta, { kind: "add", delta, sum: sum + delta }],
          (operation) => ({ ...operation, sum: undefined }),
        );
        expect(checkLinearizability(counterModel(), history).verdict).toBe("linearizable");
        const most = plans.reduce((sum, plan) => sum + (plan.ask ?? 0), 0);
        const wrong = { operation: { kind: "get", sum: most + 1 }, calledAt: 1e6, returnedAt: 1e6 } as const;
        expect(checkLinearizability(counterModel(), [...history, wrong])).toMatchObject({ blocked: wrong });
      }),
      { numRuns: 200 },
    );
  });

  test("a register", () => {
    const ask: fc.Arbitrary<RegisterOperation> = fc.oneof(
      fc.constant({ kind: "read" as const, value: undefined }),
      fc.record({ kind: fc.constant("write" as const), value }),
      fc.record({ kind: fc.constant("cas" as const), from: value, to: value, done: fc.constant(undefined) }),
    );
    fc.assert(
      fc.property(plansFor(ask), (plans) => {
        const history = perform<string, RegisterOperation, RegisterOperation>(
          plans,
          "0",
          (state, asked) => {
            if (asked.kind === "read") return [state, { kind: "read", value: state }];
            if (asked.kind === "write") return [asked.value, asked];
            const done = asked.from === state;
            return [done ? asked.to : state, { ...asked, done }];
          },
          (operation) => {
            if (operation.kind === "write") return operation;
            return operation.kind === "read"
              ? { kind: "read", value: undefined }
              : { ...operation, done: undefined };
          },
        );
        expect(checkLinearizability(registerModel("0"), history).verdict).toBe("linearizable");
      }),
      { numRuns: 200 },
    );
  });

  test("a lock whose leases end now and then, and never one that gives a fence twice", () => {
    let repeated = 0;
    fc.assert(
      fc.property(plansFor(fc.constantFrom("try", "release", "expire")), (plans) => {
        const history = perform<FencedLockState, string, FencedLockOperation>(
          plans,
          { holder: null, fence: 0 },
          useLock,
          withoutResult,
        ).map((entry) =>
          entry.operation.kind === "expire" ? { ...entry, returnedAt: Number.POSITIVE_INFINITY } : entry,
        );
        expect(checkLinearizability(fencedLockModel(), history).verdict).toBe("linearizable");
        const granted = history.filter(({ operation }) => "fence" in operation && (operation.fence ?? 0) > 0);
        const [first, last] = [granted[0], granted.at(-1)];
        if (first === undefined || last === undefined || first.returnedAt >= last.calledAt) return;
        repeated += 1;
        const wrong = { ...last, operation: { ...last.operation, ...fenceOf(first.operation) } };
        const forged = history.map((entry) => (entry === last ? wrong : entry));
        expect(checkLinearizability(fencedLockModel(), forged).verdict).toBe("not linearizable");
      }),
      { numRuns: 200 },
    );
    expect(repeated).toBeGreaterThan(50);
  });
});

/** Tries, releases for the holder, or lets its lease end. */
function useLock(
  { holder, fence }: FencedLockState,
  asked: string,
  id: number,
): readonly [FencedLockState, FencedLockOperation] {
  if (asked === "try") {
    if (holder !== null)
      return [
        { holder, fence },
        { kind: "try", grant: `${id}`, fence: null },
      ];
    return [
      { holder: `${id}`, fence: fence + 2 },
      { kind: "try", grant: `${id}`, fence: fence + 2 },
    ];
  }
  if (holder === null)
    return [
      { holder, fence },
      { kind: "release", grant: "nobody", result: "lost" },
    ];
  const freed = { holder: null, fence };
  if (asked === "release") return [freed, { kind: "release", grant: holder, result: "released" }];
  return [freed, { kind: "expire", grant: holder }];
}

function withoutResult(operation: FencedLockOperation): FencedLockOperation {
  if (operation.kind === "try") return { ...operation, fence: undefined };
  return operation.kind === "release" ? { ...operation, result: undefined } : operation;
}

function fenceOf(operation: FencedLockOperation): { readonly fence?: number } {
  return "fence" in operation && typeof operation.fence === "number" ? { fence: operation.fence } : {};
}
