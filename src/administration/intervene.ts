import type { Backend } from "../core/backend.ts";
import { backoffMs } from "../core/backoff.ts";
import { describe } from "../core/durations.ts";
import { InvalidArgumentError, type LeaseholdError, UnavailableError } from "../core/errors.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import type { InterventionOptions } from "../roster/intervention.ts";
import { isRemoved, remove } from "../roster/removal.ts";
import { type EntrantId, type Holder, type Roster, standing } from "../roster/roster.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import type { RosterQueue } from "../roster/roster-queue.ts";
import type { PostOutcome } from "../sessions/outbox.ts";
import { postRequest } from "../sessions/post-request.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import { reasonBytesMax, type SessionRequest } from "../sessions/session-request.ts";

/** What is needed to act on those who hold something. */
export interface InterventionContext {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
  readonly sessions: SessionPool;
  /** Who this is, for those who are told. */
  readonly by: string;
}

/** What somebody says to the holders. */
type Message = Pick<SessionRequest, "kind" | "reason">;

/** Sessions that are told at the same time. */
const sessionsAtATime = 16;
/** Attempts to write, where the store fails. */
const attemptsMax = 5;

/**
 * Takes a roster from those who hold it. First it tells them; then, whether or not they have heard, takes them out and
 * admits the next in one write. Crashed in between, those who live give up by themselves, and the others still hold.
 */
export async function forceRelease(
  context: InterventionContext,
  queue: RosterQueue,
  options: InterventionOptions,
): Promise<boolean> {
  const checked = checkIntervention("forceRelease", options);
  const { reason } = checked;
  const seen = await queue.board.read();
  // Nobody ever held it, and there may be no record of it: it gets none.
  if (seen.fence === 0) return false;
  const told = holdersOf(seen, checked.fence);
  await tell(context, told, { kind: "released", reason });
  const { untold, wasHeld } = await take(context, queue, told, checked);
  if (untold.length === 0) return wasHeld;
  // The read was older than the write: these held it all the time.
  await tell(context, untold, { kind: "released", reason });
  await take(context, queue, untold, checked);
  return true;
}

/** Asks those who hold a roster to give it back. */
export async function requestRevoke(
  context: InterventionContext,
  queue: RosterQueue,
  options: InterventionOptions,
): Promise<boolean> {
  const { reason, fence } = checkIntervention("requestRevoke", options);
  const told = holdersOf(await queue.board.read(), fence);
  const outcomes = await tell(context, told, { kind: "revoke", reason });
  if (outcomes.includes("full")) {
    throw new UnavailableError(
      "a holder did not read the messages that it got before, and did not renew its session: it seems to be dead or " +
        "paused, and was not asked. Try again in a while",
    );
  }
  return outcomes.includes("posted");
}

/** @throws InvalidArgumentError for options that cannot be used. */
function checkIntervention(what: string, options: InterventionOptions): InterventionOptions {
  const { reason, fence } = (options ?? {}) as Partial<InterventionOptions>;
  const isText = typeof reason === "string" && reason.trim().length > 0 && reason.isWellFormed();
  if (!isText || Buffer.byteLength(reason) > reasonBytesMax) {
    throw new InvalidArgumentError(
      `${what} needs a reason, for the holder and for those who look later: text of 1 to ${reasonBytesMax} bytes; got ` +
        describe(reason),
    );
  }
  if (fence !== undefined && !(Number.isSafeInteger(fence) && fence > 0)) {
    throw new InvalidArgumentError(`fence must be the fence of a grant; got ${describe(fence)}`);
  }
  return { reason, ...(fence !== undefined && { fence }) };
}

function holdersOf({ holders }: Roster, fence: number | undefined): readonly Holder[] {
  return fence === undefined ? holders : holders.filter((holder) => holder.fence === fence);
}

/** Takes holders out. Answers whether one of them was there, and who held it besides them and was not told. */
async function take(
  { runtime, by }: InterventionContext,
  queue: RosterQueue,
  told: readonly Holder[],
  { reason, fence }: InterventionOptions,
): Promise<{ readonly untold: readonly Holder[]; readonly wasHeld: boolean }> {
  const removal = { id: runtime.id(), by, reason, atMs: runtime.wallMs() };
  const wasTold = (holder: EntrantId): boolean => told.some((one) => isSame(one, holder));
  let untold: readonly Holder[] = [];
  let isThere = false;
  const apply = (roster: Roster): Roster => {
    // An earlier attempt was applied, and what it admitted came after it.
    if (isRemoved(roster, removal.id)) return roster;
    untold = holdersOf(roster, fence).filter((holder) => !wasTold(holder));
    isThere = told.some((holder) => standing(roster, holder).place !== "absent");
    return told.length === 0 ? roster : remove(roster, told, removal);
  };
  for (let attempt = 0; ; attempt += 1) {
    try {
      await queue.change(apply);
      return { untold, wasHeld: isThere || told.length > 0 };
    } catch (error) {
      if (!isTransient(error as LeaseholdError) || attempt + 1 >= attemptsMax) throw error;
      await sleep(runtime, backoffMs(runtime, attempt, failureBackoff), { holdsProcessOpen: true });
    }
  }
}

/** Leaves a message for each holder, several sessions at a time: those to one session share their writes. */
async function tell(
  context: InterventionContext,
  holders: readonly Holder[],
  message: Message,
): Promise<readonly PostOutcome[]> {
  const bySession = [...Map.groupBy(holders, ({ session }) => session).values()];
  const outcomes: PostOutcome[] = [];
  const tellNext = async (): Promise<void> => {
    for (let next = bySession.shift(); next !== undefined; next = bySession.shift()) {
      outcomes.push(...(await Promise.all(next.map((holder) => tellOne(context, holder, message)))));
    }
  };
  await Promise.all(Array.from({ length: Math.min(sessionsAtATime, bySession.length) }, tellNext));
  return outcomes;
}

async function tellOne(
  context: InterventionContext,
  { session, ticket }: Holder,
  { kind, reason }: Message,
): Promise<PostOutcome> {
  const { runtime, sessions, by } = context;
  const request = { id: runtime.id(), kind, ticket, by, reason, atMs: runtime.wallMs() };
  return sessions.hear(session, request) ? "posted" : postRequest(context, session, request);
}

function isSame(left: EntrantId, right: EntrantId): boolean {
  return left.session === right.session && left.ticket === right.ticket;
}
