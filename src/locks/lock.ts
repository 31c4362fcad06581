import type { Duration } from "../core/durations.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { type AcquireOptions, createAcquirer, type TryAcquireOptions } from "../roster/acquirer.ts";
import type { Grant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import type { InterventionOptions } from "../roster/intervention.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";

/** Options of `coordinator.lock`. */
export interface LockOptions {
  /**
   * How long the lock outlives a holder that stops renewing, from 100 ms to 1 day. Default: the coordinator's.
   * Grants with the same TTL share one heartbeat.
   */
  readonly ttl?: Duration;
}

/**
 * A named lock across processes and machines, held by at most one at a time for each fence. First come, first
 * served. Not reentrant: who holds it and asks again waits for himself.
 *
 * The lock lives as long as its holder renews it, which happens by itself. See {@link Grant} for what is promised.
 */
export interface Lock {
  readonly name: string;
  /**
   * Waits for the lock, in order of arrival. One write when the lock is free and known, one read more when not.
   *
   * @throws AcquireTimeoutError (`ACQUIRE_TIMEOUT`) when `wait` is over; `cause` is the store's last failure, if any.
   * @throws AbortedError (`ABORTED`) when `signal` fires. Nothing is left in the queue in either case.
   * @throws LeaseholdError with another code when the store refuses for good, or the coordinator is closed.
   */
  acquire(options?: AcquireOptions): Promise<Grant>;
  /**
   * The lock if it can be had without waiting, else `null`. One read when it is held. Called now and then it also
   * takes over from a holder that died: once its calls, four or more, have seen it stand still for its TTL.
   * Death is observed, never assumed.
   *
   * @throws UnavailableError (`UNAVAILABLE`), OutcomeUnknownError (`OUTCOME_UNKNOWN`) when the store fails.
   */
  tryAcquire(options?: TryAcquireOptions): Promise<Grant | null>;
  /**
   * Acquires, runs `work`, and releases, whatever `work` does. Answers what `work` answers.
   *
   * @throws what `work` throws; LeaseLostError (`LEASE_LOST`) when the lease was lost before `work` ended.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const total = await coordinator.lock("invoice-42").hold(async ({ fence, signal }) => {
   *   signal.throwIfAborted(); // stop when the lease is lost
   *   return fence; // give it to the resource, which refuses smaller ones
   * });
   * console.log(total > 0); // true
   * ```
   */
  hold<R>(work: (grant: Grant) => Promise<R> | R, options?: AcquireOptions): Promise<R>;
  /** Who holds it and who waits, or `null` if nobody ever asked for it. One or two reads; may be stale. */
  inspect(): Promise<Inspection | null>;
  /**
   * Takes the lock from whoever holds it: tells the holder, whose `signal` aborts, takes it out, and lets the next in
   * line in with a larger fence. Answers whether anybody held it. `docs/administration.md` says what it costs and when
   * the holder hears of it; until then two may think that they hold it, and only the fence tells them apart.
   *
   * @throws InvalidArgumentError for options that cannot be used.
   * @throws UnavailableError, OutcomeUnknownError when the store fails. Before you repeat it, look who holds it now.
   */
  forceRelease(options: InterventionOptions): Promise<boolean>;
  /**
   * Asks whoever holds the lock to give it back: the grant's `revokeRequested` fires. Nothing is taken. Answers whether
   * anybody was asked.
   *
   * @throws InvalidArgumentError for options that cannot be used.
   * @throws UnavailableError, OutcomeUnknownError when the store fails. Safe to repeat.
   */
  requestRevoke(options: InterventionOptions): Promise<boolean>;
}

/**
 * Makes a {@link Lock}. It holds no state: two of the same name are the same lock.
 *
 * @throws InvalidArgumentError for an illegal name or TTL.
 */
export function createLock(host: RosterHost, name: string, options: LockOptions = {}): Lock {
  checkName("a lock's name", name);
  checkOptions("lock", options, ["ttl"]);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  const share = () => ({ weight: 1, capacity: 1 });
  return { name, ...createAcquirer(host, { kind: "lock", name, isShared: false, ttlMs, share }) };
}
