import type { Grant, Leadership, ReadWriteLock, ReadWriteSide } from "../../src/index.ts";
import { brokenLock } from "./broken-lock.ts";
import type { Random } from "./random.ts";
import type { Chair } from "./workloads/leading.ts";

/** A read-write lock that lets everybody do everything, with fences at random. */
export function brokenReadWriteLock(
  name: string,
  worker: string,
  random: Random,
): Pick<ReadWriteLock, "name" | "read" | "upgradeable" | "write"> {
  const lock = brokenLock(name, worker, random);
  const nothing = async (): Promise<void> => undefined;
  function side<M extends object>(methods: M): ReadWriteSide<Grant & M> {
    const dress = (grant: Grant): Grant & M => Object.assign(grant, methods);
    return {
      acquire: async (options) => dress(await lock.acquire(options)),
      tryAcquire: async () => dress(await lock.acquire()),
      hold: async (work, options) => work(dress(await lock.acquire(options))),
    };
  }
  return {
    name,
    read: side({}),
    write: side({ mode: "write" as const, downgrade: nothing }),
    upgradeable: side({ mode: "upgradeable" as const, upgrade: nothing, downgrade: nothing }),
  };
}

/** An election that everybody wins, whose terms come at random. */
export function brokenElection(name: string, worker: string, random: Random): Chair {
  const lock = brokenLock(name, worker, random);
  const campaign = async (): Promise<Leadership> => {
    const grant = await lock.acquire();
    return Object.assign(grant, {
      ...{ term: grant.fence, identity: worker, value: null },
      proclaim: async (): Promise<void> => undefined,
      resign: async () => "resigned" as const,
    });
  };
  return { campaign, lead: async (work) => work(await campaign()) };
}
