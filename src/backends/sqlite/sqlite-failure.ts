import {
  CorruptStoreError,
  OutcomeUnknownError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  UnavailableError,
} from "../../core/errors.ts";

/** Primary result codes, from sqlite.org/rescode.html. */
const resultCodes = {
  error: 1,
  permission: 3,
  busy: 5,
  locked: 6,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  authorization: 23,
  notADatabase: 26,
} as const;

/** The primary result code of an error of node:sqlite, `undefined` for any other error. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { readonly errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

/** Whether another connection is writing at this moment, so that nothing was applied and a retry may succeed. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === resultCodes.busy || code === resultCodes.locked;
}

/**
 * The typed error for what SQLite reported. Errors of other origin come back as they are.
 *
 * @param doing `write`: something may have been applied, if SQLite cannot say that it was not.
 */
export function sqliteFailure(error: unknown, path: string, doing: "read" | "write"): unknown {
  const code = resultCode(error);
  if (code === undefined) return error;
  const details = { cause: error };
  const text = `${(error as Error).message}, SQLite code ${(error as { errcode?: number }).errcode}`;
  switch (code) {
    case resultCodes.busy:
    case resultCodes.locked:
      return new UnavailableError(
        `${path} is being written by another process for too long (${text})`,
        details,
      );
    case resultCodes.full:
      return new UnavailableError(`the disk of ${path} is full (${text}); nothing was applied`, details);
    case resultCodes.corrupt:
    case resultCodes.notADatabase:
      return corruptStore(path, text, details);
    case resultCodes.permission:
    case resultCodes.readOnly:
    case resultCodes.authorization:
      return new PermissionDeniedError(`${path} may not be written (${text})`, details);
    case resultCodes.error:
      return new StoreMisconfiguredError(
        `${path} does not have the tables it was created with (${text}): something else changed its schema`,
        details,
      );
    case resultCodes.cannotOpen:
      return new UnavailableError(`${path} cannot be opened (${text})`, details);
  }
  // An I/O error may come from the very last step of a commit, after everything was written.
  return doing === "write"
    ? new OutcomeUnknownError(
        `writing to ${path} failed on the way (${text}); it may have been applied`,
        details,
      )
    : new UnavailableError(`reading ${path} failed (${text})`, details);
}

/** A file that SQLite cannot make sense of. */
export function corruptStore(path: string, text: string, details?: { cause: unknown }): CorruptStoreError {
  return new CorruptStoreError(
    `${path} is damaged, or no SQLite database (${text}). Nothing in it was overwritten. If the path is right, ` +
      "stop every process that uses it, move the file away together with its -wal and -shm, and create a new store: " +
      "leases in the old one count as expired, and fences go on from the wall clock",
    details,
  );
}
