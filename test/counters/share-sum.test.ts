// Goal: adds that were applied together are told what they would have been told one after the other, in the order of
// the calls where that can be, else in one in which no sum leaves the safe integers.
import { expect, test } from "vitest";
import { shareSum } from "../../src/counters/share-sum.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";

const edge = Number.MAX_SAFE_INTEGER;

test("the sums are those on the way, in the order of the calls", () => {
  expect(shareSum(10, [1, 2, -3, 0, 5], 5)).toEqual([6, 8, 5, 5, 10]);
  expect(shareSum(7, [7], 7)).toEqual([7]);
  expect(shareSum(edge, [edge, 0], edge)).toEqual([edge, edge]);
});

test("whatever the deltas, the sums are those of some order, and all are safe integers", () => {
  const runtime = createVirtualRuntime({ seed: 7 });
  const draw = (): number => {
    const scale = [10, 2 ** 30, 2 ** 52, edge][Math.floor(runtime.random() * 4)] as number;
    return Math.round((2 * runtime.random() - 1) * scale);
  };
  let reordered = 0;
  for (let round = 0; round < 5_000; round += 1) {
    const before = draw();
    const deltas: number[] = [];
    let total = 0;
    while (deltas.length < 1 + Math.floor(runtime.random() * 6)) {
      const delta = draw();
      if (!Number.isSafeInteger(total + delta)) continue;
      total += delta;
      deltas.push(delta);
    }
    if (!Number.isSafeInteger(before + total)) continue;
    const sums = shareSum(before + total, deltas, total);
    expect(sums.every(Number.isSafeInteger)).toBe(true);
    // Follow the chain: from each sum, an add that was not told yet begins there.
    const left = new Set(deltas.keys());
    const follow = (sum: number): boolean =>
      left.size === 0 ||
      [...left].some((index) => {
        if (sum + (deltas[index] as number) !== sums[index]) return false;
        left.delete(index);
        if (follow(sums[index] as number)) return true;
        left.add(index);
        return false;
      });
    expect(follow(before)).toBe(true);
    let sum = before;
    const inOrder = deltas.map((delta) => {
      sum += delta;
      return sum;
    });
    if (inOrder.every(Number.isSafeInteger)) expect(sums).toEqual(inOrder);
    else reordered += 1;
  }
  expect(reordered).toBeGreaterThan(50);
});
