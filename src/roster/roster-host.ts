import type { Backend } from "../core/backend.ts";
import type { Runtime } from "../core/runtime.ts";
import type { HeldGrant } from "./grant.ts";
import type { Inspection } from "./inspection.ts";
import type { InterventionOptions } from "./intervention.ts";
import type { RosterQueue } from "./roster-queue.ts";
import type { IdleTtl } from "./roster-view.ts";

/** What the record of a roster is for. The word stands in its key. */
export type RosterKind =
  | "lock"
  | "semaphore"
  | "read-write"
  | "election"
  | "group"
  | "partition"
  | "schedule"
  | "barrier"
  | "latch"
  | "sequence"
  | "worker-id"
  | "once"
  | "web-lock";

/** Names one roster, and says how it is used. */
export interface RosterName {
  readonly kind: RosterKind;
  readonly name: string;
  /** Whether several may hold it at a time. */
  readonly isShared: boolean;
  /** When the store may collect the record once nobody stands in it. Default: 7 days; `Infinity`: never. */
  readonly idleTtlMs?: IdleTtl;
}

/** What a primitive needs from its coordinator. */
export interface RosterHost {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly namespace: string;
  /** The TTL of leases where the caller says none. */
  readonly ttlMs: number;
  /** All that this client does with one roster. @throws ClosedError once the coordinator is closed. */
  queue(target: RosterName): RosterQueue;
  /** Who holds it and who waits. `null` when nobody ever asked for it. */
  inspect(target: RosterName): Promise<Inspection | null>;
  /** Takes it from those who hold it. Answers whether anybody did. */
  forceRelease(target: RosterName, options: InterventionOptions): Promise<boolean>;
  /** Asks those who hold it to give it back. Answers whether anybody was asked. */
  requestRevoke(target: RosterName, options: InterventionOptions): Promise<boolean>;
  /** Keeps the coordinator's `close` waiting until the work has ended. */
  whileHolding<R>(grants: readonly HeldGrant[], work: () => Promise<R>): Promise<R>;
}
