/** Between what the store's clock stands at. Whole milliseconds since 1970. */
export interface Bounds {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** What is used of one policy: whole numbers. Empty: nothing is. */
export type Used = readonly number[];

/**
 * One way to limit, as pure functions over whole numbers. Time is only known within bounds, and each function takes the
 * bound that admits less, so that no clock, and no difference between two clocks, ever admits more than the limit.
 */
export interface Algorithm {
  /** How many numbers a {@link Used} consists of, when it is not empty: this many, or a multiple. */
  readonly width: number;
  /** What is still used at this time. `leased`: tokens that are out, and charged already. The same array if nothing changes. */
  advance(used: Used, now: Bounds, leased: number): Used;
  /** What could be taken now, after {@link Algorithm.advance}. Negative: in debt. */
  remaining(used: Used, now: Bounds): number;
  /** Takes tokens, whether they remain or not. `spentByMs`: until when they may be spent, at the latest. */
  charge(used: Used, tokens: number, now: Bounds, spentByMs: number): Used;
  /** Gives tokens back, at most what is used; `spentByMs` as they were charged with, if they were leased. */
  giveBack(used: Used, tokens: number, now: Bounds, spentByMs?: number): Used;
  /** Until this many tokens remain, if nothing else is taken. `null`: never. */
  waitMs(used: Used, tokens: number, now: Bounds): number | null;
  /** Until when tokens that are taken now may be spent. */
  spendableUntilMs(used: Used, now: Bounds): number;
}
