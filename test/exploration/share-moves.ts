import type { EntrantId, Holder, Roster } from "../../src/roster/roster.ts";
import type { Conduct, RosterRules } from "./rules.ts";
import { Violation } from "./search.ts";
import type { Reweighing, ReweighKind, Share, ShareStyle } from "./share.ts";

/**
 * What a client makes of its grant's weight, restated from `Growth`, `HeldGrant` and the read-write lock. What becomes
 * of the roster is decided by the functions under test.
 */
export class ShareMoves {
  readonly #rules: RosterRules;
  readonly #conduct: Conduct;
  readonly style: ShareStyle;

  constructor(rules: RosterRules, conduct: Conduct, style: ShareStyle) {
    this.#rules = rules;
    this.#conduct = conduct;
    this.style = style;
  }

  mayUpgrade({ stage, counted, upgradesLeft }: Share): boolean {
    return stage === "held" && upgradesLeft > 0 && counted === this.style.from;
  }

  mayDowngrade({ stage, counted, downgradesLeft }: Share): boolean {
    return stage === "held" && downgradesLeft > 0 && counted in this.style.below;
  }

  upgrade(share: Share): Share {
    const { most = 0 } = this.style;
    const less: Share = { ...share, upgradesLeft: share.upgradesLeft - 1 };
    // A downgrade that failed may have been applied.
    if (this.#conduct.trustsFailedDowngrade && share.weight >= most) return { ...less, counted: most };
    return this.#with({ ...less, stage: "asking" }, "grow", most);
  }

  /** The caller of an upgrade gives up: it goes on with what it had. */
  giveUp(share: Share): Share {
    const changes = share.changes.filter(({ kind, isSent }) => kind !== "grow" || isSent);
    const kept: Share = { ...share, changes, stage: "held", evicting: 0, isEvictSent: false };
    return this.#conduct.undoesUpgrades ? this.#with(kept, "undo", share.counted) : kept;
  }

  downgrade(share: Share): Share {
    const weight = this.style.below[share.counted] ?? share.counted;
    const less: Share = { ...share, counted: weight, downgradesLeft: share.downgradesLeft - 1 };
    return this.#with(less, "settle", weight);
  }

  apply(roster: Roster, id: EntrantId, { changes }: Share): Roster {
    return changes.reduce((changed, { weight }) => this.#rules.reweigh(changed, id, weight), roster);
  }

  send(share: Share): Share {
    const changes = share.changes.map((change) => ({ ...change, isSent: true }));
    return { ...share, changes, isEvictSent: share.evicting !== 0 };
  }

  /** Its write is done, and this is the roster after it. */
  resolve(share: Share, id: EntrantId, view: Roster): Share {
    const sent = share.changes.filter(({ isSent }) => isSent);
    const changes = share.changes.filter(({ isSent }) => !isSent);
    let done: Share = { ...share, changes };
    if (share.isEvictSent) done = { ...done, evicting: 0, isEvictSent: false };
    const standing = this.#rules.standing(view, id);
    const holder = standing.place === "holder" || standing.place === "growing" ? standing.holder : undefined;
    if (holder === undefined) throw new Violation("a holder keeps what it has", id.session);
    if (sent.some(({ kind }) => kind === "settle") && standing.place === "holder") {
      done = { ...done, weight: holder.weight, fence: holder.fence };
    }
    // The answer to a wish that was given up says nothing about the next one.
    const isGrow = ({ kind }: Reweighing): boolean => kind === "grow";
    const isAsked = done.stage === "asking" && sent.some(isGrow) && !changes.some(isGrow);
    if (isAsked && standing.place === "holder") return this.#grown(done, holder);
    const floor = this.#conduct.countsFromOwnWrite ? view.fence : done.fence;
    if (isAsked) return { ...done, stage: "growing", floor };
    return share.isEvictSent ? this.follow(done, id, view) : done;
  }

  /** Its write failed, or met a conflict: what is still wanted is tried again. */
  again(share: Share, isFailure: boolean): Share {
    const isWanted = (kind: ReweighKind): boolean => {
      if (kind === "undo") return !isFailure || this.#conduct.undoIsRepeated;
      return kind === "grow" ? share.stage === "asking" : !isFailure;
    };
    const kept = share.changes.filter(({ kind, isSent }) => !isSent || isWanted(kind));
    return { ...share, changes: this.#inOrder(kept, isFailure), isEvictSent: false };
  }

  /** Who waits to grow sees a roster. */
  follow(share: Share, id: EntrantId, view: Roster): Share {
    if (share.stage !== "growing") return share;
    const standing = this.#rules.standing(view, id);
    // A replica may show it as it was before it came.
    if (standing.place !== "holder") return share;
    const { holder } = standing;
    const isServed = !this.#conduct.asksForLargerFence || holder.fence > share.floor;
    return isServed ? this.#grown(share, holder) : share;
  }

  #grown(share: Share, holder: Holder): Share {
    const { weight, fence } = holder;
    const { most = 0 } = this.style;
    return { ...share, stage: "held", weight, fence, counted: most, evicting: 0, isEvictSent: false };
  }

  #inOrder(kept: Share["changes"], isFailure: boolean): Share["changes"] {
    const unsent = kept.map((change) => ({ ...change, isSent: false }));
    if (!isFailure || this.#conduct.undoKeepsItsPlace) return unsent;
    const isUndo = ({ kind }: Reweighing): boolean => kind === "undo";
    return [...unsent.filter((change) => !isUndo(change)), ...unsent.filter(isUndo)];
  }

  #with(share: Share, kind: ReweighKind, weight: number): Share {
    return { ...share, changes: [...share.changes, { kind, weight, isSent: false }] };
  }
}
