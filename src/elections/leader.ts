import { CorruptRecordError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { Holder, Roster } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { type ClientDescription, decodeSession, sessionKey } from "../sessions/session-record.ts";

/** Who leads, as the store showed it at one moment. A hint: by the time you read it, somebody else may. */
export interface Leader {
  /** What it campaigned as. */
  readonly identity: string;
  /** What it has published last; `null` when nothing. */
  readonly value: Json;
  /** Its fence: larger than that of every earlier leader. */
  readonly term: number;
  /** When it was elected, by the wall clock of the client that handed over to it. */
  readonly since: Date;
  /** Its machine and process; `null` when the record of its session is not there. */
  readonly client: ClientDescription | null;
}

/** Who leads by this roster, if anybody does. */
export function leaderIn(roster: Roster): Holder | undefined {
  return roster.holders[0];
}

/**
 * Describes a leader, with one read of its session. `null`: its session was declared dead, and it leads no more as
 * soon as that is written down.
 */
export async function describeLeader(host: RosterHost, holder: Holder): Promise<Leader | null> {
  const [record] = await host.backend.get([sessionKey(host.namespace, holder.session)]);
  const session = record == null ? undefined : readable(() => decodeSession(record.key, record.value));
  if (session?.state === "dead") return null;
  return leaderOf(holder, session?.client ?? null);
}

/** A leader whose client is known, or not to be known. */
export function leaderOf(holder: Holder, client: ClientDescription | null): Leader {
  const { identity = holder.session, metadata = null, fence, grantedAtMs } = holder;
  return { identity, value: metadata, term: fence, since: new Date(grantedAtMs), client };
}

/** A damaged session must not hide who leads. */
function readable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof CorruptRecordError) return undefined;
    throw error;
  }
}
