import { FingerprintMismatchError, InProgressError } from "../core/errors.ts";
import type { OnceCall } from "./once.ts";

/** What somebody reads who does not wait, or not for long enough. */
export function inProgress({ key, waitMs }: OnceCall, cause?: unknown): InProgressError {
  const waited = waitMs === 0 ? "wait is 0" : `its result did not come within ${waitMs} ms`;
  return new InProgressError(
    `once ${JSON.stringify(key)} is in progress: somebody is at work, and ${waited}. Ask again later: nothing runs twice by that`,
    cause === undefined ? undefined : { cause },
  );
}

/** Whether both say what they stand for, and it is not the same. */
export function isOtherRequest(
  { fingerprint }: Pick<OnceCall, "fingerprint">,
  known: { readonly fingerprint?: string | undefined } | undefined,
): boolean {
  const isSaid = fingerprint !== undefined && known?.fingerprint !== undefined;
  return isSaid && known.fingerprint !== fingerprint;
}

/** @throws FingerprintMismatchError */
export function checkFingerprint(call: OnceCall, known: { readonly fingerprint?: string | undefined }): void {
  if (!isOtherRequest(call, known)) return;
  throw new FingerprintMismatchError(
    `once ${JSON.stringify(call.key)} was begun with another fingerprint: this key stands for another request already. ` +
      "Nothing was run; another request needs a key of its own",
  );
}
