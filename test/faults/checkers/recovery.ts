import { type Finding, type History, isProgress } from "../history.ts";

/** How long each survivor of each fault took to get something done again, from the end of the fault. */
export function recoveryTimes({ rounds, workers }: History): readonly (readonly [who: string, ms: number])[] {
  const events = new Map(workers.map((log) => [log.worker, log.events]));
  return rounds.flatMap(({ healedAt, survivors, what }) =>
    survivors.map((worker) => {
      const next = events.get(worker)?.find((event) => event.at > healedAt && isProgress(event));
      return [`${worker} after ${what}`, (next?.at ?? Number.POSITIVE_INFINITY) - healedAt] as const;
    }),
  );
}

/** Every worker that lived through a fault gets on again, soon enough. */
export function checkRecovery(history: History, limitMs: number): Finding {
  const times = recoveryTimes(history);
  const violations = times
    .filter(([, ms]) => ms > limitMs)
    .map(([who, ms]) =>
      ms === Number.POSITIVE_INFINITY
        ? `${who}: got nothing done any more`
        : `${who}: got on only after ${Math.round(ms)} ms, more than ${limitMs} ms`,
    );
  return { examined: times.length, violations };
}
