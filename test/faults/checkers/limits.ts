import type { Finding, History, WorkerLog } from "../history.ts";
import { limits } from "../worker-settings.ts";

/** The clocks of a store and of this machine may run a little differently, and stores tell milliseconds. */
const driftTolerance = 0.001;
const grainMs = 1;

/** Tokens that were taken at some moment from the one time to the other. */
interface Admission {
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
}

type Limit = (typeof limits)[number];

/**
 * In no stretch of time is more admitted than the limit says. What counts in a stretch was taken within it for sure: it
 * was asked for after its beginning, and answered before its end. What it examines are the tokens admitted by limits that
 * also denied some: the others were never tried.
 */
export function checkNeverOver({ workers }: History): Finding {
  let examined = 0;
  const violations: string[] = [];
  for (const limit of limits) {
    const admissions = admissionsOf(workers, limit.name);
    if (wasTried(workers, limit.name)) examined += admissions.length;
    const excess = worstExcess(limit, admissions);
    if (excess === undefined) continue;
    const { tokens, most, from, to } = excess;
    violations.push(
      `${limit.name} admitted ${tokens} tokens in the ${(to - from).toFixed(1)} ms from ${from.toFixed(1)} on, ` +
        `${most} at most are allowed`,
    );
  }
  return { examined, violations };
}

interface Excess {
  readonly tokens: number;
  readonly most: number;
  readonly from: number;
  readonly to: number;
}

/** Of all stretches that begin with a request and end with an answer, the one that is furthest over the limit. */
function worstExcess(limit: Limit, admissions: readonly Admission[]): Excess | undefined {
  const byEnd = admissions.toSorted((a, b) => a.to - b.to);
  let worst: Excess | undefined;
  for (const { from } of admissions) {
    let tokens = 0;
    for (const admission of byEnd) {
      if (admission.from < from) continue;
      const { to } = admission;
      const most = mostIn(limit, to - from);
      if (most === undefined) break;
      tokens += admission.tokens;
      if (tokens > most && tokens - most > (worst === undefined ? 0 : worst.tokens - worst.most)) {
        worst = { tokens, most, from, to };
      }
    }
  }
  return worst;
}

/** The most that is allowed in a stretch of this length; nothing where the limit says nothing about it. */
function mostIn({ policy }: Limit, lengthMs: number): number | undefined {
  if (policy.algorithm === "sliding-window") {
    return lengthMs < policy.per * (1 - driftTolerance) - grainMs ? policy.limit : undefined;
  }
  const refillMs = lengthMs * (1 + driftTolerance) + grainMs;
  return policy.burst + Math.floor((refillMs * policy.limit) / policy.per);
}

function admissionsOf(workers: readonly WorkerLog[], name: string): Admission[] {
  return workers.flatMap(({ events }) =>
    events.flatMap((event) =>
      event.event === "admitted" && event.name === name
        ? [{ from: event.calledAt, to: event.at, tokens: event.tokens }]
        : [],
    ),
  );
}

function wasTried(workers: readonly WorkerLog[], name: string): boolean {
  return workers.some(({ events }) =>
    events.some((event) => event.event === "denied" && event.name === name && !event.degraded),
  );
}

/** When each limit admitted something that was asked for after this moment; `undefined`: it did not. */
export function firstAdmissionsAfter(
  workers: readonly WorkerLog[],
  since: number,
): readonly (number | undefined)[] {
  return limits.map(({ name }) => {
    const later = admissionsOf(workers, name).filter(({ from }) => from > since);
    return later.length === 0 ? undefined : Math.min(...later.map(({ to }) => to));
  });
}

/** After each fault every limit admits again, soon enough, whoever asks. */
export function checkAdmitting({ rounds, workers }: History, recoveryLimitMs: number): Finding {
  const violations = rounds.flatMap(({ healedAt, what }) =>
    firstAdmissionsAfter(workers, healedAt).flatMap((at, index) => {
      const name = limits[index]?.name;
      if (at === undefined) return [`${name} admitted nothing any more after ${what}`];
      const ms = at - healedAt;
      if (ms <= recoveryLimitMs) return [];
      return [
        `${name} admitted again only ${Math.round(ms)} ms after ${what}, more than ${recoveryLimitMs} ms`,
      ];
    }),
  );
  return { examined: rounds.length * limits.length, violations };
}
