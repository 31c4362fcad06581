import type { Backend } from "../core/backend.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Pooled } from "./record-pool.ts";
import type { StoreClock } from "./store-clock.ts";

/** What a primitive on records of its own needs from its coordinator. */
export interface RecordHost {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
  /** The store's clock, as this client knows it. */
  readonly clock: StoreClock;
  /** What this client keeps for the record of this key. @throws ClosedError once the coordinator is closed. */
  pooled<P extends Pooled>(key: string, make: () => P): P;
}
