/** How one client's grant changes its weight, as `upgrade` and `downgrade` of a read-write lock do. */
export interface ShareStyle {
  /** From which weight it may ask for more: who went further down might wait for another one that does the same. */
  readonly from?: number;
  /** What an upgrade asks for. */
  readonly most?: number;
  /** What one step down from each weight leads to. */
  readonly below: Readonly<Record<number, number>>;
  readonly upgrades: number;
  readonly downgrades: number;
}

/** `grow`: asks for more. `undo`: takes that back, for its caller gave up. `settle`: goes on with less. */
export type ReweighKind = "grow" | "undo" | "settle";

/** A weight that its client wants written. They are written in their order. */
export interface Reweighing {
  readonly kind: ReweighKind;
  readonly weight: number;
  /** Whether it rides in the write that is in flight. */
  readonly isSent: boolean;
}

/** A grant whose weight changes, as in `HeldGrant`, `Growth` and the read-write lock. */
export interface Share {
  readonly ticket: number;
  /** The weight that the grant shows. */
  readonly weight: number;
  /** What its caller counts on: less from the moment he asks for less, more when he is told. */
  readonly counted: number;
  readonly fence: number;
  /** A fence above this one comes with the weight that is waited for. */
  readonly floor: number;
  /** `asking`: its write is not done. `growing`: it stands there and waits. */
  readonly stage: "held" | "asking" | "growing";
  readonly upgradesLeft: number;
  readonly downgradesLeft: number;
  readonly changes: readonly Reweighing[];
  /** Sessions known to be dead, to be evicted by its write; a bit for each. */
  readonly evicting: number;
  readonly isEvictSent: boolean;
}

/** What a grant is when it was just delivered. */
export function freshShare(style: ShareStyle, ticket: number, weight: number, fence: number): Share {
  return {
    ...{ ticket, weight, counted: weight, fence, floor: fence, stage: "held", changes: [] },
    ...{ upgradesLeft: style.upgrades, downgradesLeft: style.downgrades, evicting: 0, isEvictSent: false },
  };
}

/** Whether anything of it waits to be written. */
export function isShareUnsent(share: Share | undefined): boolean {
  if (share === undefined) return false;
  return share.changes.some(({ isSent }) => !isSent) || (share.evicting !== 0 && !share.isEvictSent);
}

/** Whether it may still change what stands in the store. */
export function isShareBusy({ stage, changes }: Share): boolean {
  return stage !== "held" || changes.length > 0;
}

/** Equal shares have equal keys. */
export function shareKey(share: Share | undefined): string {
  if (share === undefined) return "";
  const { ticket, weight, counted, fence, floor, stage, upgradesLeft, downgradesLeft } = share;
  const changes = share.changes.map(({ kind, weight: to, isSent }) => `${kind}${to}${isSent ? "!" : ""}`);
  const numbers = [ticket, weight, counted, fence, floor, upgradesLeft, downgradesLeft, share.evicting];
  return `s${stage}${numbers.join()}${share.isEvictSent ? "!" : ""}${changes.join()}`;
}

/** In a few words, for traces. */
export function describeShare({ stage, counted, fence, changes }: Share): readonly string[] {
  const waits = stage === "held" ? [] : ["waits to grow"];
  return [
    `counts on ${counted} with fence ${fence}`,
    ...waits,
    ...changes.map(({ kind, weight }) => `has to ${kind} to ${weight}`),
  ];
}
