import {
  ClosedError,
  CorruptRecordError,
  CorruptStoreError,
  InvalidArgumentError,
  LeaseholdError,
  LimitExceededError,
  MissingDependencyError,
  OutcomeUnknownError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnavailableError,
  UnsupportedError,
} from "../core/errors.ts";

/** An error on its way between two threads, which would not keep its class. */
export interface ErrorCopy {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly cause?: ErrorCopy;
}

/** Causes of causes that are told. */
const depthMax = 4;

/** What a backend may throw. */
const classes = [
  ClosedError,
  CorruptRecordError,
  CorruptStoreError,
  InvalidArgumentError,
  LimitExceededError,
  MissingDependencyError,
  OutcomeUnknownError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnavailableError,
  UnsupportedError,
];

/** What can be posted of an error; `undefined` of `undefined`. */
export function copyError(error: unknown, depth = 0): ErrorCopy | undefined {
  if (error === undefined || depth > depthMax) return undefined;
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message } = error;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const cause = copyError(error.cause, depth + 1);
  return { name, message, ...(code !== undefined && { code }), ...(cause !== undefined && { cause }) };
}

/** The error that was copied: of the same class where it is leasehold's own. */
export function rebuildError(copy: ErrorCopy): Error {
  const { name, message, code } = copy;
  const details = copy.cause === undefined ? undefined : { cause: rebuildError(copy.cause) };
  const Class = classes.find((known) => known.code === code && known.name === name);
  if (Class !== undefined) return new Class(message, details);
  const error = Object.assign(new Error(message, details), { name });
  return code === undefined ? error : Object.assign(error, { code });
}

/** As {@link rebuildError}, if it is one of leasehold's own. */
export function rebuildOwnError(copy: ErrorCopy | undefined): LeaseholdError | undefined {
  const error = copy === undefined ? undefined : rebuildError(copy);
  return error instanceof LeaseholdError ? error : undefined;
}
