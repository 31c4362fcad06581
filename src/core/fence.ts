import { describe } from "./durations.ts";
import { FenceRejectedError, InvalidArgumentError } from "./errors.ts";

/**
 * Whatever carries a fence: a grant of any primitive, or `{ fence }` with a number that came from one, for example one
 * of a `MultiGrant`'s `fences`.
 */
export interface Fenced {
  /** A number that rises with every grant of a name. */
  readonly fence: number;
}

/**
 * The fence of a grant.
 *
 * @throws InvalidArgumentError for anything that carries none, or one for each of several names: they rise apart from
 * each other, and a resource that has seen the largest would refuse the next holder of another name.
 */
export function fenceOf(what: string, fenced: Fenced): number {
  const { fence, fences } = (fenced ?? {}) as { readonly fence?: unknown; readonly fences?: unknown };
  if (fences instanceof Map && fences.size > 1) {
    throw new InvalidArgumentError(
      `${what} needs one fence, and this grant has one for each of ${fences.size} names: give ` +
        "{ fence: grant.fences.get(name) } with the name that guards this resource, or { fence: grant.fence } where " +
        "nobody ever takes one of them alone",
    );
  }
  if (Number.isSafeInteger(fence) && (fence as number) > 0) return fence as number;
  throw new InvalidArgumentError(
    `${what} needs a grant, or { fence } with a safe integer above 0 that came from one; got ` +
      (fence === undefined ? describe(fenced) : `the fence ${describe(fence)}`),
  );
}

/**
 * The error for a write with a smaller fence than `resource` has seen.
 *
 * @param applied what is known of it: `perhaps` where an earlier copy of the write may have come before the larger fence.
 */
export function fenceRejected(
  resource: string,
  fence: number,
  seenFence: number,
  { applied = "no", ...details }: { readonly applied?: "no" | "perhaps"; readonly cause?: unknown } = {},
): FenceRejectedError {
  const end =
    applied === "no"
      ? "Nothing was written"
      : "It was sent more than once, and an earlier attempt may have been applied before that";
  return new FenceRejectedError(
    `${resource} has seen fence ${seenFence}, and refused the smaller fence ${fence}: this lease is lost and a later ` +
      `holder was here. ${end}`,
    { fence, seenFence, ...details },
  );
}
