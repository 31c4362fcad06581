import type { Finding, History } from "../history.ts";

/** Everybody who was told to stop stopped, and left nothing behind in the store. */
export function checkEndings({ workers, leftovers, stubborn }: History): Finding {
  const violations = [
    ...stubborn.map((worker) => `${worker} did not stop when it was told to`),
    ...workers
      .filter(({ worker, killedAt, events }) => {
        const isClosed = events.at(-1)?.event === "closed";
        return killedAt === undefined && !isClosed && !stubborn.includes(worker);
      })
      .map(
        ({ worker, events }) => `${worker} ended by itself; its last word: ${JSON.stringify(events.at(-1))}`,
      ),
    ...leftovers,
  ];
  return { examined: workers.length, violations };
}
