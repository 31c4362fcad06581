import type { Coordinator, RateLimiter } from "../../../src/index.ts";
import { generousLimiter, stuckLimiter } from "../broken-limits.ts";
import { sharedNowMs } from "../history.ts";
import { limits } from "../worker-settings.ts";
import { codeOf, rest, restAfterFailure, type Workbench } from "./workbench.ts";

/** The part of a rate limiter that is used here. */
export type Limit = Pick<RateLimiter, "name" | "take" | "reserve">;

/** The key that all take from. */
export const limitKey = "all";
/** What nobody settles counts as used after this time. */
const reservationTtlMs = 500;
/** No clock is put right by so much at a time. */
const jumpMs = 500;

/** Takes from limits that all share, in either mode, and sets apart what it settles, gives back, or forgets. */
export async function limiting(bench: Workbench): Promise<void> {
  const lanes = limits.flatMap((limit) =>
    (["exact", "leased"] as const).map((mode) => takeFrom(bench, limiterOf(bench, limit, mode))),
  );
  await Promise.all([...lanes, watchClock(bench)]);
}

/** No limit feels it when a wall clock jumps, and no entry: that it did must be seen otherwise. */
export async function watchClock(bench: Workbench): Promise<void> {
  let aheadMs = Date.now() - sharedNowMs();
  while (!bench.stopping.aborted) {
    await rest(bench, 50, 100);
    const nowAheadMs = Date.now() - sharedNowMs();
    if (Math.abs(nowAheadMs - aheadMs) < jumpMs) continue;
    bench.log.write({ event: "clock-jumped", byMs: nowAheadMs - aheadMs });
    aheadMs = nowAheadMs;
  }
}

/** Who asks in the one mode and who asks in the other share the limit. */
export function openLimiter(
  coordinator: Coordinator,
  { name, policy }: (typeof limits)[number],
  mode: "exact" | "leased",
): RateLimiter {
  return coordinator.rateLimiter(name, { policies: [policy], mode, timeout: 2_000 });
}

function limiterOf(bench: Workbench, limit: (typeof limits)[number], mode: "exact" | "leased"): Limit {
  const limiter = openLimiter(bench.coordinator, limit, mode);
  if (bench.settings.broken === "generous-limit") return generousLimiter(limiter);
  return bench.settings.broken === "stuck-limit" ? stuckLimiter(limiter) : limiter;
}

async function takeFrom(bench: Workbench, limiter: Limit): Promise<void> {
  const { random, stopping } = bench;
  while (!stopping.aborted) {
    const isDegraded = random.below(5) === 0 ? await reserve(bench, limiter) : await take(bench, limiter);
    if (isDegraded) await restAfterFailure(bench);
    await rest(bench, 2, 25);
  }
}

/** Answers whether the store was away. */
async function take({ log, random, stopping: signal }: Workbench, limiter: Limit): Promise<boolean> {
  const { name } = limiter;
  const calledAt = sharedNowMs();
  try {
    const wait = random.below(4) === 0 ? random.between(5, 200) : 0;
    const { allowed, cost, degraded, source } = await limiter.take(limitKey, {
      ...{ cost: 1 + random.below(3), wait },
      ...(!signal.aborted && { signal }),
    });
    if (allowed) log.write({ event: "admitted", name, tokens: cost, calledAt, source });
    else log.write({ event: "denied", name, degraded, source });
    return degraded;
  } catch (error) {
    // It was told to stop while it waited.
    if (codeOf(error) !== "ABORTED") throw error;
    return false;
  }
}

/** What was set apart is used at once, or not at all. */
async function reserve({ log, random }: Workbench, limiter: Limit): Promise<boolean> {
  const { name } = limiter;
  const calledAt = sharedNowMs();
  const reservation = await limiter.reserve(limitKey, { cost: 1 + random.below(6), ttl: reservationTtlMs });
  const { allowed, cost, decision } = reservation;
  const { degraded, source } = decision;
  if (!allowed) {
    log.write({ event: "denied", name, degraded, source });
    return degraded;
  }
  const tokens = random.below(3) === 0 ? 0 : 1 + random.below(cost);
  if (tokens > 0) log.write({ event: "admitted", name, tokens, calledAt, source });
  if (random.below(4) === 0) return false;
  try {
    await (tokens === 0 ? reservation.cancel() : reservation.settle(tokens));
  } catch (error) {
    log.write({ event: "settle-failed", name, code: codeOf(error) });
  }
  return false;
}
