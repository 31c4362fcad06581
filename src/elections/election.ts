import { type Duration, describe } from "../core/durations.ts";
import { AbortedError, FenceRejectedError, InvalidArgumentError, LeaseLostError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { checkAcquireOptions, holdGrant } from "../roster/acquirer.ts";
import type { AcquireRequest } from "../roster/acquisition.ts";
import type { HeldGrant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import type { Roster } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";
import {
  type Campaign,
  type CampaignOptions,
  campaignOptionNames,
  checkCampaign,
  type LeadOptions,
} from "./campaign-options.ts";
import { succeed } from "./earlier-life.ts";
import { describeLeader, type Leader, leaderIn } from "./leader.ts";
import { LeaderObservation } from "./leader-observation.ts";
import { type Leadership, leadershipOf } from "./leadership.ts";

/** Options of `coordinator.election`. */
export interface ElectionOptions {
  /**
   * How long a leader that stops renewing is not replaced, from 100 ms to 1 day. Default: the coordinator's. What has the
   * same TTL shares one heartbeat.
   */
  readonly ttl?: Duration;
}

/** Options of {@link Election.observe}. */
export interface ObserveOptions {
  /** Ends the iteration when it fires. */
  readonly signal?: AbortSignal;
}

/**
 * A named election across processes and machines: at most one leads in each term, and terms rise for ever. Candidates
 * are served first come, first served. As everything with a lease: a leader that was paused may act once more before it
 * learns that it was replaced, so give `term` to what it writes to.
 */
export interface Election {
  readonly name: string;
  /**
   * Stands for election, and resolves when this candidate leads. One write when nobody leads and the election is known,
   * one read more when not. `resume` always reads, and an earlier life costs one read and one write more.
   *
   * @throws AcquireTimeoutError (`ACQUIRE_TIMEOUT`) when `wait` is over, AbortedError (`ABORTED`) when `signal` fires.
   * Nothing is left in line in either case. An earlier life that `resume` has declared dead stays dead.
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for options that cannot be used; nothing was sent.
   * @throws LeaseholdError with another code when the store refuses for good, or the coordinator is closed.
   */
  campaign(options?: CampaignOptions): Promise<Leadership>;
  /**
   * Campaigns, runs `work` as the leader, waits for its end, and resigns then, never before. Answers what `work`
   * answers. When the lease is lost, or `signal` fires, the leadership's `signal` aborts: stop then, for `lead` waits.
   *
   * With `again`, a loss is not the end: when the work has ended, it campaigns anew. What the work throws because it was
   * aborted is dropped then: the reason of the signal, a LeaseLostError, a FenceRejectedError, an `AbortError`. Any other
   * error ends it.
   *
   * @throws what `work` throws; LeaseLostError (`LEASE_LOST`) when the lease was lost before `work` ended, without `again`.
   * @throws as {@link Election.campaign}.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const answer = await coordinator.election("scheduler").lead(async ({ term, signal }) => {
   *   signal.throwIfAborted(); // stop when somebody else may lead
   *   return term > 0;
   * });
   * console.log(answer); // true
   * ```
   */
  lead<R>(work: (leadership: Leadership) => Promise<R> | R, options?: LeadOptions): Promise<R>;
  /**
   * Who leads; `null`: nobody. One read, and one of the leader's session. May be stale; decides nothing.
   *
   * @throws UnavailableError (`UNAVAILABLE`) when the store does not answer.
   */
  leader(): Promise<Leader | null>;
  /**
   * Who leads now, and then each newest state: another leader, another value, `null` for nobody. A slow reader skips what
   * is over; it never misses what stays. Ends when `signal` fires, when the coordinator is closed, or with a `break`.
   * Outages of the store are waited out.
   *
   * @throws LeaseholdError from the iteration when the store refuses for good.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const election = coordinator.election("scheduler");
   * await election.campaign({ identity: "node-a" });
   * for await (const leader of election.observe()) {
   *   console.log(leader?.identity); // node-a
   *   break;
   * }
   * ```
   */
  observe(options?: ObserveOptions): AsyncIterable<Leader | null>;
  /** Who leads and who stands in line, or `null` if nobody ever campaigned. One or two reads; may be stale. */
  inspect(): Promise<Inspection | null>;
}

/**
 * Makes an {@link Election}. It holds no state: two of the same name are the same election. `isOwn`: whether a session
 * is this coordinator's own, and lives.
 *
 * @throws InvalidArgumentError for an illegal name or TTL.
 */
export function createElection(
  host: RosterHost,
  name: string,
  options: ElectionOptions = {},
  isOwn: (session: string) => boolean = () => false,
): Election {
  checkName("an election's name", name);
  checkOptions("election", options, ["ttl"]);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  // As for what several hold: the next candidate of this process stands in line itself, where it can be handed over to.
  const target = { kind: "election", name, isShared: true } as const;
  const { runtime } = host;

  const campaign = async ({ value, identity, waitMs, signal, isResumed }: Campaign) => {
    const standsAs = identity ?? runtime.id();
    const request: AcquireRequest = {
      ...{ name, ttlMs, weight: 1, capacity: 1, waitMs, signal },
      ...{ metadata: value, identity: standsAs },
    };
    const stand = async (asked: AcquireRequest) => {
      const queue = host.queue(target);
      return leadershipOf(queue, await queue.acquire(asked), standsAs);
    };
    if (!isResumed) return stand(request);
    const failing = `the election ${JSON.stringify(name)} was not resumed`;
    const life = { target, identity: standsAs, isOwn };
    return succeed(host, life, { failing, waitMs, signal }, (succession) =>
      stand({ ...request, ...succession }),
    );
  };

  return {
    name,
    campaign: async (asked) => campaign(checkCampaign("campaign", asked, campaignOptionNames)),
    async lead(work, asked) {
      if (typeof work !== "function") {
        throw new InvalidArgumentError(
          `lead needs a function to run first, and options second; got ${describe(work)}`,
        );
      }
      const checked = checkCampaign("lead", asked, [...campaignOptionNames, "again"]);
      for (;;) {
        const leadership = await campaign(checked);
        try {
          return await leadOnce(host, leadership, work, checked.signal);
        } catch (error) {
          const isOver = asked?.again !== true || checked.signal?.aborted === true;
          if (isOver || !isLoss(leadership, error)) throw error;
        }
      }
    },
    async leader() {
      const roster: Roster = await host.queue(target).board.read();
      const holder = leaderIn(roster);
      return holder === undefined ? null : describeLeader(host, holder);
    },
    observe(asked) {
      checkOptions("observe", asked, ["signal"]);
      const { signal } = checkAcquireOptions("observe", asked, ["signal"]);
      return { [Symbol.asyncIterator]: () => new LeaderObservation(host, { ...target, ttlMs }, signal) };
    },
    inspect: () => host.inspect(target),
  };
}

/** Runs the work of one term. The signal asks it to stop; the term goes on until it has. */
async function leadOnce<R>(
  host: RosterHost,
  leadership: HeldGrant & Leadership,
  work: (leadership: Leadership) => Promise<R> | R,
  signal: AbortSignal | undefined,
): Promise<R> {
  const stop = (): void =>
    leadership.stop(new AbortedError("the caller of lead asked it to end", { cause: signal?.reason }));
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await holdGrant(host, { grant: leadership, parts: [leadership] }, work);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** Whether an error says no more than that the term was lost. */
function isLoss(leadership: Leadership, error: unknown): boolean {
  if (leadership.state !== "lost") return false;
  if (error === leadership.signal.reason) return true;
  return (
    error instanceof LeaseLostError ||
    error instanceof FenceRejectedError ||
    error instanceof AbortedError ||
    (error as Error | null)?.name === "AbortError"
  );
}
