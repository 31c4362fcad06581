import { describe } from "../core/durations.ts";
import { AbortedError, AcquireTimeoutError, InvalidArgumentError } from "../core/errors.ts";
import { checkName, encodeName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  type TryAcquireOptions,
  tryOptionNames,
} from "../roster/acquirer.ts";
import type { AcquireRequest } from "../roster/acquisition.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import { enterTogether, type JointEntry } from "../roster/joint-entry.ts";
import { isTransient } from "../roster/roster-change.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import { parseTtl } from "../sessions/ttl.ts";
import { JointGrant } from "./joint-grant.ts";
import type { LockOptions } from "./lock.ts";

/** A grant of several locks, which are had and given back together. */
export interface MultiGrant extends Grant {
  /** The fence of each lock, by name. `fence` is the largest of them. */
  readonly fences: ReadonlyMap<string, number>;
}

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
      const request = { ...parse("tryAcquire", asked, tryOptionNames), waitMs: 0 };
      return (await takeTogether(host, names, request)) ?? (await takeInOrder(host, names, request));
    },
    async hold(work, asked) {
      if (typeof work !== "function") {
        throw new InvalidArgumentError(
          `hold needs a function to run first, and options second; got ${describe(work)}`,
        );
      }
      const grant = await acquire("hold", asked);
      return host.whileHolding(grant.parts, async () => {
        try {
          const result = await work(grant);
          if (grant.state === "lost") grant.assertHeld();
          return result;
        } finally {
          await grant[Symbol.asyncDispose]();
        }
      });
    },
  };
}

async function acquireAll(
  host: RosterHost,
  names: readonly string[],
  request: AcquireRequest,
): Promise<JointGrant> {
  const deadlineMs = host.runtime.monotonicMs() + request.waitMs;
  for (;;) {
    const waitMs = Math.max(0, deadlineMs - host.runtime.monotonicMs());
    const grant =
      (await takeTogether(host, names, request).catch(nullIfTransient)) ??
      (await takeInOrder(host, names, { ...request, waitMs }));
    if (grant !== null && grant.state !== "lost") return grant;
    // A lease ended while the last ones were waited for.
    await grant?.[Symbol.asyncDispose]();
    if (host.runtime.monotonicMs() < deadlineMs) continue;
    throw new AcquireTimeoutError(
      `${describe(names.join(", "))} were not acquired within ${request.waitMs} ms: others hold one of them`,
    );
  }
}

/** Who waits, waits through failures of the store too: one after the other. */
function nullIfTransient(error: unknown): null {
  if (isTransient(error)) return null;
  throw error;
}

/** All of them in one write; `null` where that cannot be. */
async function takeTogether(
  host: RosterHost,
  names: readonly string[],
  request: AcquireRequest,
): Promise<JointGrant | null> {
  const { backend } = host;
  const { signal } = request;
  if (signal?.aborted) throw new AbortedError("the caller aborted the acquire", { cause: signal.reason });
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
  if (grants === null) return null;
  const grant = new JointGrant(grants);
  if (!signal?.aborted) return grant;
  await grant[Symbol.asyncDispose]();
  throw new AbortedError("the caller aborted the acquire", { cause: signal.reason });
}

/** One after the other, in the order that all callers keep to: nobody waits for one that waits for him. */
async function takeInOrder(
  host: RosterHost,
  names: readonly string[],
  request: AcquireRequest,
): Promise<JointGrant | null> {
  const deadlineMs = host.runtime.monotonicMs() + request.waitMs;
  const grants: HeldGrant[] = [];
  try {
    for (const name of names) {
      const waitMs = Math.max(0, deadlineMs - host.runtime.monotonicMs());
      const queue = host.queue(target(name));
      const grant =
        request.waitMs === 0
          ? await queue.tryAcquire({ ...request, name })
          : await queue.acquire({ ...request, name, waitMs });
      if (grant === null) {
        await releaseAll(grants);
        return null;
      }
      grants.push(grant);
    }
  } catch (error) {
    await releaseAll(grants);
    throw error;
  }
  return new JointGrant(grants);
}

async function releaseAll(grants: readonly HeldGrant[]): Promise<void> {
  await Promise.all(grants.map((grant) => grant[Symbol.asyncDispose]()));
}

function target(name: string): RosterName {
  return { kind: "lock", name, isShared: false };
}
