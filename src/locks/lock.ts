import { type Duration, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkOptions } from "../core/options.ts";
import type { AcquireRequest } from "../roster/acquisition.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";

/** Options of `coordinator.lock`. */
export interface LockOptions {
  /**
   * How long the lock outlives a holder that stops renewing, from 100 ms to 1 day. Default: the coordinator's.
   * Grants with the same TTL share one heartbeat.
   */
  readonly ttl?: Duration;
}

/** Options of {@link Lock.tryAcquire}. */
export interface TryAcquireOptions {
  /** Gives up with an `AbortedError` when it fires. A grant that was already on its way is given back. */
  readonly signal?: AbortSignal;
  /** Shown to those who inspect the lock. JSON of at most 1,024 bytes. */
  readonly metadata?: Json;
}

/** Options of {@link Lock.acquire} and {@link Lock.hold}. */
export interface AcquireOptions extends TryAcquireOptions {
  /** How long to wait at most. `0`: try once. Default: `Infinity`, as long as it takes, outages of the store included. */
  readonly wait?: Duration;
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
}

/** What a lock needs from its coordinator. */
export interface LockHost {
  readonly name: string;
  readonly ttlMs: number;
  acquire(request: AcquireRequest): Promise<HeldGrant>;
  tryAcquire(request: AcquireRequest): Promise<HeldGrant | null>;
  inspect(): Promise<Inspection | null>;
  /** Keeps the coordinator's `close` waiting until the work has ended. */
  whileHolding<R>(grant: HeldGrant, work: () => Promise<R>): Promise<R>;
}

const forever = Number.POSITIVE_INFINITY;
const metadataBytesMax = 1_024;
const tryOptions = ["signal", "metadata"];
const acquireOptions = [...tryOptions, "wait"];

/** Makes a {@link Lock}. It holds no state: two of the same name are the same lock. */
export function createLock(host: LockHost): Lock {
  const acquire = async (options?: AcquireOptions): Promise<HeldGrant> => {
    checkOptions("acquire", options, acquireOptions);
    const waitMs =
      options?.wait === undefined ? forever : parseDuration("wait", options.wait, { infinite: true });
    return host.acquire(toRequest(host, options, waitMs));
  };
  return {
    name: host.name,
    acquire,
    async tryAcquire(options) {
      checkOptions("tryAcquire", options, tryOptions);
      return host.tryAcquire(toRequest(host, options, 0));
    },
    async hold(work, options) {
      if (typeof work !== "function")
        throw new InvalidArgumentError("hold needs a function to run under the lock");
      const grant = await acquire(options);
      return host.whileHolding(grant, async () => {
        try {
          const result = await work(grant);
          // Work that released early, by itself, has lost nothing.
          if (grant.state === "lost") grant.assertHeld();
          return result;
        } finally {
          await grant[Symbol.asyncDispose]();
        }
      });
    },
    inspect: () => host.inspect(),
  };
}

function toRequest(host: LockHost, options: TryAcquireOptions | undefined, waitMs: number): AcquireRequest {
  const { signal, metadata } = options ?? {};
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InvalidArgumentError("signal must be an AbortSignal");
  }
  checkMetadata(metadata);
  return { name: host.name, ttlMs: host.ttlMs, weight: 1, waitMs, signal, metadata };
}

function checkMetadata(metadata: Json | undefined): void {
  if (metadata === undefined) return;
  let text: string | undefined;
  try {
    text = JSON.stringify(metadata);
  } catch (error) {
    throw new InvalidArgumentError("metadata must be JSON: it could not be encoded", { cause: error });
  }
  if (text === undefined)
    throw new InvalidArgumentError("metadata must be JSON: a function or symbol is not");
  const bytes = Buffer.byteLength(text);
  if (bytes > metadataBytesMax) {
    throw new InvalidArgumentError(
      `metadata must be at most ${metadataBytesMax} bytes of JSON; got ${bytes}`,
    );
  }
}
