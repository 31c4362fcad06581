import {
  type AcquireOptions,
  AcquireTimeoutError,
  type CampaignOptions,
  type Election,
  type Grant,
  type TryAcquireOptions,
} from "../../src/index.ts";
import type { Client } from "./client.ts";
import { readWriteWeights, type Use } from "./plan.ts";

/** One share of what a name stands for, as a client asks for it. */
export interface Share {
  /** How much of it. */
  readonly weight: number;
  /** Whether it comes back under the identity of its earlier life, where there was one. */
  readonly resumes?: true;
  acquire(options?: AcquireOptions): Promise<Grant>;
  tryAcquire(options?: TryAcquireOptions): Promise<Grant | null>;
}

/** A share of what a name stands for; `place` chooses how much, and all of it is asked for without one. */
export function shareOf(
  client: Pick<Client, "choices" | "coordinator" | "identity" | "isLaterLife">,
  name: string,
  { kind, capacity }: Use,
  place: string | undefined,
): Share {
  const { choices, coordinator } = client;
  if (kind === "lock") return { weight: 1, ...coordinator.lock(name) };
  if (kind === "election") {
    // Only one process of a machine runs at a time, which is what it promises.
    const resume = client.isLaterLife && place !== undefined && choices.likely(`${place}.resume`, 0.6);
    const { identity } = client;
    const election = coordinator.election(name);
    return { weight: 1, ...candidacy(election, { identity, resume }), ...(resume && { resumes: true }) };
  }
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
function candidacy(
  election: Election,
  { identity, resume }: Required<Pick<CampaignOptions, "identity" | "resume">>,
): Omit<Share, "weight"> {
  return {
    acquire: ({ wait, signal } = {}) =>
      election.campaign({
        identity,
        resume,
        ...(wait !== undefined && { wait }),
        ...(signal !== undefined && { signal }),
      }),
    async tryAcquire({ signal } = {}) {
      try {
        return await election.campaign({ identity, wait: 0, ...(signal !== undefined && { signal }) });
      } catch (error) {
        if (error instanceof AcquireTimeoutError) return null;
        throw error;
      }
    },
  };
}
