import type { History } from "../history.ts";
import type { Limit } from "../stage.ts";
import { windowMsOf } from "../workloads/limits.ts";
import { type Checker, exclusiveUntilMs } from "./checker.ts";

/** A machine that slept for no longer than this does not know it: the least that all kinds of uptime tell. */
const unnoticedSleepMs = 1_100;
/** Times are sums of fractions. */
const roundingMs = 0.001;

/** Tokens that were taken at some moment from the one time to the other. */
interface Admission {
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
}

/**
 * In no stretch of time is more admitted than the limit says. What counts in a stretch was asked for and told within it.
 * Nothing is said of worlds in which a machine slept without noticing, for its idea of the store's time is wrong then.
 */
export const limitsHold: Checker = {
  name: "no limit admits more than it says",
  check(history) {
    const { accidents, stage, ttlMaxMs } = history.plan;
    const isUnnoticed = accidents.some(
      ({ kind, durationMs }) => kind === "machine sleep" && durationMs < unnoticedSleepMs,
    );
    if (isUnnoticed) return [];
    const untilMs = exclusiveUntilMs(history);
    return stage.limits.flatMap((limit) => {
      const windowMs = windowMsOf(limit, ttlMaxMs);
      return excessesIn(limit, windowMs, admissionsOf(history, limit.algorithm, untilMs)).slice(0, 1);
    });
  },
};

function excessesIn(limit: Limit, windowMs: number, admissions: readonly Admission[]): string[] {
  return admissions.flatMap(({ from }) => {
    let tokens = 0;
    for (const admission of admissions) {
      if (admission.from < from) continue;
      const lengthMs = admission.to - from;
      tokens += admission.tokens;
      const most = mostIn(limit, windowMs, lengthMs);
      if (tokens <= most) continue;
      return [
        `the ${limit.algorithm} admitted ${tokens} from ${from.toFixed(3)} to ${admission.to.toFixed(3)}; ` +
          `${most} is the most in ${lengthMs.toFixed(3)} ms`,
      ];
    }
    return [];
  });
}

function mostIn({ algorithm, limit, burst = limit }: Limit, windowMs: number, lengthMs: number): number {
  if (algorithm === "token-bucket") return Math.floor(burst + ((lengthMs + roundingMs) * limit) / windowMs);
  return lengthMs < windowMs - roundingMs ? limit : Number.POSITIVE_INFINITY;
}

/** In the order in which they were told. */
function admissionsOf(history: History, name: string, untilMs: number): Admission[] {
  const asked = new Map<number, number>();
  return history.events.flatMap((event) => {
    if (event.what === "tokens asked") asked.set(event.call, event.atMs);
    if (event.what !== "tokens taken" || event.name !== name || event.atMs > untilMs) return [];
    return [{ from: asked.get(event.call) ?? 0, to: event.atMs, tokens: event.tokens }];
  });
}
