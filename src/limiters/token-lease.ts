import type { Decision, PolicyStanding } from "./decision.ts";
import type { ReturnedTokens } from "./limiter-commands.ts";

/** Tokens of one lease that this process holds. */
interface Slot {
  /** Until when they may be spent, on the store's clock, as it stands in the record. */
  readonly expiresAtMs: number;
  unspent: number;
  /** Not reported yet. */
  spent: number;
}

/**
 * The tokens that this process holds of one key: decisions without a request. What is out occupies room in the bucket or
 * window until it was reported spent, was given back, or its lease ended, so no process ever holds what another may take
 * as well; a process that dies leaves it to the end of its lease.
 */
export class TokenLease {
  #slots: Slot[] = [];
  #left = 0;

  /** Tokens that may be spent now, when the store's clock shows `latestMs` at most. */
  tokensAt(latestMs: number): number {
    while (this.#slots.length > 0 && (this.#slots[0] as Slot).expiresAtMs <= latestMs) {
      this.#left -= (this.#slots.shift() as Slot).unspent;
    }
    return this.#left;
  }

  /** Whether anything is out that could still be reported. */
  get isEmpty(): boolean {
    return this.#slots.length === 0;
  }

  /** Spends tokens that are there: those that end first. */
  spend(cost: number): void {
    let missing = cost;
    for (const slot of this.#slots) {
      const spent = Math.min(missing, slot.unspent);
      slot.unspent -= spent;
      slot.spent += spent;
      missing -= spent;
      if (missing === 0) break;
    }
    this.#left -= cost;
  }

  /** Takes in what a lease brought. */
  add(expiresAtMs: number, tokens: number): void {
    const same = this.#slots.find((slot) => slot.expiresAtMs === expiresAtMs);
    if (same !== undefined) same.unspent += tokens;
    else this.#slots.push({ expiresAtMs, unspent: tokens, spent: 0 });
    this.#slots.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    this.#left += tokens;
  }

  /**
   * What to report with the next request. It counts as reported from now on, whatever becomes of the request: a report
   * that is lost leaves the tokens out until the end of their lease, and one that came twice would free somebody else's.
   *
   * @param keep tokens that are to stay; what is over goes back, latest end first.
   */
  report(latestMs: number, keep: number): readonly ReturnedTokens[] {
    let over = Math.max(0, this.tokensAt(latestMs) - keep);
    const reports: ReturnedTokens[] = [];
    for (const slot of this.#slots.toReversed()) {
      const unspent = Math.min(over, slot.unspent);
      const { expiresAtMs, spent } = slot;
      if (unspent + spent > 0) reports.push({ expiresAtMs, spent, unspent });
      over -= unspent;
      slot.unspent -= unspent;
      slot.spent = 0;
      this.#left -= unspent;
    }
    this.#slots = this.#slots.filter(({ unspent }) => unspent > 0);
    return reports;
  }
}

/** The decision about tokens that this process held, `tokens` of which are left. */
export function leasedDecision(last: Decision, cost: number, tokens: number, elapsedMs: number): Decision {
  return {
    allowed: true,
    policy: last.policy,
    limit: last.limit,
    remaining: last.remaining + tokens,
    cost,
    resetMs: Math.max(0, last.resetMs - elapsedMs),
    retryAfterMs: 0,
    source: "lease",
    degraded: false,
    policies: standingsWith(last, tokens, elapsedMs),
  };
}

/** The decision of the store about the part of a cost that is not held here. */
export function withHeld(decision: Decision, cost: number, held: number): Decision {
  if (held === 0) return { ...decision, cost };
  const policies = standingsWith(decision, held, 0);
  return { ...decision, cost, remaining: decision.remaining + held, policies };
}

function standingsWith(last: Decision, tokens: number, elapsedMs: number): readonly PolicyStanding[] {
  return last.policies.map(({ policy, limit, remaining, resetMs, windowMs }) => ({
    policy,
    limit,
    remaining: remaining + tokens,
    resetMs: Math.max(0, resetMs - elapsedMs),
    windowMs,
  }));
}
