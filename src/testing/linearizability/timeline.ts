import type { HistoryEntry, SequentialModel } from "../linearizability.ts";

/**
 * A history laid out for the search. Operations are numbered: first reads, then other operations that must have
 * happened, then those that may have; each group in the order of calls. Events (calls and returns) have positions
 * 0, 1, 2 ... in time; of one instant, calls stand before returns, so that their operations overlap.
 */
export interface Timeline<Operation> {
  readonly entries: readonly HistoryEntry<Operation>[];
  /** Operations below are reads. */
  readonly readsEnd: number;
  /** Operations below must have happened; from here on they may have. */
  readonly requiredEnd: number;
  /** Position of each operation's call. */
  readonly callPositions: Int32Array;
  /** Position of each required operation's return. */
  readonly returnPositions: Int32Array;
  /** Required operations in the order of their returns. */
  readonly returnOrder: Int32Array;
  /**
   * A small number for each required operation that no other has between its call and its return: there are as many
   * as ever overlap.
   */
  readonly slots: Int32Array;
  readonly slotCount: number;
  /** For an operation that may have happened: the one before it that is like it, or -1. */
  readonly elders: Int32Array;
}

/** Lays a history out. What has no effect and no result that is known, such as a read without an answer, is left out. */
export function layOut<Operation>(
  model: SequentialModel<unknown, Operation>,
  history: readonly HistoryEntry<Operation>[],
): Timeline<Operation> {
  const reads: HistoryEntry<Operation>[] = [];
  const changes: HistoryEntry<Operation>[] = [];
  const possible: HistoryEntry<Operation>[] = [];
  const byCall = [...history].sort((left, right) => left.calledAt - right.calledAt);
  for (const entry of byCall) {
    const isRead = model.isRead?.(entry.operation) === true;
    if (entry.returnedAt !== Number.POSITIVE_INFINITY) (isRead ? reads : changes).push(entry);
    else if (!isRead) possible.push(entry);
  }
  const entries = [...reads, ...changes, ...possible];
  const requiredEnd = reads.length + changes.length;
  const returnOrder = Int32Array.from({ length: requiredEnd }, (_, operation) => operation);
  returnOrder.sort((left, right) => returnOf(entries, left) - returnOf(entries, right));
  return {
    entries,
    readsEnd: reads.length,
    requiredEnd,
    returnOrder,
    elders: findElders(model, entries, requiredEnd),
    ...place(entries, requiredEnd, returnOrder),
  };
}

function callOf(entries: readonly HistoryEntry<unknown>[], operation: number): number {
  return entries[operation]?.calledAt ?? Number.NaN;
}

function returnOf(entries: readonly HistoryEntry<unknown>[], operation: number): number {
  return entries[operation]?.returnedAt ?? Number.NaN;
}

function place(entries: readonly HistoryEntry<unknown>[], requiredEnd: number, returnOrder: Int32Array) {
  const callPositions = new Int32Array(entries.length);
  const returnPositions = new Int32Array(requiredEnd);
  const slots = new Int32Array(requiredEnd);
  const freeSlots: number[] = [];
  let slotCount = 0;
  const callOrder = Int32Array.from({ length: entries.length }, (_, operation) => operation);
  callOrder.sort((left, right) => callOf(entries, left) - callOf(entries, right));
  let called = 0;
  let returned = 0;
  while (called < callOrder.length || returned < requiredEnd) {
    const position = called + returned;
    const calling = callOrder[called];
    const returning = returnOrder[returned];
    if (
      calling !== undefined &&
      (returning === undefined || callOf(entries, calling) <= returnOf(entries, returning))
    ) {
      callPositions[calling] = position;
      if (calling < requiredEnd) slots[calling] = freeSlots.pop() ?? slotCount++;
      called += 1;
    } else if (returning !== undefined) {
      returnPositions[returning] = position;
      freeSlots.push(slots[returning] ?? 0);
      returned += 1;
    }
  }
  return { callPositions, returnPositions, slots, slotCount };
}

function findElders<Operation>(
  model: SequentialModel<unknown, Operation>,
  entries: readonly HistoryEntry<Operation>[],
  requiredEnd: number,
): Int32Array {
  const elders = new Int32Array(entries.length).fill(-1);
  const latest = new Map<string | number, number>();
  for (const [operation, entry] of entries.entries()) {
    const likeness = operation < requiredEnd ? undefined : model.likeness?.(entry.operation);
    if (likeness === undefined) continue;
    elders[operation] = latest.get(likeness) ?? -1;
    latest.set(likeness, operation);
  }
  return elders;
}
