import type { HistoryEntry, SequentialModel } from "../../../src/testing/linearizability.ts";

/** Tries every order of every choice of operations, as the definition says. For a handful of them. */
export function isLinearizableByDefinition<State, Operation>(
  model: SequentialModel<State, Operation>,
  history: readonly HistoryEntry<Operation>[],
): boolean {
  const extend = (state: State, order: readonly HistoryEntry<Operation>[]): boolean => {
    if (history.every((entry) => entry.returnedAt === Number.POSITIVE_INFINITY || order.includes(entry))) {
      return respectsTime(order);
    }
    return history.some((entry) => {
      const after = order.includes(entry) ? undefined : model.step(state, entry.operation);
      return after !== undefined && extend(after, [...order, entry]);
    });
  };
  return extend(model.initial, []);
}

function respectsTime(order: readonly HistoryEntry<unknown>[]): boolean {
  return order.every((entry, at) => order.slice(at + 1).every((later) => later.returnedAt >= entry.calledAt));
}

/** The state that an order of operations leads to; what is wrong with the order, if it is none for `history`. */
export function replay<State, Operation>(
  model: SequentialModel<State, Operation>,
  history: readonly HistoryEntry<Operation>[],
  order: readonly HistoryEntry<Operation>[],
): { readonly state: State } | { readonly problem: string } {
  if (new Set(order).size !== order.length) return { problem: "an operation takes effect twice" };
  if (order.some((entry) => !history.includes(entry))) return { problem: "an operation of another history" };
  if (!respectsTime(order)) return { problem: "an operation takes effect before one that was over" };
  let state = model.initial;
  for (const { operation } of order) {
    const after = model.step(state, operation);
    if (after === undefined) return { problem: `${JSON.stringify(operation)} cannot follow` };
    state = after;
  }
  return { state };
}

/** What was known of a history right before the operations that returned at `time` did. */
export function justBefore<Operation>(
  history: readonly HistoryEntry<Operation>[],
  time: number,
): readonly HistoryEntry<Operation>[] {
  return upTo(history, time, (entry) => entry.returnedAt < time);
}

/** What was known of a history right after the operations that returned at `time` did. */
export function justAfter<Operation>(
  history: readonly HistoryEntry<Operation>[],
  time: number,
): readonly HistoryEntry<Operation>[] {
  return upTo(history, time, (entry) => entry.returnedAt <= time);
}

function upTo<Operation>(
  history: readonly HistoryEntry<Operation>[],
  time: number,
  hasReturned: (entry: HistoryEntry<Operation>) => boolean,
): readonly HistoryEntry<Operation>[] {
  return history
    .filter((entry) => entry.calledAt <= time)
    .map((entry) => (hasReturned(entry) ? entry : { ...entry, returnedAt: Number.POSITIVE_INFINITY }));
}
