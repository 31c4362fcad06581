import type { SequentialModel } from "../linearizability.ts";

/**
 * What happened to a lock. Every attempt to get it has a `grant` of its own, a name that no other attempt of the
 * history has. What a client was not told is `undefined`.
 */
export type FencedLockOperation =
  /** Waits for the lock. One that was given up without a grant is written as one of unknown outcome, and so is a release. */
  | { readonly kind: "acquire"; readonly grant: string; readonly fence: number | undefined }
  /** Takes the lock if it is free; `null`: it was not. */
  | { readonly kind: "try"; readonly grant: string; readonly fence: number | null | undefined }
  /** Gives the lock back; `lost`: it was somebody else's, or nobody's, by then. */
  | { readonly kind: "release"; readonly grant: string; readonly result: "released" | "lost" | undefined }
  /**
   * The lease ends by itself. Nobody asks for it: write it down for every grant whose lease may have ended, called
   * at the earliest instant at which its holder or anybody else may have found that out, with unknown outcome.
   */
  | { readonly kind: "expire"; readonly grant: string };

/** Who holds the lock, and the largest fence so far. */
export interface FencedLockState {
  readonly holder: string | null;
  readonly fence: number;
}

/**
 * A lock with fencing tokens and leases that expire.
 *
 * - An acquire, or a try with a fence, finds the lock free, and its fence is larger than all before. Fences are
 *   whole numbers, so that a fence that nobody learned is at least one more than the one before.
 * - A try that answered `null` found the lock held. A store whose reads may be stale does not promise that much:
 *   leave such tries out of its histories.
 * - A release finds its grant holding, or answers `lost`: then the lease had expired, or been released, before.
 * - An expiry ends the grant if it still holds.
 *
 * Limit: it knows nothing of time. That leases do not expire too early is in the `calledAt` of `expire`, and that
 * the holder learns of it in time needs a check of its own.
 *
 * @example
 * ```ts
 * import { checkLinearizability, fencedLockModel } from "leasehold/testing";
 * const first = { operation: { kind: "acquire", grant: "a", fence: 7 }, calledAt: 0, returnedAt: 1 } as const;
 * const second = { operation: { kind: "acquire", grant: "b", fence: 8 }, calledAt: 2, returnedAt: 30 } as const;
 * const expiry = { operation: { kind: "expire", grant: "a" }, calledAt: 20, returnedAt: Infinity } as const;
 * console.log(checkLinearizability(fencedLockModel(), [first, second]).verdict); // not linearizable
 * console.log(checkLinearizability(fencedLockModel(), [first, second, expiry]).verdict); // linearizable
 * ```
 */
export function fencedLockModel(): SequentialModel<FencedLockState, FencedLockOperation> {
  return {
    initial: { holder: null, fence: 0 },
    step,
    key: ({ holder, fence }) => (holder === null ? fence : `${fence} ${holder}`),
    isRead: (operation) =>
      (operation.kind === "try" && operation.fence === null) ||
      (operation.kind === "release" && operation.result === "lost"),
    // A release of which nobody knows and an expiry both free what the grant holds, and do nothing else.
    likeness: (operation) =>
      operation.kind === "expire" || (operation.kind === "release" && operation.result === undefined)
        ? operation.grant
        : undefined,
  };
}

function step(state: FencedLockState, operation: FencedLockOperation): FencedLockState | undefined {
  const { holder, fence } = state;
  const isHolder = holder === operation.grant;
  switch (operation.kind) {
    case "try":
      if (operation.fence === null) return holder === null ? undefined : state;
      // A try whose answer nobody knows may have found it held.
      if (holder !== null) return operation.fence === undefined ? state : undefined;
      return granted(state, operation.grant, operation.fence);
    case "acquire":
      return holder === null ? granted(state, operation.grant, operation.fence) : undefined;
    case "release":
      if (operation.result === "released") return isHolder ? { holder: null, fence } : undefined;
      if (operation.result === "lost") return isHolder ? undefined : state;
      return isHolder ? { holder: null, fence } : state;
    case "expire":
      return isHolder ? { holder: null, fence } : undefined;
  }
}

function granted(
  state: FencedLockState,
  grant: string,
  fence: number | undefined,
): FencedLockState | undefined {
  if (fence === undefined) return { holder: grant, fence: state.fence + 1 };
  return fence > state.fence ? { holder: grant, fence } : undefined;
}
