import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { type AcquireOptions, createAcquirer } from "../roster/acquirer.ts";
import type { Grant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import type { InterventionOptions } from "../roster/intervention.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";

/** Options of `coordinator.semaphore`. */
export interface SemaphoreOptions {
  /**
   * How many permits there are, for everybody: 1 to 1,000,000. Whoever comes first sets it; who comes with another
   * number is refused with a `LimitMismatchError`. Left out: the number that is set already.
   */
  readonly permits?: number;
  /** How long permits outlive a holder that stops renewing, from 100 ms to 1 day. Default: the coordinator's. */
  readonly ttl?: Duration;
}

/** Options of {@link Semaphore.acquire} and {@link Semaphore.hold}. */
export interface SemaphoreAcquireOptions extends AcquireOptions {
  /** How many permits to take, all of them or none. Default: 1. */
  readonly permits?: number;
}

/**
 * A number of permits across processes and machines. First come, first served: who asks for many is not passed by
 * those who ask for few. A permit comes back when its holder releases it, or dies.
 *
 * The number of permits stands in the store and counts for everybody. Each grant has a fence of its own, larger than
 * that of every earlier one.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const downloads = coordinator.semaphore("downloads", { permits: 3 });
 * await downloads.hold(async ({ signal }) => {
 *   signal.throwIfAborted(); // stop when the lease is lost
 *   console.log(await downloads.available()); // 1
 * }, { permits: 2 });
 * ```
 */
export interface Semaphore {
  readonly name: string;
  /**
   * Waits for permits, in order of arrival. One write when they are free and the record is known, one read more when
   * not.
   *
   * @throws LimitMismatchError (`LIMIT_MISMATCH`) when the semaphore has another number of permits.
   * @throws LimitExceededError (`LIMIT_EXCEEDED`) when it never has as many as are asked for.
   * @throws AcquireTimeoutError, AbortedError and the rest as `Lock.acquire` does.
   */
  acquire(options?: SemaphoreAcquireOptions): Promise<Grant>;
  /** Permits if they can be had without waiting, else `null`. Else as `Lock.tryAcquire`. */
  tryAcquire(options?: Omit<SemaphoreAcquireOptions, "wait">): Promise<Grant | null>;
  /** Acquires, runs `work`, and releases, whatever `work` does. Else as `Lock.hold`. */
  hold<R>(work: (grant: Grant) => Promise<R> | R, options?: SemaphoreAcquireOptions): Promise<R>;
  /** How many permits are free. One read; may be stale when you look at it. */
  available(): Promise<number>;
  /**
   * Changes the number of permits for everybody: one write. Nobody loses any: below what is held, permits come back
   * before others are given. Who waits for more than there are now gets a `LimitExceededError`. Clients that used
   * the semaphore before follow; who opens it later must say the new number, or none.
   *
   * @throws UnavailableError, OutcomeUnknownError when the store fails. Safe to repeat.
   */
  resize(permits: number): Promise<void>;
  /**
   * Takes permits away from those who hold them: `fence` says from which one, and none of them: from all. Else as
   * `Lock.forceRelease`.
   */
  forceRelease(options: InterventionOptions): Promise<boolean>;
  /** Asks holders to give their permits back. Else as `Lock.requestRevoke`. */
  requestRevoke(options: InterventionOptions): Promise<boolean>;
  /** Who holds permits and who waits, or `null` if nobody ever asked. One or two reads; may be stale. */
  inspect(): Promise<Inspection | null>;
}

/** The most permits of one semaphore. */
const permitsMax = 1_000_000;

/**
 * Makes a {@link Semaphore}.
 *
 * @throws InvalidArgumentError for an illegal name, number of permits or TTL.
 */
export function createSemaphore(host: RosterHost, name: string, options: SemaphoreOptions = {}): Semaphore {
  checkName("a semaphore's name", name);
  checkOptions("semaphore", options, ["permits", "ttl"]);
  const capacity =
    options.permits === undefined ? undefined : checkPermits("permits", options.permits, permitsMax);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  const target = { kind: "semaphore", name, isShared: true } as const;
  const acquirer = createAcquirer<SemaphoreAcquireOptions>(host, {
    ...{ ...target, ttlMs, options: ["permits"] },
    share: (asked) => ({
      weight: checkPermits("permits of one grant", asked?.permits ?? 1, capacity ?? permitsMax),
      capacity,
    }),
  });
  return {
    name,
    ...acquirer,
    async available() {
      const inspection = await host.inspect(target);
      if (inspection === null) return capacity ?? 0;
      const taken = inspection.holders.reduce((sum, { weight }) => sum + weight, 0);
      return Math.max(0, inspection.capacity - taken);
    },
    async resize(permits) {
      await host.queue(target).resize(checkPermits("permits", permits, permitsMax), capacity);
    },
  };
}

function checkPermits(what: string, permits: number, max: number): number {
  if (Number.isSafeInteger(permits) && permits >= 1 && permits <= max) return permits;
  throw new InvalidArgumentError(`${what} must be a whole number from 1 to ${max}; got ${describe(permits)}`);
}
