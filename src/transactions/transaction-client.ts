import type { Pooled } from "../records/record-pool.ts";
import { type Stamps, stampsMax } from "../records/record-rules.ts";

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
  async marked<R>(work: (sequence: number) => Promise<R>): Promise<R> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    this.#open.add(sequence);
    try {
      return await work(sequence);
    } finally {
      this.#open.delete(sequence);
      if (!this.isBusy) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Puts a mark into the list, in the place of those of this client's commits that are over: nobody asks for them again. */
  stamp(stamps: Stamps, sequence: number): Stamps {
    const kept = stamps.filter(([writer, other]) => writer !== this.#writer || this.#open.has(other));
    return [...kept.slice(1 - stampsMax), [this.#writer, sequence]];
  }

  hasStamped(stamps: Stamps, sequence: number): boolean {
    return stamps.some(([writer, other]) => writer === this.#writer && other === sequence);
  }
}
