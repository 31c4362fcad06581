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
 * @throws InvalidArgumentError for anything that carries none.
 */
export function fenceOf(what: string, fenced: Fenced): number {
  const fence: unknown = (fenced as Fenced | undefined)?.fence;
  if (Number.isSafeInteger(fence) && (fence as number) > 0) return fence as number;
  throw new InvalidArgumentError(
    `${what} needs a grant, or { fence } with a safe integer above 0 that came from one; got ` +
      (fence === undefined ? describe(fenced) : `the fence ${describe(fence)}`),
  );
}

/** The error for a write with a smaller fence than `resource` has seen. */
export function fenceRejected(
  resource: string,
  fence: number,
  seenFence: number,
  cause?: unknown,
): FenceRejectedError {
  return new FenceRejectedError(
    `${resource} has seen fence ${seenFence}, and refused the smaller fence ${fence}: this lease is lost and a later ` +
      "holder was here. Nothing was written",
    { fence, seenFence, ...(cause === undefined ? {} : { cause }) },
  );
}
