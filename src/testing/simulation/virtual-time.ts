import { invariant } from "../../core/invariant.ts";
import type { CancelTimer } from "../../core/runtime.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Far more than any run needs: who gets here goes round in circles. */
const eventsMax = 100_000;

/**
 * The one clock of a simulated world, and everything that will happen in it. One event at a time, in the order of
 * their times; what follows from an event by promises alone happens before the next one.
 */
export class VirtualTime {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #orders = 0;
  #events = 0;

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have happened. */
  get events(): number {
    return this.#events;
  }

  /** Lets `run` happen in `delayMs`, never at once. */
  after(delayMs: number, run: () => void): CancelTimer {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#orders, run };
    this.#orders += 1;
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  /** Lets time pass until `untilMs`, or until `isOver`. Answers whether it is over. */
  async pass(untilMs: number, isOver: () => boolean = () => false): Promise<boolean> {
    await chainsOfPromises();
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = untilMs;
        return false;
      }
      this.#pop();
      const { run } = next;
      if (run === undefined) continue;
      next.run = undefined;
      this.#nowMs = next.atMs;
      this.#events += 1;
      invariant(this.#events <= eventsMax, `a world comes to rest within ${eventsMax} events`);
      run();
      await chainsOfPromises();
    }
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Event)) child += 1;
      const below = heap[child] as Event;
      if (!isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs;
}

/** Resolves when every chain of promises that can go on without an event has gone on to its end. */
function chainsOfPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
