import { type LeaseholdError, OutcomeUnknownError, UnavailableError } from "../core/errors.ts";
import type { Roster } from "./roster.ts";

/** A change to a roster, safe to apply again to what it has been applied to already. */
export interface RosterChange {
  apply(roster: Roster): Roster;
  /** Whether a roster that was read shows that nothing needs to be written. Left out: always write. */
  isSettledIn?(roster: Roster): boolean;
  /** Asked before each attempt, and with the error after one that failed. `false`: give up. */
  isWanted(failure?: LeaseholdError): boolean;
}

/** Pauses between attempts while the store fails. */
export const failureBackoff = { firstMs: 50, maxMs: 2_000 };

/** Only what tells nothing about the caller's request itself is worth another attempt. */
export function isTransient(error: unknown): error is LeaseholdError {
  return error instanceof UnavailableError || error instanceof OutcomeUnknownError;
}

/** As `isWanted` of a change: one failure is the end of it, and its submitter's to judge. */
export const untilItFails: RosterChange["isWanted"] = (failure) => failure === undefined;

/** A change was given up by its own submitter before it was sent again; never reaches a user. */
export class WithdrawnError extends Error {
  override readonly name = "WithdrawnError";
}
