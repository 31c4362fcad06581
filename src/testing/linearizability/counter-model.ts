import type { SequentialModel } from "../linearizability.ts";

/** What a client asked of a counter, with the sum that it was told; `undefined` when it was told nothing. */
export type CounterOperation =
  | { readonly kind: "add"; readonly delta: number; readonly sum: number | undefined }
  | { readonly kind: "get"; readonly sum: number | undefined };

/**
 * A counter that begins at `initial` (default 0): an add answers the sum after it, a get the sum. Whole numbers: with
 * fractions, sums depend on the order of adds. An add that was retried within the client is one operation, and is
 * applied once.
 *
 * @example
 * ```ts
 * import { checkLinearizability, counterModel } from "leasehold/testing";
 * const history = [
 *   { operation: { kind: "add", delta: 2, sum: 5 }, calledAt: 1, returnedAt: 4 },
 *   { operation: { kind: "add", delta: 3, sum: 3 }, calledAt: 2, returnedAt: 3 },
 * ] as const;
 * console.log(checkLinearizability(counterModel(), history).verdict); // linearizable
 * ```
 */
export function counterModel(initial = 0): SequentialModel<number, CounterOperation> {
  return {
    initial,
    step(state, operation) {
      const after = operation.kind === "add" ? state + operation.delta : state;
      return operation.sum === undefined || operation.sum === after ? after : undefined;
    },
    key: (state) => state,
    isRead: ({ kind }) => kind === "get",
    likeness: ({ kind, ...rest }) => ("delta" in rest ? `${kind} ${rest.delta} ${rest.sum}` : undefined),
  };
}
