import { unlessAborted } from "../core/unless-aborted.ts";
import type { HeldGrant } from "../roster/grant.ts";
import type { Holder } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { brokenLock, domErrorOf } from "./dom-errors.ts";
import { type LocalRequest, LocalRequests } from "./local-requests.ts";
import { type ParsedRequest, parseRequest } from "./parse-request.ts";
import { identityOf, readLocks, snapshotOf } from "./snapshot.ts";
import { type Robbed, tellRobbed } from "./tell-robbed.ts";
import { capacity, weightOf } from "./weights.ts";

/** Held by one alone, or by any number who share it. */
export type WebLockMode = "exclusive" | "shared";

/** A lock that is held, as the callback of `request` gets it. `fence` and `signal` are leasehold's own. */
export interface WebLock {
  readonly name: string;
  readonly mode: WebLockMode;
  /** The fencing token: larger than that of every earlier grant of this name. */
  readonly fence: number;
  /** Aborts when the lock is lost or stolen, with a `LeaseLostError`; and with a `ClosedError` when the coordinator closes. */
  readonly signal: AbortSignal;
}

/** Options of `request`, as in the standard. */
export interface WebLockOptions {
  /** Default: `exclusive`. */
  readonly mode?: WebLockMode;
  /** Calls back with `null` where the lock cannot be had at once. */
  readonly ifAvailable?: boolean;
  /** Takes the lock from all who hold it, before all who wait. Their `request` rejects with an `AbortError`. */
  readonly steal?: boolean;
  /** Gives up waiting when it fires; `request` rejects with its reason. Once the lock is granted it does nothing. */
  readonly signal?: AbortSignal;
}

/** One lock that is held, or one request that waits. */
export interface WebLockInfo {
  name: string;
  mode: WebLockMode;
  /** Whose it is: the same for all requests of one coordinator, as long as it lives. */
  clientId: string;
}

/** What `query` answers: for people and logs, outdated when it arrives. */
export interface LockManagerSnapshot {
  held: WebLockInfo[];
  /** For each name in the order in which they will be served. */
  pending: WebLockInfo[];
}

/**
 * The lock manager of the Web Locks standard (https://w3c.github.io/web-locks/), across processes and machines: what
 * runs with `navigator.locks` runs with it unchanged. Its names are its own, apart from those of `lock` and
 * `readWriteLock`. Not reentrant.
 *
 * Beyond the standard: a lock whose lease is lost is lost like a stolen one. Once the callback has begun, its own
 * outcome counts, unless the lock was lost first.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const locks = coordinator.lockManager;
 * const answer = await locks.request("report", async (lock) => {
 *   const { held } = await locks.query();
 *   return `${lock?.mode} ${held.length}`;
 * });
 * console.log(answer); // exclusive 1
 * ```
 */
export interface LockManager {
  /**
   * Waits for the lock, first come, first served; calls `callback` with it; releases it when what that answers has
   * settled; and then answers the same. One write to get it, one to release it.
   *
   * @throws TypeError for arguments that are none.
   * @throws DOMException `NotSupportedError` for names that begin with `-` or have more than 1,024 bytes, and for options
   * that exclude one another.
   * @throws DOMException `AbortError` when it was stolen or lost; `cause` is the `LeaseLostError`.
   * @throws DOMException `InvalidStateError` when the coordinator is closed; `cause` is the `ClosedError`.
   * @throws the reason of `signal`; what `callback` throws; LeaseholdError when the store refuses for good.
   */
  request<T>(name: string, callback: (lock: WebLock | null) => T): Promise<Awaited<T>>;
  request<T>(
    name: string,
    options: WebLockOptions,
    callback: (lock: WebLock | null) => T,
  ): Promise<Awaited<T>>;
  /**
   * All locks of the namespace that are held, and all requests that wait. One read for each page of 100 names that were
   * used in the last week.
   *
   * @throws LeaseholdError when the store fails; DOMException `InvalidStateError` when the coordinator is closed.
   */
  query(): Promise<LockManagerSnapshot>;
}

/** Makes the {@link LockManager} of a coordinator. */
export function createLockManager(host: RosterHost): LockManager {
  const manager = new ClientLockManager(host);
  const request = (...values: readonly unknown[]): Promise<unknown> => manager.request(values);
  return { request: request as LockManager["request"], query: () => manager.query() };
}

class ClientLockManager {
  readonly #host: RosterHost;
  readonly #requests: LocalRequests;
  #clientId: string | undefined;
  #lastRequest = 0;

  constructor(host: RosterHost) {
    this.#host = host;
    this.#requests = new LocalRequests((target) => host.queue(target));
  }

