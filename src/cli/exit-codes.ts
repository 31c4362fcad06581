import type { ErrorCode } from "../index.ts";

/** What the exit codes of the program mean: those of sysexits.h where one fits, and those of shells. */
export const exitCodes = {
  ok: 0,
  usage: 64,
  corrupt: 65,
  missing: 66,
  unavailable: 69,
  internal: 70,
  notAcquired: 75,
  leaseLost: 76,
  permission: 77,
  configuration: 78,
  notExecutable: 126,
  notFound: 127,
} as const;

/** The exit code for each error of the library. */
const byErrorCode: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: exitCodes.usage,
  LIMIT_EXCEEDED: exitCodes.usage,
  LIMIT_MISMATCH: exitCodes.usage,
  FINGERPRINT_MISMATCH: exitCodes.usage,
  INVALID_VALUE: exitCodes.corrupt,
  CORRUPT_RECORD: exitCodes.corrupt,
  CORRUPT_STORE: exitCodes.corrupt,
  UNAVAILABLE: exitCodes.unavailable,
  OUTCOME_UNKNOWN: exitCodes.unavailable,
  CONTENTION: exitCodes.notAcquired,
  ACQUIRE_TIMEOUT: exitCodes.notAcquired,
  IN_PROGRESS: exitCodes.notAcquired,
  OUT_OF_BOUNDS: exitCodes.notAcquired,
  CONDITION_FAILED: exitCodes.notAcquired,
  LEASE_LOST: exitCodes.leaseLost,
  FENCE_REJECTED: exitCodes.leaseLost,
  PERMISSION_DENIED: exitCodes.permission,
  STORE_MISSING: exitCodes.configuration,
  STORE_MISCONFIGURED: exitCodes.configuration,
  UNSUPPORTED: exitCodes.configuration,
  MISSING_DEPENDENCY: exitCodes.configuration,
  ABORTED: exitCodes.internal,
  CLOSED: exitCodes.internal,
};

/** The exit code for an error of the library; 70 for a code of a newer one. */
export function exitCodeOfError(code: ErrorCode): number {
  return byErrorCode[code] ?? exitCodes.internal;
}

/** The end of every help page that runs a command. */
export const exitCodesHelp = `
Exit codes:
  the command's own, and 128+N when signal N ended it; otherwise
   64  wrong usage: an option, name, duration or URL that cannot be used
   65  the store, or a record in it, is damaged, or of another codec
   66  a key is not there
   69  the store does not answer
   70  an error inside leasehold; please report it
   75  not acquired: held by others (--try), or the time was up (--wait); or
       a counter's bound is in the way, or its value is not the expected one;
       or a limit denies it, or a condition of kv does not hold
   76  the lease was lost, or about to be, and the command was stopped
   77  the store's credentials or file permissions do not allow it
   78  the store is missing, or set up in a way that leasehold cannot use
  126  the command cannot be executed
  127  the command was not found`;
