interface Deadline {
  readonly atMs: number;
  readonly id: string;
}

/** Times at which something ends, soonest first: a binary heap. What no longer counts is passed over when its turn comes. */
export class Deadlines {
  #heap: Deadline[] = [];
  readonly #counts: (id: string, atMs: number) => boolean;
  #sizeToClean = 1_000;

  constructor(counts: (id: string, atMs: number) => boolean) {
    this.#counts = counts;
  }

  add(id: string, atMs: number): void {
    // Of an entry that is written again and again only the last time counts.
    if (this.#heap.length >= this.#sizeToClean) {
      const rest = this.#heap.filter((each) => this.#counts(each.id, each.atMs));
      // What is sorted is a heap.
      this.#heap = rest.sort((one, other) => one.atMs - other.atMs);
      this.#sizeToClean = Math.max(1_000, 2 * rest.length);
    }
    const heap = this.#heap;
    let index = heap.length;
    for (let above = (index - 1) >> 1; index > 0; above = (index - 1) >> 1) {
      const parent = heap[above] as Deadline;
      if (parent.atMs <= atMs) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = { atMs, id };
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The next one that counts. */
  get next(): Deadline | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#counts(first.id, first.atMs)) return first;
      this.drop();
    }
    return undefined;
  }

  /** Takes the first one away. */
  drop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (let below = 1; below < heap.length; below = 2 * index + 1) {
      const [left, right] = [heap[below] as Deadline, heap[below + 1]];
      const isRight = right !== undefined && right.atMs < left.atMs;
      const child = isRight ? right : left;
      if (last.atMs <= child.atMs) break;
      heap[index] = child;
      index = isRight ? below + 1 : below;
    }
    heap[index] = last;
  }
}
