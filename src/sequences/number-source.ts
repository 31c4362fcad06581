import type { AddOperation } from "../core/backend.ts";

/** Where a process takes its numbers from, many at a time. */
export interface NumberSource {
  /** For messages: `the sequence "orders"`. */
  readonly subject: string;
  /**
   * Takes `count` numbers in a row and answers the last one. The same operation again gets the same numbers, or others
   * that nobody has: never those of somebody else.
   *
   * @throws LimitExceededError when there are not so many left; none was taken.
   */
  take(count: number, operation: AddOperation): Promise<number>;
  /** Puts back the numbers from `first` to `last`, which this writer took, if nobody has taken any since. */
  giveBack(first: number, last: number, writer: string): Promise<void>;
}
