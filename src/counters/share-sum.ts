/**
 * What each of several adds led to, when they were applied together and led to `after`: in the order of the calls, as
 * long as every sum on the way is a safe integer.
 *
 * Where one is not, the adds are told the sums of another order, in which all are: they were given at the same time,
 * so any order is true. Going down from zero and up, and up from below, there always is one.
 */
export function shareSum(after: number, deltas: readonly number[], total: number): readonly number[] {
  // Exact: what stood in the store before was a safe integer too.
  const before = after - total;
  const sums = new Array<number>(deltas.length);
  let sum = before;
  let isSafe = true;
  for (let index = 0; index < deltas.length; index += 1) {
    sum += deltas[index] as number;
    if (sum > Number.MAX_SAFE_INTEGER || sum < Number.MIN_SAFE_INTEGER) isSafe = false;
    sums[index] = sum;
  }
  return isSafe ? sums : shareBetweenEdges(before, deltas);
}

function shareBetweenEdges(before: number, deltas: readonly number[]): readonly number[] {
  const sums = new Array<number>(deltas.length);
  const indexes = [...deltas.keys()];
  const falling = indexes.filter((index) => (deltas[index] as number) < 0).reverse();
  const rising = indexes.filter((index) => (deltas[index] as number) >= 0).reverse();
  let sum = before;
  for (;;) {
    const [first, second] = sum >= 0 ? [falling, rising] : [rising, falling];
    const index = first.pop() ?? second.pop();
    if (index === undefined) return sums;
    sum += deltas[index] as number;
    sums[index] = sum;
  }
}
