import { AbortedError, LeaseLostError } from "../core/errors.ts";
import type { SessionRequest } from "../sessions/session-request.ts";

/** What somebody did to the holder of a grant from outside. The `cause` of the error that tells the holder. */
export interface Intervention {
  /** `force-release`: the grant was taken away. `revoke`: the holder is asked to give it back. */
  readonly kind: "force-release" | "revoke";
  /** Who it was: `host/pid` of the process, behind its client name if it has one. */
  readonly by: string;
  readonly reason: string;
  /** When, by the wall clock of whoever it was. */
  readonly at: Date;
}

/** Options of `requestRevoke` and `forceRelease`. */
export interface InterventionOptions {
  /** Why, for the holder and for those who look later: 1 to 512 bytes. */
  readonly reason: string;
  /** Only the holder with this fence. Default: everybody who holds it. */
  readonly fence?: number;
}

interface Named {
  readonly name: string;
  readonly fence: number;
}

/** What a holder reads whose grant was taken away. */
export function forcedReleaseError(grant: Named, request: SessionRequest): LeaseLostError {
  const { by, reason } = request;
  return new LeaseLostError(
    `lease lost: ${title(grant)} was released by force by ${by}: ${reason}. Stop the work that it protected; somebody ` +
      "else may hold it",
    { cause: interventionOf(request) },
  );
}

/** What a holder reads who is asked to give up. */
export function revokeRequest(grant: Named, request: SessionRequest): AbortedError {
  return new AbortedError(`${request.by} asks for the release of ${title(grant)}: ${request.reason}`, {
    cause: interventionOf(request),
  });
}

/** What a holder reads whose session ended. */
export function lostWithSession(grant: Named, reason: LeaseLostError): LeaseLostError {
  const why = reason.message.replace(/^lease lost: /, "");
  const details = reason.cause === undefined ? undefined : { cause: reason.cause };
  return new LeaseLostError(`lease lost: ${title(grant)}: ${why}`, details);
}

/** What a holder reads who held for too long. */
export function heldTooLongError(grant: Named, maxHoldMs: number): LeaseLostError {
  return new LeaseLostError(
    `lease lost: ${title(grant)} was held for longer than its maxHold of ${maxHoldMs} ms, and was given back. Stop the ` +
      "work that it protected; somebody else may hold it",
  );
}

/** Why nothing is there of a grant. */
export function takenMessage(grant: Named): string {
  return (
    `the grant of ${title(grant)} was not there any more: somebody released it by force, or the store was wiped or ` +
    "rolled back. Somebody else may hold it"
  );
}

function title({ name, fence }: Named): string {
  return `${JSON.stringify(name)} with fence ${fence}`;
}

function interventionOf({ kind, by, reason, atMs }: SessionRequest): Intervention {
  return { kind: kind === "released" ? "force-release" : "revoke", by, reason, at: new Date(atMs) };
}
