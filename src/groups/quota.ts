/**
 * How many of `count` partitions member number `rank` of `members` is to have: shares differ by one at most, and those
 * who joined first have the larger ones.
 */
export function quotaOf(rank: number, members: number, count: number): number {
  if (rank < 0 || members <= 0) return 0;
  return Math.floor(count / members) + (rank < count % members ? 1 : 0);
}

/** The order in which a member looks for free partitions: each begins at another place, so that few want the same. */
export function searchOrder(rank: number, members: number, count: number): readonly number[] {
  const start = members <= 0 ? 0 : Math.floor((Math.max(0, rank) * count) / members);
  return Array.from({ length: count }, (_, index) => (start + index) % count);
}
