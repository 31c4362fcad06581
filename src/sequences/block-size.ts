/** How many numbers a process takes at a time where nobody says so: as many as it uses in about a second. */
export const blockSizes = { first: 16, min: 1, max: 65_536 } as const;

const shortMs = 1_000;
const veryShortMs = 250;
const longMs = 4_000;

/** The size of the next block, by how long it took until the last one was nearly used up. */
export function nextBlockSize(size: number, lastedMs: number): number {
  const factor = lastedMs < veryShortMs ? 4 : lastedMs < shortMs ? 2 : lastedMs > longMs ? 0.5 : 1;
  return Math.min(blockSizes.max, Math.max(blockSizes.min, Math.floor(size * factor)));
}
