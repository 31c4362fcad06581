import { setTimeout as delay } from "node:timers/promises";
import type { AcquireOptions, Grant, Inspection, Json, Lock } from "../../src/index.ts";
import type { Random } from "./random.ts";

/**
 * A lock that locks nothing and numbers its grants at random: everything that the checkers look for is wrong with it.
 * It says who waits as soon as he asks, and then lets him through at any time.
 */
export function brokenLock(name: string, worker: string, random: Random): Lock {
  const never = new AbortController().signal;
  let metadata: Json | undefined;

  function grant(): Grant {
    const released = async (): Promise<void> => undefined;
    return {
      name,
      fence: 1 + random.below(1_000),
      signal: never,
      revokeRequested: never,
      acquiredAt: new Date(0),
      state: "held",
      remainingMs: () => 1_000,
      assertHeld: () => undefined,
      on: () => () => undefined,
      release: released,
      [Symbol.asyncDispose]: released,
    };
  }

  async function acquire(options?: AcquireOptions): Promise<Grant> {
    metadata = options?.metadata;
    await delay(random.between(0, 100));
    return grant();
  }

  return {
    name,
    acquire,
    tryAcquire: async () => grant(),
    hold: async (work, options) => work(await acquire(options)),
    inspect: async () => inspection(name, worker, metadata),
    forceRelease: async () => false,
    requestRevoke: async () => false,
  };
}

function inspection(name: string, worker: string, metadata: Json | undefined): Inspection {
  const client = { host: "here", pid: process.pid, name: worker };
  const waiter = { session: "none", client, ttlMs: 1_000, weight: 1, lastBeatAt: null, isOverdue: false };
  const waiters = metadata === undefined ? [] : [{ ...waiter, metadata }];
  return { kind: "lock", name, fence: 0, capacity: 1, holders: [], waiters, forcedReleases: [] };
}
