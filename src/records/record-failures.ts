import { AbortedError, OutcomeUnknownError, UnavailableError } from "../core/errors.ts";

/** The caller's signal fired while the command waited. */
export function aborted(subject: string, cause: unknown): AbortedError {
  return new AbortedError(`the caller gave up what it asked of ${subject}; nothing was sent`, { cause });
}

/** Nothing told what became of a write. */
export function unresolved(subject: string, cause: unknown): OutcomeUnknownError {
  const message = `a write to ${subject} got no answer, and it could not be found out whether it was applied`;
  return cause instanceof OutcomeUnknownError ? cause : new OutcomeUnknownError(message, { cause });
}

/** Others kept changing the record. */
export function giveUp(subject: string, patienceMs: number, isDoubtful: boolean): Error {
  const why = `others kept changing ${subject} for ${patienceMs} ms`;
  if (!isDoubtful) return new UnavailableError(`${why}; nothing was applied`);
  return new OutcomeUnknownError(`${why}; an earlier write that got no answer may have been applied`);
}
