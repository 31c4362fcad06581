import { type Finding, type History, isProgress } from "../history.ts";

/** Whoever lives on after the store lost what it held hears of it, by an error with a code: nobody works on unaware. */
export function checkLostStore({ rounds, workers }: History): Finding {
  const logs = new Map(workers.map((log) => [log.worker, log.events]));
  let examined = 0;
  const violations: string[] = [];
  for (const { healedAt, survivors } of rounds) {
    for (const worker of survivors) {
      examined += 1;
      const after = logs.get(worker)?.filter(({ at }) => at > healedAt) ?? [];
      const wasTold = after.some((event) => "code" in event && event.code === "STORE_MISSING");
      if (!wasTold) violations.push(`${worker} was never told that the store is gone`);
      if (after.some(isProgress)) violations.push(`${worker} went on in a store that had lost what it held`);
    }
  }
  return { examined, violations };
}
