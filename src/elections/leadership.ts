import type { Json } from "../core/json.ts";
import { checkOptions } from "../core/options.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import { amend, promote, type Roster, standing } from "../roster/roster.ts";
import type { RosterQueue } from "../roster/roster-queue.ts";
import { checkIdentity, checkValue } from "./campaign-options.ts";

/**
 * What a resignation led to. `resigned`: given up, to whoever is next in line. `handed-over`: the candidate that was
 * named leads now. `absent`: nobody under that identity stood in line, so it went to whoever is next.
 */
export type Resignation = "resigned" | "handed-over" | "absent";

/** Options of {@link Leadership.resign}. */
export interface ResignOptions {
  /** The identity of the candidate that is to lead next, before those who have waited longer. */
  readonly to?: string;
}

/**
 * One term of leading: a {@link Grant} whose fence is the term, with a value that everybody can read.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const leadership = await coordinator.election("scheduler").campaign({ identity: "node-a", value: "10.0.0.5:80" });
 * await leadership.proclaim("10.0.0.5:81");
 * console.log((await coordinator.election("scheduler").leader())?.value); // 10.0.0.5:81
 * console.log(await leadership.resign()); // resigned
 * ```
 */
export interface Leadership extends Grant {
  /** The same as `fence`: larger than the term of every earlier leader of this election. */
  readonly term: number;
  /** What it campaigned as. */
  readonly identity: string;
  /** What it has published last; `null` when nothing. */
  readonly value: Json;
  /**
   * Publishes another value: one write, or one try of it. Calls are applied in their order.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when it leads no more: lost, resigned, or found so by this write.
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for a value that is no JSON of at most 1,024 bytes.
   * @throws UnavailableError (`UNAVAILABLE`): not published. OutcomeUnknownError (`OUTCOME_UNKNOWN`): perhaps. Safe to
   * repeat in both cases.
   */
  proclaim(value: Json): Promise<void>;
  /**
   * Gives up leading: one write, which also elects the next. Stop what you do as a leader first. With `to`, the
   * candidate of that identity is elected in the same write, whoever stands before it. Idempotent: later calls answer
   * what the first one led to.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when it was lost before; nobody else's term is touched.
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for options that cannot be used; it still leads then.
   */
  resign(options?: ResignOptions): Promise<Resignation>;
}

/** Makes the grant of an election a {@link Leadership}. */
export function leadershipOf(queue: RosterQueue, grant: HeldGrant, identity: string): HeldGrant & Leadership {
  let resigning: Promise<Resignation> | undefined;
  const resign = async (to: string | undefined): Promise<Resignation> => {
    if (to === undefined) {
      await grant.release();
      return "resigned";
    }
    return handOver(queue, grant, to);
  };
  const leadership = Object.defineProperties(grant, {
    term: { get: () => grant.fence, enumerable: true },
    value: { get: () => grant.holder.metadata ?? null, enumerable: true },
  });
  return Object.assign(leadership as HeldGrant & Pick<Leadership, "term" | "value">, {
    identity,
    async proclaim(value: Json): Promise<void> {
      const metadata = checkValue("proclaim needs a value, which", value);
      grant.assertHeld();
      await grant.change((roster, holder) => amend(roster, holder, (held) => ({ ...held, metadata })));
      grant.assertHeld();
    },
    async resign(options?: ResignOptions): Promise<Resignation> {
      checkOptions("resign", options, ["to"]);
      if (options?.to !== undefined) checkIdentity("to", options.to);
      resigning ??= resign(options?.to);
      return resigning;
    },
  });
}

/** Lets somebody go first, and leaves, in one write. */
async function handOver(queue: RosterQueue, grant: HeldGrant, to: string): Promise<Resignation> {
  // Lost, or released: it says so.
  if (grant.state !== "held" && grant.state !== "uncertain") {
    await grant.release();
    return "resigned";
  }
  let isThere = false;
  const apply = (roster: Roster): Roster => {
    // An earlier attempt was applied, and whoever stands in line now came after it.
    if (standing(roster, grant.holder).place === "absent") return roster;
    isThere = roster.waiters.some(({ identity }) => identity === to);
    return promote(roster, ({ identity }) => identity === to);
  };
  const over = new AbortController();
  const patience = {
    failing: "nobody was let go first",
    waitMs: Number.POSITIVE_INFINITY,
    signal: over.signal,
  };
  // Submitted in one turn, this and the leave ride in one write, and again in one after a failure.
  const promoting = queue.board.change({ apply }, patience);
  promoting.catch(withTheLeave);
  try {
    await grant.release();
  } finally {
    over.abort();
  }
  return isThere ? "handed-over" : "absent";
}

/** What failed, or was given up, together with the leave: that one tells. */
function withTheLeave(): void {}
