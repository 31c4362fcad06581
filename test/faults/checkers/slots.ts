import { type Finding, type History, requestsIn, type WorkerLog } from "../history.ts";
import { sweep, timetables } from "../worker-settings.ts";

/** A run of a slot, as its worker wrote it down. */
interface Run {
  readonly worker: string;
  readonly name: string;
  readonly asked: number;
  readonly slot: number;
  readonly attempt: number;
  /** Left out where the worker died before it wrote that down. */
  readonly fence?: number;
}

/**
 * Whoever runs a slot asked for that slot; no slot is begun twice as the same attempt, nor more often than allowed; and
 * slots begin in their order. What it examines is how many slots were run that several asked for.
 */
export function checkSlots(history: History): Finding {
  const runs = Map.groupBy(history.workers.flatMap(runsIn(history)), ({ name }) => name);
  const askedBy = whoAsked(history.workers);
  let examined = 0;
  const violations: string[] = [];
  for (const { name, attempts } of timetables) {
    const all = runs.get(name) ?? [];
    const slots = new Set(all.map(({ slot }) => slot));
    examined += [...slots].filter((slot) => (askedBy.get(`${name} ${slot}`)?.size ?? 0) > 1).length;
    violations.push(...begunTwice(all), ...outOfOrder(all));
    for (const { worker, asked, slot, attempt } of all) {
      if (asked !== slot) violations.push(`${worker} asked for slot ${asked} of ${name} and ran ${slot}`);
      if (attempt > attempts)
        violations.push(`slot ${slot} of ${name} was begun ${attempt} times, by ${worker} at last`);
    }
  }
  return { examined, violations };
}

function runsIn(history: History): (log: WorkerLog) => Run[] {
  const requests = new Map(
    requestsIn(history).map((request) => [`${request.worker} ${request.call}`, request]),
  );
  return ({ worker, events }) => {
    const asked = new Map<number, number>();
    return events.flatMap((event) => {
      if (event.event === "called" && event.slot !== undefined) asked.set(event.call, event.slot);
      if (event.event !== "began" || event.slot === null) return [];
      const { call, slot, attempt } = event;
      const { name = "", fence } = requests.get(`${worker} ${call}`) ?? {};
      const run = { worker, name, asked: asked.get(call) ?? Number.NaN, slot, attempt };
      return [fence === undefined ? run : { ...run, fence }];
    });
  };
}

function whoAsked(workers: readonly WorkerLog[]): ReadonlyMap<string, ReadonlySet<string>> {
  const asked = new Map<string, Set<string>>();
  for (const { worker, events } of workers) {
    for (const event of events) {
      if (event.event !== "called" || event.slot === undefined) continue;
      const key = `${event.name} ${event.slot}`;
      const who = asked.get(key) ?? new Set();
      asked.set(key, who.add(worker));
    }
  }
  return asked;
}

function begunTwice(runs: readonly Run[]): string[] {
  return [...Map.groupBy(runs, ({ slot, attempt }) => `${slot}, attempt ${attempt},`)].flatMap(
    ([what, same]) => {
      if (same.length === 1) return [];
      const who = same.map(({ worker, fence }) => `${worker} (fence ${fence})`).join(" and ");
      return [`slot ${what} of ${same[0]?.name} was begun by ${who}`];
    },
  );
}

function outOfOrder(runs: readonly Run[]): string[] {
  const byFence = runs
    .filter(({ fence }) => fence !== undefined)
    .sort((a, b) => Number(a.fence) - Number(b.fence));
  return byFence.flatMap((run, index) => {
    const before = byFence[index - 1];
    const isLater = before === undefined || run.slot > before.slot;
    if (isLater || (run.slot === before.slot && run.attempt > before.attempt)) return [];
    return [
      `slot ${run.slot} of ${run.name} (attempt ${run.attempt}, fence ${run.fence}) was begun by ${run.worker} after ` +
        `slot ${before.slot} (attempt ${before.attempt}, fence ${before.fence}) by ${before.worker}`,
    ];
  });
}

/**
 * Where there is no timetable, two runs begin at least so long after one another, whatever any wall clock says. The
 * earlier one began no sooner than it was asked for, and the later one no later than it said so.
 */
export function checkClosed(history: History): Finding {
  const runs = requestsIn(history)
    .filter(({ name, fence }) => name === sweep.name && fence !== undefined)
    .sort((a, b) => Number(a.fence) - Number(b.fence));
  const violations = runs.flatMap((run, index) => {
    const before = runs[index - 1];
    if (before === undefined) return [];
    const apartMs = (run.grantedAt ?? 0) - before.calledAt;
    if (apartMs >= sweep.atLeastMs) return [];
    return [
      `${run.worker} ran ${sweep.name} (fence ${run.fence}) ${apartMs.toFixed(1)} ms after ${before.worker} had asked to ` +
        `(fence ${before.fence}): it stays closed for ${sweep.atLeastMs} ms`,
    ];
  });
  return { examined: Math.max(0, runs.length - 1), violations };
}

const schedules = [...timetables, sweep];

/** When each schedule ran for the first time after this moment; `undefined`: it did not. */
export function firstRunsAfter(
  workers: readonly WorkerLog[],
  since: number,
): readonly (number | undefined)[] {
  return schedules.map(({ name }) => {
    const times = workers.flatMap(({ events }) =>
      events.flatMap((event) =>
        event.event === "granted" && event.name === name && event.at > since ? [event.at] : [],
      ),
    );
    return times.length === 0 ? undefined : Math.min(...times);
  });
}

/** After each fault every schedule runs again, soon enough, whoever runs it. */
export function checkGoingOn({ rounds, workers }: History, recoveryLimitMs: number): Finding {
  const violations = rounds.flatMap(({ healedAt, what }) =>
    firstRunsAfter(workers, healedAt).flatMap((at, index) => {
      const name = schedules[index]?.name;
      if (at === undefined) return [`no slot of ${name} was run any more after ${what}`];
      const ms = at - healedAt;
      if (ms <= recoveryLimitMs) return [];
      return [`${name} ran again only ${Math.round(ms)} ms after ${what}, more than ${recoveryLimitMs} ms`];
    }),
  );
  return { examined: rounds.length * schedules.length, violations };
}
