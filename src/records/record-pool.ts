import { ClosedError } from "../core/errors.ts";

/** What this client keeps in memory for one record. */
export interface Pooled {
  /** Whether it must be kept: something is in flight, or would be lost. */
  readonly isBusy: boolean;
  /** Brings what is in flight to its end, and gives back what is held. Never rejects. */
  close(): Promise<void>;
}

/** Records kept in memory by one client while nothing is in flight for them. */
const idleMax = 10_000;
/** How many of the oldest are looked at for one that can go. */
const looksMax = 8;

/**
 * What one client keeps for each record, so that all who ask for the same one ride together. Those used longest ago
 * are forgotten first: they only cost a read when they come back.
 */
export class RecordPool {
  readonly #pooled = new Map<string, Pooled>();
  #newest: string | undefined;
  #isClosed = false;

  /** The one of this key, made now if there is none. @throws ClosedError */
  get<P extends Pooled>(key: string, make: () => P): P {
    if (this.#isClosed) throw new ClosedError("the coordinator is closed");
    const pooled = (this.#pooled.get(key) as P | undefined) ?? make();
    if (this.#newest !== key) {
      this.#newest = key;
      this.#pooled.delete(key);
      this.#pooled.set(key, pooled);
      if (this.#pooled.size > idleMax) this.#forgetOldest();
    }
    return pooled;
  }

  /** Closes them all. Afterwards there is none. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#pooled.values()].map((pooled) => pooled.close()));
    this.#pooled.clear();
  }

  #forgetOldest(): void {
    let looks = 0;
    for (const [key, pooled] of this.#pooled) {
      if (looks >= looksMax) return;
      looks += 1;
      this.#pooled.delete(key);
      if (!pooled.isBusy) return;
      // It goes to the end of the line.
      this.#pooled.set(key, pooled);
    }
  }
}
