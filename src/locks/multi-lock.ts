import { describe } from "../core/durations.ts";
import { AbortedError, AcquireTimeoutError, InvalidArgumentError } from "../core/errors.ts";
import { checkName, encodeName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  checkWork,
  holdGrant,
  type TryAcquireOptions,
  tryOptionNames,
} from "../roster/acquirer.ts";
import { type AcquireRequest, Acquisition } from "../roster/acquisition.ts";
import type { HeldGrant } from "../roster/grant.ts";
import { enterTogether, type JointEntry } from "../roster/joint-entry.ts";
import { isTransient } from "../roster/roster-change.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";
import { JointGrant, type MultiGrant } from "./joint-grant.ts";
import type { LockOptions } from "./lock.ts";

/**
 * Several locks at once: all or none. Whoever holds one of them alone is waited for, and nobody who takes several can
 * stand in a ring with others who do so too.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const accounts = coordinator.lockAll(["account-1", "account-2"]);
 * await accounts.hold(async ({ fences }) => {
 *   console.log([...fences.keys()].join(" ")); // account-1 account-2
 * });
 * ```
 */
export interface MultiLock {
  /** The names, each once, in the order in which they are taken where one write cannot take them all. */
  readonly names: readonly string[];
  /**
   * Waits for all of them. One write where all are free and the store takes several keys in one commit; else one after
   * the other, always in the same order.
   *
   * @throws AcquireTimeoutError (`ACQUIRE_TIMEOUT`) when `wait` is over before the last one is had: none is kept.
   * @throws AbortedError (`ABORTED`) when `signal` fires. None is kept.
   */
  acquire(options?: AcquireOptions): Promise<MultiGrant>;
  /** All of them, if they can be had without waiting, else `null`. */
  tryAcquire(options?: TryAcquireOptions): Promise<MultiGrant | null>;
  /** Acquires, runs `work`, and releases, whatever `work` does. Else as `Lock.hold`. */
  hold<R>(work: (grant: MultiGrant) => Promise<R> | R, options?: AcquireOptions): Promise<R>;
}

const namesMax = 100;

/**
 * Makes a {@link MultiLock}. A name that stands there twice is taken once.
 *
 * @throws InvalidArgumentError for no names, more than 100, illegal ones, or an illegal TTL.
 */
export function createMultiLock(
  host: RosterHost,
  given: readonly string[],
  options: LockOptions = {},
): MultiLock {
  if (!Array.isArray(given)) {
    throw new InvalidArgumentError(`lockAll needs an array of names; got ${describe(given)}`);
  }
  for (const name of given) checkName("a lock's name", name);
  const names = [...new Set(given)].sort((left, right) => (encodeName(left) < encodeName(right) ? -1 : 1));
  if (names.length === 0 || names.length > namesMax) {
    throw new InvalidArgumentError(`lockAll takes from 1 to ${namesMax} names; got ${names.length}`);
  }
  checkOptions("lockAll", options, ["ttl"]);
  const ttlMs = options.ttl === undefined ? host.ttlMs : parseTtl(options.ttl);
  const parse = (
    what: string,
    asked: AcquireOptions | undefined,
    known: readonly string[],
  ): AcquireRequest => ({
    ...checkAcquireOptions(what, asked, known),
    ...{ name: "", ttlMs, weight: 1, capacity: 1 },
  });
  const acquire = (what: string, asked?: AcquireOptions): Promise<JointGrant> =>
    acquireAll(host, names, parse(what, asked, [...tryOptionNames, "wait"]));
  return {
    names,
    acquire: async (asked) => acquire("acquire", asked),
    async tryAcquire(asked) {
      return tryAll(host, names, parse("tryAcquire", asked, tryOptionNames));
    },
    async hold(work, asked) {
      checkWork(work);
      const grant = await acquire("hold", asked);
      return holdGrant(host, { grant, parts: grant.parts }, work);
    },
  };
}

/** Answers in time, whatever is on its way: that is taken back behind the answer. */
async function acquireAll(
  host: RosterHost,
  names: readonly string[],
  request: AcquireRequest,
): Promise<JointGrant> {
  if (request.waitMs === 0) {
    const grant = await tryAll(host, names, request);
    if (grant !== null) return grant;
    throw new AcquireTimeoutError(
      `${describe(names.join(", "))} are held by others, in part at least, and wait is 0`,
    );
  }
  const acquisition = new Acquisition<JointGrant>(host.runtime, { ...request, name: names.join(", ") });
  persist(host, names, acquisition).catch((error: unknown) => acquisition.reject(error));
  return acquisition.answer;
}

