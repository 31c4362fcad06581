import type { BatchResult } from "./entry.ts";

/** How many keys of one batch are under way at a time: as many as one request of DynamoDB writes. */
const atOnce = 25;

/** Does the work for each key, a bounded number at a time, and tells of each how it ended. */
export async function inParallel<I extends { readonly key: string }, R>(
  items: readonly I[],
  work: (item: I) => Promise<R>,
): Promise<readonly BatchResult<R>[]> {
  const results: BatchResult<R>[] = new Array(items.length);
  // The workers share one iterator: each takes the next item when it is done with the one before.
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) results[index] = await outcome(item, work);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

async function outcome<I extends { readonly key: string }, R>(
  item: I,
  work: (item: I) => Promise<R>,
): Promise<BatchResult<R>> {
  const { key } = item;
  try {
    return { key, ...(await work(item)) };
  } catch (error) {
    return { key, error: error as Error };
  }
}
