import { type ErrorDetails, LeaseholdError } from "./errors.ts";

/** One thing that is wrong with a value: where in it, and what. An empty `path` is the value itself. */
export interface ValueIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * A value that its codec or its schema refuses. On writing, nothing was written; on reading, what is stored stays as it
 * is.
 */
export class InvalidValueError extends LeaseholdError {
  static readonly code = "INVALID_VALUE";
  readonly code = InvalidValueError.code;
  /** What is wrong with it. */
  readonly issues: readonly ValueIssue[];
  /** The value as it is: the one that was given, or read; its bytes where they could not even be decoded. */
  readonly value: unknown;
  /** The key that it was for, where one is known. */
  readonly key: string | undefined;

  constructor(
    message: string,
    details: ErrorDetails & {
      readonly issues?: readonly ValueIssue[];
      readonly value?: unknown;
      readonly key?: string | undefined;
    } = {},
  ) {
    super(message, details);
    this.issues = details.issues ?? [];
    this.value = details.value;
    this.key = details.key;
  }
}
