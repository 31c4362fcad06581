import type { Backend, Conflict, StoredRecord } from "../core/backend.ts";
import { UnavailableError } from "../core/errors.ts";
import type { Runtime } from "../core/runtime.ts";
import { encodeSession, sessionKey, tombstoneTtlMs } from "./session-record.ts";

/** A read showed a session's own record in a state that is older than what its client knows. Worth another try. */
export class OlderStateError extends UnavailableError {
  constructor() {
    super("a heartbeat met a conflict, but the store answered with an older state");
  }
}

/**
 * What stands under a session's key after its heartbeat met a conflict; `null`: nothing.
 *
 * Absence is decided by a write and not by a read: a lagging replica shows a young session as absent. So a tombstone
 * is put where no record seems to be. If it goes through, there was none, and there will be no other.
 *
 * `isWanted` is asked before the tombstone: a session that was closed meanwhile has taken its record away itself.
 *
 * @throws OlderStateError when the record stands there after all, and the store does not tell what it is.
 */
export async function findOwnRecord(
  context: { readonly backend: Backend; readonly runtime: Runtime; readonly namespace: string },
  session: string,
  conflict: Conflict | undefined,
  isWanted: () => boolean,
): Promise<StoredRecord | null> {
  const { backend, runtime, namespace } = context;
  // The write itself met nothing.
  if (conflict?.current === null) return null;
  const key = sessionKey(namespace, session);
  const [read] = await backend.get([key], { urgent: true });
  if (read != null) return read;
  if (!isWanted()) return null;
  const value = encodeSession({ state: "dead", by: session, atMs: runtime.wallMs() });
  const put = { kind: "put", key, value, expect: null, ttlMs: tombstoneTtlMs } as const;
  const result = await backend.commit([put], { urgent: true });
  if (result.committed) return null;
  const current = result.conflicts[0]?.current;
  if (current == null) throw new OlderStateError();
  return current;
}
