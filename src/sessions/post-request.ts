import type { Backend } from "../core/backend.ts";
import { Outbox, type PostContext, type PostOutcome, type Standstills } from "./outbox.ts";
import { sessionKey } from "./session-record.ts";
import type { SessionRequest } from "./session-request.ts";

/** What one client has to say to the sessions of others. */
interface PostOffice {
  /** By the key of the session's record; gone when everything in it was told. */
  readonly outboxes: Map<string, Outbox>;
  readonly standstills: Standstills;
}

/** By the connection that a client has: messages that go the same way share their writes. */
const offices = new WeakMap<Backend, PostOffice>();

/**
 * Leaves a message in a session's record, and wakes the session where the backend can. Messages of one client to one
 * session share their reads, their writes and the wait for room. `gone`: there is no such session any more. `full`:
 * there was no room for the length of a TTL, because nobody reads what stands there.
 *
 * @throws UnavailableError, OutcomeUnknownError when the store goes on failing, or others are always faster. Safe to
 *   repeat with the same request.
 */
export function postRequest(
  context: PostContext,
  session: string,
  request: SessionRequest,
): Promise<PostOutcome> {
  const { backend, namespace } = context;
  const office = offices.get(backend) ?? { outboxes: new Map(), standstills: new Map() };
  offices.set(backend, office);
  const key = sessionKey(namespace, session);
  const open = office.outboxes.get(key);
  if (open !== undefined) return open.add(request);
  const outbox = new Outbox(context, session, office.standstills);
  office.outboxes.set(key, outbox);
  const posted = outbox.add(request);
  outbox.empty(() => office.outboxes.delete(key));
  return posted;
}
