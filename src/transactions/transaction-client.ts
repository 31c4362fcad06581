import { type Stamp, type Stamps, stampsMax } from "../core/stamps.ts";
import type { Pooled } from "../records/record-pool.ts";

/** The marks that the commits of one client leave in what they write, by which they find out what became of them. */
export class TransactionClient implements Pooled {
  readonly #writer: string;
  readonly #open = new Set<number>();
  #sequence = 0;
  #onIdle: (() => void)[] = [];

  constructor(writer: string) {
    this.#writer = writer;
  }

  get isBusy(): boolean {
    return this.#open.size > 0;
  }

  /** Resolves when no commit is under way. Never rejects. */
  close(): Promise<void> {
    return new Promise((resolve) => (this.isBusy ? this.#onIdle.push(resolve) : resolve()));
  }

  /** Runs a commit under a mark of its own. */
  async marked<R>(work: (write: Stamp) => Promise<R>): Promise<R> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    this.#open.add(sequence);
    try {
      return await work([this.#writer, sequence]);
    } finally {
      this.#open.delete(sequence);
      if (!this.isBusy) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /**
   * Puts a mark into the list, in the place of one of this client's commits that is over: nobody asks for that again. Of
   * one only: the list never becomes shorter, which is how it tells that nothing has left it.
   */
  stamp(stamps: Stamps, write: Stamp): Stamps {
    const over = stamps.find(([writer, sequence]) => writer === this.#writer && !this.#open.has(sequence));
    return [...stamps.filter((stamp) => stamp !== over).slice(1 - stampsMax), write];
  }
}