async function tryAll(
  host: RosterHost,
  names: readonly string[],
  request: AcquireRequest,
): Promise<JointGrant | null> {
  const acquisition = new Acquisition<JointGrant>(host.runtime, {
    ...request,
    waitMs: Number.POSITIVE_INFINITY,
  });
  if (!acquisition.isOpen) return acquisition.answer;
  const trying = async (): Promise<JointGrant | null> => {
    try {
      const grant =
        (await takeTogether(host, names, acquisition)) ?? (await takeInOrder(host, names, acquisition, true));
      return grant === null ? null : await deliver(acquisition, grant);
    } finally {
      acquisition.dismiss();
    }
  };
  // The caller's abort answers at once; what is in flight is given back behind it.
  return Promise.race([trying(), acquisition.answer]);
}

/** Tries until the caller is answered. */
async function persist(
  host: RosterHost,
  names: readonly string[],
  acquisition: Acquisition<JointGrant>,
): Promise<void> {
  while (acquisition.isOpen) {
    let grant: JointGrant | null = null;
    try {
      grant = await takeTogether(host, names, acquisition);
    } catch (error) {
      // Who waits, waits through failures of the store too: one after the other.
      if (!isTransient(error)) throw error;
      acquisition.failure = error;
    }
    if (!acquisition.isOpen && grant === null) return;
    grant ??= await takeInOrder(host, names, acquisition, false);
    if (grant === null) continue;
    // A lease may end while the last ones are waited for.
    if (grant.state === "lost") await grant[Symbol.asyncDispose]();
    else await deliver(acquisition, grant);
  }
}

async function deliver(acquisition: Acquisition<JointGrant>, grant: JointGrant): Promise<JointGrant | null> {
  if (acquisition.resolve(grant)) return grant;
  await grant[Symbol.asyncDispose]();
  return null;
}

/** All of them in one write; `null` where that cannot be. */
async function takeTogether(
  host: RosterHost,
  names: readonly string[],
  { request }: Acquisition<JointGrant>,
): Promise<JointGrant | null> {
  const { backend } = host;
  if (names.length > backend.capabilities.commitOperationsMax) return null;
  const entries: JointEntry[] = [];
  for (const name of names) {
    const entry = host.queue(target(name)).enterTogether({ ...request, name, signal: undefined });
    if (entry !== null) entries.push(entry);
  }
  if (entries.length < names.length) {
    for (const entry of entries) entry.end();
    return null;
  }
  const grants = await enterTogether(backend, entries);
  return grants === null ? null : new JointGrant(grants);
}

/** One after the other, in the order that all callers keep to: nobody waits for one that waits for him. */
async function takeInOrder(
  host: RosterHost,
  names: readonly string[],
  acquisition: Acquisition<JointGrant>,
  isTry: boolean,
): Promise<JointGrant | null> {
  const grants: HeldGrant[] = [];
  const abort = new AbortController();
  const unsubscribe = acquisition.onAnswered(() => abort.abort());
  const request = { ...acquisition.request, waitMs: Number.POSITIVE_INFINITY, signal: abort.signal };
  try {
    for (const name of names) {
      if (!acquisition.isOpen) break;
      const queue = host.queue(target(name));
      const grant = await (isTry
        ? queue.tryAcquire({ ...request, name })
        : queue.acquire({ ...request, name }));
      if (grant === null) break;
      grants.push(grant);
    }
  } catch (error) {
    await releaseAll(grants);
    // Answered meanwhile: that is why.
    if (error instanceof AbortedError && !acquisition.isOpen) return null;
    throw error;
  } finally {
    unsubscribe();
  }
  if (grants.length === names.length) return new JointGrant(grants);
  await releaseAll(grants);
  return null;
}

async function releaseAll(grants: readonly HeldGrant[]): Promise<void> {
  await Promise.all(grants.map((grant) => grant[Symbol.asyncDispose]()));
}

function target(name: string): RosterName {
  return { kind: "lock", name, isShared: false };
}
