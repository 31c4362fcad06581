import type { SequentialModel } from "../../../src/testing/linearizability.ts";

/** A register that is read, written, and compared and set; `undefined` for a result that nobody learned. */
export type RegisterOperation =
  | { readonly kind: "read"; readonly value: string | undefined }
  | { readonly kind: "write"; readonly value: string }
  | { readonly kind: "cas"; readonly from: string; readonly to: string; readonly done: boolean | undefined };

/** A register; a compare-and-set that finds another value changes nothing and answers so. */
export function registerModel(initial: string): SequentialModel<string, RegisterOperation> {
  return {
    initial,
    step(state, operation) {
      if (operation.kind === "write") return operation.value;
      if (operation.kind === "read") {
        return operation.value === undefined || operation.value === state ? state : undefined;
      }
      const isEqual = operation.from === state;
      if (operation.done !== undefined && operation.done !== isEqual) return undefined;
      return isEqual ? operation.to : state;
    },
    key: (state) => state,
    isRead: (operation) =>
      operation.kind === "read" || (operation.kind === "cas" && operation.done === false),
    likeness: (operation) => JSON.stringify(operation),
  };
}

/** A text under a key. */
export type TextOperation = { readonly key: string } & (
  | { readonly kind: "get"; readonly value: string | undefined }
  | { readonly kind: "put" | "append"; readonly value: string }
);

/**
 * One text, empty at first. Partition histories by key.
 *
 * Texts that no text in `seen`, the answers of all gets, begins with are one state, `null`: whatever is appended,
 * no get can have seen it. So merged, the orders of appends that nobody saw do not multiply.
 */
export function textModel(seen: Iterable<string>): SequentialModel<string | null, TextOperation> {
  const longest: string[] = [];
  for (const text of [...new Set(seen)].sort((left, right) => right.length - left.length)) {
    if (!longest.some((longer) => longer.startsWith(text))) longest.push(text);
  }
  const merged = (text: string): string | null =>
    longest.some((answer) => answer.startsWith(text)) ? text : null;
  return {
    initial: merged(""),
    step(state, operation) {
      if (operation.kind === "put") return merged(operation.value);
      if (operation.kind === "append") return state === null ? null : merged(state + operation.value);
      return operation.value === undefined || operation.value === state ? state : undefined;
    },
    key: (state) => state ?? 0,
    isRead: ({ kind }) => kind === "get",
  };
}

/** Takes or frees a mutex that does not ask who it is that frees it. */
export interface MutexOperation {
  readonly kind: "acquire" | "release";
}

/** A mutex that is free at first. */
export const mutexModel: SequentialModel<boolean, MutexOperation> = {
  initial: false,
  step(isHeld, { kind }) {
    if (isHeld === (kind === "acquire")) return undefined;
    return !isHeld;
  },
  key: Number,
  likeness: ({ kind }) => kind,
};
