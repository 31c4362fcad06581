/**
 * What went wrong, as a stable string to branch on. The table in `docs/errors.md` says for each code
 * whether anything was applied and what to do.
 */
export type ErrorCode =
  | "INVALID_ARGUMENT"
  | "ACQUIRE_TIMEOUT"
  | "IN_PROGRESS"
  | "FINGERPRINT_MISMATCH"
  | "ABORTED"
  | "LEASE_LOST"
  | "FENCE_REJECTED"
  | "CLOSED"
  | "UNAVAILABLE"
  | "OUTCOME_UNKNOWN"
  | "STORE_MISSING"
  | "STORE_MISCONFIGURED"
  | "PERMISSION_DENIED"
  | "UNSUPPORTED"
  | "LIMIT_EXCEEDED"
  | "CONTENTION"
  | "LIMIT_MISMATCH"
  | "OUT_OF_BOUNDS"
  | "INVALID_VALUE"
  | "CORRUPT_RECORD"
  | "CORRUPT_STORE"
  | "MISSING_DEPENDENCY"
  | "CONDITION_FAILED";

/** What an error may carry besides its message. */
export interface ErrorDetails {
  readonly cause?: unknown;
}

const brand = Symbol.for("leasehold.error");

/**
 * The base of every error that leasehold throws on purpose.
 *
 * `instanceof` looks at a brand and not at the prototype, so it also holds between two copies of the
 * package in one process.
 *
 * @example
 * ```ts
 * import { connect, LeaseholdError } from "leasehold";
 * await using coordinator = await connect("memory:");
 * try {
 *   coordinator.lock("");
 * } catch (error) {
 *   if (error instanceof LeaseholdError) console.log(error.code, error.retryable); // INVALID_ARGUMENT false
 * }
 * ```
 */
export abstract class LeaseholdError extends Error {
  /** The stable code to branch on. */
  abstract readonly code: ErrorCode;
  /** Whether the same call may succeed later without any change by the caller. */
  readonly retryable: boolean = false;

  constructor(message: string, details?: ErrorDetails) {
    // A cause that is there and undefined would be printed.
    super(message, details?.cause === undefined ? {} : { cause: details.cause });
    this.name = new.target.name;
  }

  get [brand](): ErrorCode {
    return this.code;
  }

  // biome-ignore-start lint/complexity/noThisInStatic: each subclass compares its own code.
  static override [Symbol.hasInstance](this: object, value: unknown): boolean {
    if (typeof value !== "object" || value === null || !(brand in value)) return false;
    return !("code" in this) || value[brand] === this.code;
  }
  // biome-ignore-end lint/complexity/noThisInStatic: as above.
}

/** An argument, option, name or URL that leasehold refuses. Nothing was sent. */
export class InvalidArgumentError extends LeaseholdError {
  static readonly code = "INVALID_ARGUMENT";
  readonly code = InvalidArgumentError.code;
}

/** `acquire` did not get the lock within `wait`. The place in the queue is given up. */
export class AcquireTimeoutError extends LeaseholdError {
  static readonly code = "ACQUIRE_TIMEOUT";
  readonly code = AcquireTimeoutError.code;
  override readonly retryable = true;
}

/** Somebody is at the work of a `once`, and its result did not come within `wait`. Nothing was run. */
export class InProgressError extends LeaseholdError {
  static readonly code = "IN_PROGRESS";
  readonly code = InProgressError.code;
  override readonly retryable = true;
}

/** The key of a `once` stands for another request: it was begun with another `fingerprint`. Nothing was run. */
export class FingerprintMismatchError extends LeaseholdError {
  static readonly code = "FINGERPRINT_MISMATCH";
  readonly code = FingerprintMismatchError.code;
}

/** The caller's `AbortSignal` fired. `cause` is the signal's reason. */
export class AbortedError extends LeaseholdError {
  static readonly code = "ABORTED";
  readonly code = AbortedError.code;
}

/**
 * The lease behind a grant is gone: not renewed in time, declared dead by somebody else, or its record
 * vanished. The reason of a grant's `signal`. Somebody else may hold the lock already.
 */
export class LeaseLostError extends LeaseholdError {
  static readonly code = "LEASE_LOST";
  readonly code = LeaseLostError.code;
}

/**
 * A resource has seen a larger fence than the one of this write: the lease is lost, and its successor was here. Nothing
 * was written; a client that sends a write again by itself may have had its first attempt applied before.
 */
export class FenceRejectedError extends LeaseholdError {
  static readonly code = "FENCE_REJECTED";
  readonly code = FenceRejectedError.code;
  /** The fence of the write that was refused. */
  readonly fence: number;
  /** The larger one that the resource has seen. */
  readonly seenFence: number;

  constructor(
    message: string,
    details: ErrorDetails & { readonly fence?: number; readonly seenFence?: number } = {},
  ) {
    super(message, details);
    const { fence = 0, seenFence = 0 } = details;
    this.fence = fence;
    this.seenFence = seenFence;
  }
}

/** The coordinator or backend was closed. */
export class ClosedError extends LeaseholdError {
  static readonly code = "CLOSED";
  readonly code = ClosedError.code;
}

