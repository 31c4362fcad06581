import type { Runtime } from "../core/runtime.ts";
import type { Session } from "../sessions/session.ts";
import type { AcquireRequest } from "./acquisition.ts";
import type { HeldGrant } from "./grant.ts";
import type { GrowthRetreat } from "./growth.ts";
import type { Holder, Roster } from "./roster.ts";

/** Who is told what happens to a grant. */
export interface GrantKeeper {
  /** Takes the grant out of the roster. */
  giveBack(grant: HeldGrant): Promise<void>;
  /** The grant was lost. */
  onLost(grant: HeldGrant): void;
  /** Changes the roster on behalf of a holder. */
  change(apply: (roster: Roster) => Roster): Promise<Roster>;
  /** Waits for a larger weight. */
  grow(grant: HeldGrant, request: AcquireRequest, retreat: GrowthRetreat): Promise<void>;
}

/** Where a grant came from. */
export interface GrantOrigin {
  /** What was acquired: `lock`, `semaphore` and so on. */
  readonly kind: string;
  readonly name: string;
  readonly session: Session;
  readonly holder: Holder;
  readonly acquiredAtMs: number;
  readonly keeper: GrantKeeper;
  /** When it is given back at the latest. */
  readonly maxHold?: { readonly maxHoldMs: number; readonly runtime: Runtime };
}
