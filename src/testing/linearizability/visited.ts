/**
 * Remembers the configurations that a search has been in, each a row of 32-bit words. A configuration is worth
 * nothing when one was visited that is equal in its first words and has none but its bits in the others: what is
 * possible from here was possible from there.
 */
export class Visited {
  readonly #exactWords: number;
  readonly #stride: number;
  #rows: Int32Array;
  #hashes: Int32Array;
  /** The row that was added before to the same bucket, or -1. */
  #nexts: Int32Array;
  /** The latest row of each bucket, or -1. */
  #buckets: Int32Array;
  #count = 0;
  /** Rows compared so far. */
  comparisons = 0;

  /** For rows of `exactWords` words that must be equal and `subsetWords` words of bits. */
  constructor(exactWords: number, subsetWords: number) {
    this.#exactWords = exactWords;
    this.#stride = exactWords + subsetWords;
    this.#rows = new Int32Array(rowsAtFirst * this.#stride);
    this.#hashes = new Int32Array(rowsAtFirst);
    this.#nexts = new Int32Array(rowsAtFirst);
    this.#buckets = new Int32Array(rowsAtFirst).fill(-1);
  }

  /** Adds a configuration, unless it is worth nothing: `false`. */
  add(row: Int32Array): boolean {
    const hash = this.#hash(row);
    const mask = this.#buckets.length - 1;
    for (let at = this.#buckets[hash & mask] ?? -1; at >= 0; at = this.#nexts[at] ?? -1) {
      this.comparisons += 1;
      if (this.#hashes[at] === hash && this.#covers(at * this.#stride, row)) return false;
    }
    if (this.#count === this.#hashes.length) this.#grow();
    this.#rows.set(row, this.#count * this.#stride);
    this.#hashes[this.#count] = hash;
    this.#link(this.#count);
    this.#count += 1;
    return true;
  }

  #covers(start: number, row: Int32Array): boolean {
    const rows = this.#rows;
    const exactWords = this.#exactWords;
    for (let word = 0; word < exactWords; word += 1) {
      if (rows[start + word] !== row[word]) return false;
    }
    for (let word = exactWords; word < this.#stride; word += 1) {
      if (((rows[start + word] ?? 0) & ~(row[word] ?? 0)) !== 0) return false;
    }
    return true;
  }

  #hash(row: Int32Array): number {
    let hash = 0x9e3779b9;
    for (let word = 0; word < this.#exactWords; word += 1) {
      hash = Math.imul(hash ^ (row[word] ?? 0), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    return hash | 0;
  }

  #link(at: number): void {
    const bucket = (this.#hashes[at] ?? 0) & (this.#buckets.length - 1);
    this.#nexts[at] = this.#buckets[bucket] ?? -1;
    this.#buckets[bucket] = at;
  }

  #grow(): void {
    this.#rows = doubled(this.#rows);
    this.#hashes = doubled(this.#hashes);
    this.#nexts = doubled(this.#nexts);
    this.#buckets = new Int32Array(this.#hashes.length).fill(-1);
    for (let at = 0; at < this.#count; at += 1) this.#link(at);
  }
}

/** A power of two, as the number of buckets has to be. */
const rowsAtFirst = 256;

function doubled(words: Int32Array): Int32Array {
  const larger = new Int32Array(words.length * 2);
  larger.set(words);
  return larger;
}
