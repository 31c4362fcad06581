import type { AcquireOptions, Coordinator, Grant, Inspection } from "../../src/index.ts";
import type { WorkloadName } from "./worker-settings.ts";
import { bank, fencedNames, leadingName, permits, readersName, waitingName } from "./worker-settings.ts";

/** Something that a workload uses, to be had as a whole by one. */
export interface Guarded {
  readonly name: string;
  acquire(options: Pick<AcquireOptions, "wait">): Promise<Grant>;
  inspect(): Promise<Inspection | null>;
}

/** What a workload leaves free when everybody has stopped. */
export function guardedBy(workload: WorkloadName, coordinator: Coordinator): readonly Guarded[] {
  switch (workload) {
    case "fenced":
      return fencedNames.map((name) => coordinator.lock(name));
    case "transfers":
      return [coordinator.lock(bank.vault)];
    case "waiting":
      return [coordinator.lock(waitingName)];
    case "counting":
    case "partitions":
    case "slots":
    case "limits":
    case "numbers":
    case "entries":
    case "payments":
      return [];
    case "permits": {
      const all = permits.permits;
      const semaphore = coordinator.semaphore(permits.name, { permits: all });
      return [{ ...semaphore, acquire: (options) => semaphore.acquire({ ...options, permits: all }) }];
    }
    case "readers": {
      const lock = coordinator.readWriteLock(readersName);
      return [{ ...lock, acquire: (options) => lock.write.acquire(options) }];
    }
    case "leading": {
      const election = coordinator.election(leadingName);
      return [{ ...election, acquire: (options) => election.campaign(options) }];
    }
  }
}
