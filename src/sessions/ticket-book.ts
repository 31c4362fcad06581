/**
 * What a session's record says about its tickets: every ticket below `next` is over, except those in `open`. What is
 * over stays so, so that an old record is as true as a new one, only less complete.
 */
export interface TicketClaim {
  readonly next: number;
  readonly open: readonly number[];
}

/** Open tickets that are told one by one; of more, only the first is told. */
const openToldMax = 32;

/** Whether a claim says that nobody stands behind a ticket any more. */
export function isOver(claim: TicketClaim, ticket: number): boolean {
  return ticket < claim.next && !claim.open.includes(ticket);
}

/** The tickets of one session: handed out upwards, and open until nothing of the attempt can be left in a roster. */
export class TicketBook {
  readonly #open = new Set<number>();
  #last = 0;

  /** A ticket that was never used. */
  take(): number {
    this.#last += 1;
    this.#open.add(this.#last);
    return this.#last;
  }

  /** The attempt is over, and a write after it says so: what still stands under this ticket is nobody's. */
  end(ticket: number): void {
    this.#open.delete(ticket);
  }

  /** Whether something may still be left of the attempt. */
  isOpen(ticket: number): boolean {
    return this.#open.has(ticket);
  }

  /** For the session's record. */
  claim(): TicketClaim {
    if (this.#open.size <= openToldMax) return { next: this.#last + 1, open: [...this.#open] };
    // In the order in which they were taken.
    const [lowest = 0] = this.#open;
    return { next: lowest, open: [] };
  }
}
