import { invariant } from "../core/invariant.ts";
import type { Instant } from "../sessions/lease-clock.ts";

const wordsPerInstant = 6;
const words = { sequence: 0, ended: 1, instants: 2 } as const;
const bytes = (words.instants + 2 * wordsPerInstant) * Int32Array.BYTES_PER_ELEMENT;
/** A reader starts again only when the writer has written twice meanwhile, and that takes two heartbeats. */
const readsMax = 1_000;

/**
 * One moment that one thread writes and others read, without locks and without torn reads: two places are written in
 * turn, and the sequence number says which one counts. A writer that is stopped anywhere holds up no reader.
 *
 * @see Leslie Lamport, "Concurrent Reading and Writing" (1977), for the method.
 */
export class SharedInstant {
  /** What to hand to the other thread. */
  readonly buffer: SharedArrayBuffer;
  readonly #shared: Int32Array;
  readonly #numbers = new Float64Array(wordsPerInstant / 2);
  readonly #own = new Int32Array(this.#numbers.buffer);
  #seen = 0;
  #newest: Instant | undefined;

  constructor(buffer = new SharedArrayBuffer(bytes)) {
    this.buffer = buffer;
    this.#shared = new Int32Array(buffer);
  }

  /** Writes it. By one thread only. */
  write({ monotonicMs, wallMs, uptimeMs }: Instant): void {
    // Never 0: that is the number of what was never written.
    const sequence = (Atomics.load(this.#shared, words.sequence) + 1) & 0x7fff_ffff || 2;
    this.#numbers.set([monotonicMs, wallMs, uptimeMs]);
    const place = placeOf(sequence);
    for (let word = 0; word < wordsPerInstant; word += 1) {
      Atomics.store(this.#shared, place + word, this.#own[word] ?? 0);
    }
    Atomics.store(this.#shared, words.sequence, sequence);
  }

  /** The newest one; `undefined` when none was written. Costs one load when nothing has changed. */
  read(): Instant | undefined {
    for (let reads = 0; reads < readsMax; reads += 1) {
      const sequence = Atomics.load(this.#shared, words.sequence);
      if (sequence === this.#seen) return this.#newest;
      const place = placeOf(sequence);
      for (let word = 0; word < wordsPerInstant; word += 1) {
        this.#own[word] = Atomics.load(this.#shared, place + word);
      }
      if (Atomics.load(this.#shared, words.sequence) !== sequence) continue;
      const [monotonicMs = 0, wallMs = 0, uptimeMs = 0] = this.#numbers;
      this.#seen = sequence;
      this.#newest = { monotonicMs, wallMs, uptimeMs };
      return this.#newest;
    }
    invariant(false, "a moment is not written faster than it can be read");
  }

  /** Says for ever that no other moment will follow. */
  end(): void {
    Atomics.store(this.#shared, words.ended, 1);
  }

  /** Whether {@link SharedInstant.end} was called, in any thread. */
  get isEnded(): boolean {
    return Atomics.load(this.#shared, words.ended) === 1;
  }
}

function placeOf(sequence: number): number {
  return words.instants + (sequence % 2) * wordsPerInstant;
}
