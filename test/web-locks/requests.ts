import { recordKey } from "../../src/core/names.ts";
import type { LockManager, WebLock, WebLockOptions } from "../../src/index.ts";
import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { type Outcome, track, type World } from "../locks/world.ts";

/** The lock that the tests are about. */
export const name = "report";

/** The key of its record. */
export const key = recordKey("default", "web-lock", name);

/** A request whose callback ends when the test says so. */
export interface Request {
  /** What it got, once it was called back. */
  lock: WebLock | null | undefined;
  readonly outcome: Outcome<unknown>;
  end(value?: unknown): void;
  fail(error: unknown): void;
}

/** Asks client number `index`, and leaves it to the test to go on. */
export function request(world: World, index: number, options: WebLockOptions = {}): Request {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const asked: { lock: WebLock | null | undefined } = { lock: undefined };
  const answer = locksOf(world, index).request(name, options, (lock) => {
    asked.lock = lock;
    return promise;
  });
  const outcome = track(world.runtime, answer);
  return Object.assign(asked, { outcome, end: resolve, fail: reject });
}

/** The lock manager of client number `index`. */
export function locksOf(world: World, index: number): LockManager {
  return world.client(index).coordinator.lockManager;
}

/** The roster of the lock as it stands in the store. */
export async function rosterOf(world: World): Promise<Roster> {
  const [record] = await world.store.get([key]);
  return record == null ? emptyRoster(1) : decodeRoster(record.key, record.value).roster;
}

/** What an outcome's error is, in short: its name, and the code of its cause. */
export function errorOf({ error }: Outcome<unknown>): readonly unknown[] {
  const { name: errorName, cause } = error as { name?: unknown; cause?: { code?: unknown } };
  return [error instanceof DOMException, errorName, cause?.code];
}

/** What everybody gets whose lock was lost or stolen. */
export const broken = [true, "AbortError", "LEASE_LOST"];
