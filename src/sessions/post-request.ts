import type { Backend, StoredRecord } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { OutcomeUnknownError, UnavailableError } from "../core/errors.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { messageHint } from "./session.ts";
import {
  decodeSession,
  encodeSession,
  liveRecordTtlMs,
  sessionKey,
  tombstoneTtlMs,
} from "./session-record.ts";
import { addRequest, type SessionRequest } from "./session-request.ts";

/** `posted`: it stands in the record; its session reads it within a third of its TTL, if it lives. */
export type PostOutcome = "posted" | "gone" | "full";

/** What is needed to leave a message. */
export interface PostContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
}

/** Writes that may come between a read and the write over it: a heartbeat, and everybody else with a message. */
const conflictsMax = 64;
const failuresMax = 4;
const pauses = { firstMs: 20, maxMs: 1_000 };

/**
 * Leaves a message in a session's record, by a write under the condition that the record is what was read, and wakes
 * the session where the backend can. `gone`: there is no such session any more. `full`: as many as fit wait to be
 * read.
 *
 * @throws UnavailableError, OutcomeUnknownError when the store goes on failing. Safe to repeat with the same request.
 */
export async function postRequest(
  context: PostContext,
  session: string,
  request: SessionRequest,
): Promise<PostOutcome> {
  const { backend, runtime, namespace } = context;
  const key = sessionKey(namespace, session);
  let current: StoredRecord | null | undefined;
  let failures = 0;
  for (let conflicts = 0; conflicts < conflictsMax; conflicts += 1) {
    try {
      current ??= await find(context, key, request);
      if (current === null) return "gone";
      const record = decodeSession(key, current.value);
      if (record.state === "dead") return "gone";
      const delivery = addRequest(record, request);
      if (delivery === "full") return "full";
      if (delivery !== "there already") {
        const value = encodeSession(delivery.record);
        const put = { kind: "put", key, value, expect: current.version } as const;
        const result = await backend.commit([{ ...put, ttlMs: liveRecordTtlMs(record.ttlMs) }]);
        if (!result.committed) {
          current = result.conflicts[0]?.current ?? undefined;
          continue;
        }
      }
      wake(backend, session);
      return "posted";
    } catch (error) {
      const isTransient = error instanceof UnavailableError || error instanceof OutcomeUnknownError;
      if (!isTransient || failures >= failuresMax) throw error;
      current = undefined;
      await sleep(runtime, backoffMs(runtime, failures, pauses), { holdsProcessOpen: true });
      failures += 1;
    }
  }
  throw new UnavailableError(
    `the record of session ${session} changed ${conflictsMax} times while a message was written into it`,
  );
}

/**
 * A lagging replica may show a young session as absent. Who is asked to give up may miss that; before anything is
 * taken, a tombstone under the condition that there is nothing decides it.
 */
async function find(
  { backend, runtime }: PostContext,
  key: string,
  { kind, by }: SessionRequest,
): Promise<StoredRecord | null> {
  const [read] = await backend.get([key]);
  if (read != null) return read;
  if (kind === "revoke") return null;
  const value = encodeSession({ state: "dead", by, atMs: runtime.wallMs() });
  const result = await backend.commit([{ kind: "put", key, value, expect: null, ttlMs: tombstoneTtlMs }]);
  if (result.committed) return null;
  const current = result.conflicts[0]?.current;
  if (current == null)
    throw new UnavailableError(`the store shows no record of ${key}, and says there is one`);
  return current;
}

function wake(backend: Backend, session: string): void {
  if (!backend.capabilities.wake) return;
  try {
    backend.wake(session, messageHint);
  } catch {
    // The message stands there, whatever becomes of the hint: the next heartbeat finds it.
  }
}
