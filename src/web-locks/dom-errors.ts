import { AbortedError, ClosedError, LeaseLostError } from "../core/errors.ts";

/** What cannot be asked for. */
export function notSupported(message: string): DOMException {
  return new DOMException(message, "NotSupportedError");
}

/** What the holder of a lock gets that was stolen, or lost in another way. */
export function brokenLock(name: string, cause: LeaseLostError | undefined): DOMException {
  const message = `the lock ${JSON.stringify(name)} was lost while it was held; somebody else may hold it`;
  return new DOMException(message, { name: "AbortError", ...(cause !== undefined && { cause }) });
}

/** An error of leasehold as the standard names it. What the standard has no name for stays what it is. */
export function domErrorOf(name: string, error: unknown): unknown {
  if (error instanceof ClosedError) {
    return new DOMException("the coordinator is closed", { name: "InvalidStateError", cause: error });
  }
  // Exactly what the caller gave to `abort`.
  if (error instanceof AbortedError) return error.cause;
  return error instanceof LeaseLostError ? brokenLock(name, error) : error;
}
