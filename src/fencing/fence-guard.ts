import { type Fenced, fenceOf, fenceRejected } from "../core/fence.ts";

/** A resource within one process, which refuses smaller fences than it has seen. Made by {@link createFenceGuard}. */
export interface FenceGuard {
  /** What it is called in messages. */
  readonly name: string;
  /** The largest fence that was seen; 0 before the first. */
  readonly seenFence: number;
  /**
   * Shows a fence without any other change, so that late writes of earlier holders are refused from now on. The first
   * act of a new holder.
   *
   * @throws FenceRejectedError (`FENCE_REJECTED`) when a larger one was seen.
   */
  claim(grant: Fenced): void;
  /**
   * Does `work` unless a larger fence was seen. Only what `work` does before it first waits is safe from being
   * overtaken: let it write, and not wait.
   *
   * @throws FenceRejectedError (`FENCE_REJECTED`) when a larger one was seen; `work` is not called then.
   */
  write<R>(grant: Fenced, work: () => R): R;
}

/**
 * Guards something that lives in this process, for tests and for programs of one process: a map, a device, a connection.
 * It forgets with the process. What other processes write to needs a guard where it is stored: see `docs/fencing.md`.
 *
 * @example
 * ```ts
 * import { connect, createFenceGuard, FenceRejectedError } from "leasehold";
 * const guard = createFenceGuard("report");
 * await using coordinator = await connect("memory:");
 * const early = await coordinator.lock("report").acquire();
 * console.log(guard.write(early, () => "written")); // written
 * await early.release();
 * await coordinator.lock("report").hold(async (late) => guard.claim(late));
 * try {
 *   guard.write(early, () => "too late");
 * } catch (error) {
 *   console.log(error instanceof FenceRejectedError, guard.seenFence > early.fence); // true true
 * }
 * ```
 */
export function createFenceGuard(name = "this resource"): FenceGuard {
  let seenFence = 0;
  const claim = (grant: Fenced): void => {
    const fence = fenceOf("a fence guard", grant);
    if (fence < seenFence) throw fenceRejected(name, fence, seenFence);
    seenFence = fence;
  };
  return {
    name,
    get seenFence() {
      return seenFence;
    },
    claim,
    write(grant, work) {
      claim(grant);
      return work();
    },
  };
}
