import {
  type AcquireOptions,
  AcquireTimeoutError,
  type Coordinator,
  type Election,
  type Grant,
  type TryAcquireOptions,
} from "../../src/index.ts";
import type { Choices } from "../../src/testing/simulation/choices.ts";
import { readWriteWeights, type Use } from "./plan.ts";

/** One share of what a name stands for, as a client asks for it. */
export interface Share {
  /** How much of it. */
  readonly weight: number;
  acquire(options?: AcquireOptions): Promise<Grant>;
  tryAcquire(options?: TryAcquireOptions): Promise<Grant | null>;
}

/** A share of what a name stands for; `place` chooses how much, and all of it is asked for without one. */
export function shareOf(
  { choices, coordinator }: { readonly choices: Choices; readonly coordinator: Coordinator },
  name: string,
  { kind, capacity }: Use,
  place: string | undefined,
): Share {
  if (kind === "lock") return { weight: 1, ...coordinator.lock(name) };
  if (kind === "election") return { weight: 1, ...candidacy(coordinator.election(name)) };
  if (kind === "semaphore") {
    const weight = place === undefined ? capacity : choices.whole(`${place}.permits`, 1, capacity);
    const semaphore = coordinator.semaphore(name, { permits: capacity });
    return {
      weight,
      acquire: (options) => semaphore.acquire({ ...options, permits: weight }),
      tryAcquire: (options) => semaphore.tryAcquire({ ...options, permits: weight }),
    };
  }
  const modes =
    place === undefined ? (["write"] as const) : (["read", "read", "write", "upgradeable"] as const);
  const mode = choices.oneOf(`${place}.mode`, modes);
  return { weight: readWriteWeights[mode], ...coordinator.readWriteLock(name)[mode] };
}

/** An election, asked for like a lock. */
function candidacy(election: Election): Omit<Share, "weight"> {
  return {
    acquire: ({ wait, signal } = {}) =>
      election.campaign({ ...(wait !== undefined && { wait }), ...(signal !== undefined && { signal }) }),
    async tryAcquire({ signal } = {}) {
      try {
        return await election.campaign({ wait: 0, ...(signal !== undefined && { signal }) });
      } catch (error) {
        if (error instanceof AcquireTimeoutError) return null;
        throw error;
      }
    },
  };
}
