// Goal: what the search remembers is never taken for what it has not seen.
import { expect, test } from "vitest";
import { Visited } from "../../src/testing/linearizability/visited.ts";

test("configurations that differ in a word are told apart, whether or not their hashes are", () => {
  // So many that some of their 32-bit hashes must be equal: about twelve pairs are to be expected.
  const side = 568;
  const visited = new Visited(2, 0);
  const countNew = (): number => {
    let count = 0;
    for (let first = 0; first < side; first += 1) {
      for (let second = 0; second < side; second += 1) {
        if (visited.add(Int32Array.of(first * 7_919, second * 104_729))) count += 1;
      }
    }
    return count;
  };
  expect(countNew()).toBe(side * side);
  expect(countNew()).toBe(0);
});

test("a configuration is worth nothing when one with fewer of the optional bits was there, and only then", () => {
  const visited = new Visited(1, 2);
  const add = (...row: readonly number[]): boolean => visited.add(Int32Array.from(row));
  expect(add(1, 0b011, 0b1)).toBe(true);
  expect(add(1, 0b011, 0b1)).toBe(false);
  expect(add(1, 0b111, 0b1)).toBe(false);
  expect(add(1, 0b011, 0b11)).toBe(false);
  expect(add(1, 0b011, 0b10)).toBe(true);
  expect(add(1, 0b001, 0b1)).toBe(true);
  expect(add(1, 0b101, 0b1)).toBe(false);
  expect(add(2, 0b011, 0b1)).toBe(true);
  // The highest bit is the sign.
  expect(add(3, -(2 ** 31), 0)).toBe(true);
  expect(add(3, 0, 0)).toBe(true);
  expect(add(3, -1, -1)).toBe(false);
});