/** The store could not be asked, or refused for the moment. Nothing was applied. */
export class UnavailableError extends LeaseholdError {
  static readonly code = "UNAVAILABLE";
  readonly code = UnavailableError.code;
  override readonly retryable = true;
}

/**
 * A write left this process and no answer came: it may have been applied, or may still be.
 * leasehold's own primitives resolve this by reading; it reaches a caller only when that failed too.
 */
export class OutcomeUnknownError extends LeaseholdError {
  static readonly code = "OUTCOME_UNKNOWN";
  readonly code = OutcomeUnknownError.code;
  override readonly retryable: boolean = true;
}

/** The bucket, table or file does not exist, or vanished while in use. It is never re-created silently. */
export class StoreMissingError extends LeaseholdError {
  static readonly code = "STORE_MISSING";
  readonly code = StoreMissingError.code;
}

/** The bucket, table or file exists with settings that would break a guarantee. */
export class StoreMisconfiguredError extends LeaseholdError {
  static readonly code = "STORE_MISCONFIGURED";
  readonly code = StoreMisconfiguredError.code;
}

/** The credentials in use may not do this. */
export class PermissionDeniedError extends LeaseholdError {
  static readonly code = "PERMISSION_DENIED";
  readonly code = PermissionDeniedError.code;
}

/** This backend, or this version of its server, cannot do what was asked. */
export class UnsupportedError extends LeaseholdError {
  static readonly code = "UNSUPPORTED";
  readonly code = UnsupportedError.code;
}

/** A key, value, name or transaction is larger than the backend takes. Checked before sending. */
export class LimitExceededError extends LeaseholdError {
  static readonly code = "LIMIT_EXCEEDED";
  readonly code = LimitExceededError.code;
  /** The limit and what was to be sent, both in bytes or in operations, where a value or a transaction is too large. */
  readonly limit: number | undefined;
  readonly size: number | undefined;

  constructor(
    message: string,
    details: ErrorDetails & { readonly limit?: number; readonly size?: number } = {},
  ) {
    super(message, details);
    this.limit = details.limit;
    this.size = details.size;
  }
}

/** Others kept changing what a call wanted to change, for as many tries as it had. Nothing was applied. */
export class ContentionError extends LeaseholdError {
  static readonly code = "CONTENTION";
  readonly code = ContentionError.code;
  override readonly retryable = true;
  /** How often it was tried. */
  readonly tries: number;

  constructor(message: string, details: ErrorDetails & { readonly tries?: number } = {}) {
    super(message, details);
    this.tries = details.tries ?? 0;
  }
}

/** The name was opened with another limit than the one that counts. Nothing was changed. */
export class LimitMismatchError extends LeaseholdError {
  static readonly code = "LIMIT_MISMATCH";
  readonly code = LimitMismatchError.code;
  /** The limit that counts: the one in the store. */
  readonly limit: number;
  /** The limit that was asked for. */
  readonly expected: number;

  constructor(
    message: string,
    details: ErrorDetails & { readonly limit?: number; readonly expected?: number } = {},
  ) {
    super(message, details);
    const { limit = 0, expected = 0 } = details;
    this.limit = limit;
    this.expected = expected;
  }
}

/** An add that would cross a bound of its counter, or a value beyond one. The counter stays as it is. */
export class OutOfBoundsError extends LeaseholdError {
  static readonly code = "OUT_OF_BOUNDS";
  readonly code = OutOfBoundsError.code;
  /** What the counter would have become. */
  readonly value: number | bigint;
  /** The bound that is in the way. */
  readonly bound: number | bigint;

  constructor(
    message: string,
    details: ErrorDetails & { readonly value?: number | bigint; readonly bound?: number | bigint } = {},
  ) {
    super(message, details);
    const { value = 0, bound = 0 } = details;
    this.value = value;
    this.bound = bound;
  }
}

/** The condition of a write of your own that a commit carried alongside did not hold. Nothing of it was applied. */
export class ConditionFailedError extends LeaseholdError {
  static readonly code = "CONDITION_FAILED";
  readonly code = ConditionFailedError.code;
  /** Which of the writes, from 0: the first whose condition failed. */
  readonly index: number;
  /** What stands there, as the store gives it; null when nothing does, or the store does not say. */
  readonly current: object | null;

  constructor(
    message: string,
    details: ErrorDetails & { readonly index?: number; readonly current?: object | null } = {},
  ) {
    super(message, details);
    const { index = 0, current = null } = details;
    this.index = index;
    this.current = current;
  }
}

/** A record that leasehold did not write, or that was damaged, stands under one of its keys. */
export class CorruptRecordError extends LeaseholdError {
  static readonly code = "CORRUPT_RECORD";
  readonly code = CorruptRecordError.code;
}

/** The store itself cannot be read, for example a damaged SQLite file. */
export class CorruptStoreError extends LeaseholdError {
  static readonly code = "CORRUPT_STORE";
  readonly code = CorruptStoreError.code;
}

/** An optional peer package is not installed. The message says which one. */
export class MissingDependencyError extends LeaseholdError {
  static readonly code = "MISSING_DEPENDENCY";
  readonly code = MissingDependencyError.code;
}
