/** What workers write down who use entries, transactions, and work that runs once. */

/** An entry as somebody saw it; `null`: there was none. */
export interface EntryState {
  readonly value: number | null;
  readonly version?: string;
  /** On the store's clock. */
  readonly updatedAt?: number;
}

/** What is asked of an entry whose values are numbers. */
export type EntryCall =
  | { readonly kind: "get" | "delete" }
  | { readonly kind: "put" | "create"; readonly value: number }
  | { readonly kind: "swap"; readonly value: number; readonly expected: string }
  | { readonly kind: "add"; readonly by: number };

/** What it answers: what stands there (a read, or a condition that does not hold), a new version, a sum, what there was. */
export type EntryTold =
  | { readonly state: EntryState }
  | { readonly version: string }
  | { readonly sum: number }
  | { readonly existed: boolean };

/** An account of `transfers`, as it is stored. */
export interface Account {
  readonly balance: number;
  /** The transfers that it took part in, in their order. */
  readonly moves: readonly string[];
  /** Those of the vault: the fence of the lock that guarded each of them. */
  readonly fences: readonly number[];
}

/** What a worker writes down of what it stores. */
export type StorageEvent =
  | { readonly event: "entry-called"; readonly call: number; readonly key: string; readonly op: EntryCall }
  | { readonly event: "entry-told"; readonly call: number; readonly told: EntryTold }
  | { readonly event: "entry-failed"; readonly call: number; readonly code: string }
  /** A value with a time to live was written, by a call of this time. */
  | { readonly event: "fading-set"; readonly key: string; readonly value: string; readonly ttlMs: number }
  /** What a read that was asked for at `calledAt` saw of it. */
  | {
      readonly event: "fading-seen";
      readonly key: string;
      readonly value: string | null;
      readonly calledAt: number;
    }
  | {
      readonly event: "transfer-called";
      readonly id: string;
      readonly from: string;
      readonly to: string;
      readonly amount: number;
    }
  | { readonly event: "transferred"; readonly id: string }
  | { readonly event: "transfer-failed"; readonly id: string; readonly code: string }
  /** All accounts in one transaction: the last transfer of each, and the totals that each run of its function saw. */
  | {
      readonly event: "audited";
      readonly calledAt: number;
      /** It also wrote something: its commit decided, and no read. */
      readonly isDecided: boolean;
      readonly totals: readonly number[];
      readonly last: readonly (string | null)[];
    }
  | { readonly event: "audit-failed"; readonly code: string }
  /** The work of a payment begins, and has had its effect; or throws. */
  | { readonly event: "charging"; readonly call: number; readonly name: string; readonly fence: number }
  | { readonly event: "charged" | "declined"; readonly call: number; readonly receipt: string }
  /** The result of a payment, as this call got it. */
  | { readonly event: "paid"; readonly call: number; readonly name: string; readonly receipt: string }
  | { readonly event: "pay-failed"; readonly call: number; readonly code: string };