  async request(values: readonly unknown[]): Promise<unknown> {
    const parsed = parseRequest(values);
    const { name, target, mode, callback, signal } = parsed;
    signal?.throwIfAborted();
    this.#lastRequest += 1;
    const identity = identityOf(this.#id(), this.#lastRequest);
    const local: LocalRequest = { identity, name, target, mode, isHeld: false };
    this.#requests.add(local);
    const robbed: Robbed = { holders: new Map(), grants: [] };
    let grant: HeldGrant | null;
    try {
      grant = await this.#grant(parsed, local, robbed);
    } catch (error) {
      this.#requests.delete(local);
      throw domErrorOf(name, error);
    }
    if (grant !== null) return this.#hold(grant, parsed, local, robbed);
    this.#requests.delete(local);
    return callback(null);
  }

  async query(): Promise<LockManagerSnapshot> {
    try {
      // Refused once the coordinator is closed. No lock has this name.
      this.#host.queue({ kind: "web-lock", name: "-", isShared: true });
      await this.#requests.decided();
      return snapshotOf(await readLocks(this.#host), this.#requests.all(), this.#id());
    } catch (error) {
      throw domErrorOf("query", error);
    }
  }

  /** Not before it is needed: most coordinators never use it. */
  #id(): string {
    this.#clientId ??= this.#host.runtime.id();
    return this.#clientId;
  }

  async #grant(
    { target, mode, ifAvailable, steal, signal }: ParsedRequest,
    local: LocalRequest,
    robbed: Robbed,
  ): Promise<HeldGrant | null> {
    const { ttlMs } = this.#host;
    const waitMs = Number.POSITIVE_INFINITY;
    const asked = { name: target.name, ttlMs, weight: weightOf(mode), capacity, waitMs, signal };
    const request = { ...asked, metadata: undefined, identity: local.identity };
    const remember = (holders: readonly Holder[]): void => {
      for (const holder of holders) robbed.holders.set(holder.fence, holder);
    };
    const start = async (): Promise<HeldGrant | null> => {
      const queue = this.#host.queue(target);
      robbed.grants = queue.grants;
      if (ifAvailable) return queue.tryAcquire(request);
      return queue.acquire(steal ? { ...request, seize: remember } : request);
    };
    const kind = ifAvailable ? "try" : steal ? "theft" : "plain";
    return orGivenUp(this.#requests.begin(local, kind, start), signal);
  }

  async #hold(
    grant: HeldGrant,
    { name, mode, signal, callback }: ParsedRequest,
    local: LocalRequest,
    robbed: Robbed,
  ): Promise<unknown> {
    let hasBegun = false;
    const work = async (): Promise<unknown> => {
      hasBegun = true;
      const telling = tellRobbed(this.#host, robbed, this.#id());
      const { promise: broken, reject } = Promise.withResolvers<never>();
      // Nobody may be left to hear it, where the signal fires before the callback begins.
      broken.catch(toldAlready);
      grant.on("lost", ({ reason }) => reject(brokenLock(name, reason)));
      try {
        signal?.throwIfAborted();
        const result = await Promise.race([broken, invoke(callback, webLock(grant, name, mode))]);
        // Looks at the clocks: the loop may have stood still.
        if (grant.state === "lost") await broken;
        this.#requests.delete(local);
        await release(grant, name);
        return result;
      } finally {
        this.#requests.delete(local);
        await grant[Symbol.asyncDispose]();
        await telling;
      }
    };
    local.isHeld = true;
    try {
      return await this.#host.whileHolding([grant], work);
    } catch (error) {
      this.#requests.delete(local);
      throw hasBegun ? error : domErrorOf(name, error);
    } finally {
      // The coordinator was closed in between, or a wrapper failed before it called the work.
      if (!hasBegun) await grant[Symbol.asyncDispose]();
    }
  }
}

/** The lock as the callback sees it. */
function webLock(grant: HeldGrant, name: string, mode: WebLockMode): WebLock {
  const { fence } = grant;
  return Object.freeze({
    ...{ name, mode, fence },
    get signal() {
      return grant.signal;
    },
  });
}

async function invoke(callback: ParsedRequest["callback"], lock: WebLock): Promise<unknown> {
  return callback(lock);
}

/** Gives it back after the work was done. That its lease ended by then does not undo that; that it was stolen does. */
async function release(grant: HeldGrant, name: string): Promise<void> {
  try {
    await grant.release();
  } catch (error) {
    if (grant.session.lost === undefined) throw domErrorOf(name, error);
  }
}

/** Gives a wait up at once when the signal fires; what comes nevertheless is given back. */
async function orGivenUp(
  coming: Promise<HeldGrant | null>,
  signal: AbortSignal | undefined,
): Promise<HeldGrant | null> {
  try {
    const grant = await unlessAborted(coming, signal);
    signal?.throwIfAborted();
    return grant;
  } catch (error) {
    coming.then((grant) => grant?.[Symbol.asyncDispose](), toldAlready);
    throw error;
  }
}

/** The caller has its answer. */
function toldAlready(): void {}
