import type { RateLimiter } from "../../../src/index.ts";
import { type Client, codeOf } from "../client.ts";
import type { Limit, Theme } from "../stage.ts";
import type { Finale } from "./finale.ts";
import type { Workload } from "./workload.ts";

const themes: readonly Theme[] = ["limits"];
/** The key that all take from. */
const key = "all";

type Mode = "exact" | "leased" | "auto";

/** The window of a limit in milliseconds. */
export function windowMsOf({ perTtls }: Limit, ttlMaxMs: number): number {
  return Math.ceil(perTtls * ttlMaxMs);
}

function limiterOf(client: Client, limit: Limit, mode: Mode): RateLimiter {
  const { perTtls, ...policy } = limit;
  const per = windowMsOf(limit, client.ttlMaxMs);
  return client.coordinator.rateLimiter(limit.algorithm, {
    ...{ policies: [{ ...policy, per }], mode, timeout: client.ttlMaxMs },
  });
}

/** Asks for tokens, and writes down whether they came. */
async function take(client: Client, limiter: RateLimiter, cost: number, wait: number): Promise<boolean> {
  const { name } = limiter;
  const call = client.nextCall();
  client.record({ what: "tokens asked", call, name, cost });
  try {
    const { allowed, source, degraded } = await limiter.take(key, { cost, wait });
    if (allowed) client.record({ what: "tokens taken", call, name, tokens: cost, source });
    else client.record({ what: "tokens denied", call, name, source: degraded ? "degraded" : source });
    return allowed;
  } catch (error) {
    client.record({ what: "tokens denied", call, name, source: codeOf(error) });
    return false;
  }
}

/** Some at once, and some one after the other. */
async function takeSome(client: Client, place: string, mode: Mode): Promise<void> {
  const { choices, stage } = client;
  const limit = choices.oneOf(`${place}.limit`, stage.limits);
  const limiter = limiterOf(client, limit, mode);
  const most = Math.min(limit.burst ?? limit.limit, 3);
  const rounds = choices.whole(`${place}.rounds`, 4, 30);
  for (let round = 1; round <= rounds && client.isOpen; round += 1) {
    const here = `${place}.round${round}`;
    const wait = choices.likely(`${here}.waits`, 0.2)
      ? choices.between(`${here}.wait`, 0, 1) * client.ttlMs
      : 0;
    const takes = Array.from({ length: choices.whole(`${here}.takes`, 1, 3) }, (_, index) =>
      take(client, limiter, choices.whole(`${here}.cost${index}`, 1, most), wait),
    );
    await Promise.all(takes);
    await client.sleep(choices.magnitude(`${here}.pause`, 0.001, 0.3) * client.ttlMs);
  }
}

/** Sets tokens apart, uses some of them, and says so, or dies, or forgets it. */
async function reserve(client: Client, place: string): Promise<void> {
  const { choices, stage } = client;
  const limit = choices.oneOf(`${place}.limit`, stage.limits);
  const limiter = limiterOf(client, limit, "exact");
  const { name } = limiter;
  const cost = choices.whole(`${place}.cost`, 1, limit.burst ?? limit.limit);
  const call = client.nextCall();
  client.record({ what: "tokens asked", call, name, cost });
  try {
    const ttl = Math.max(100, choices.between(`${place}.ttl`, 0.1, 1) * client.ttlMs);
    const reservation = await limiter.reserve(key, { cost, ttl });
    const { allowed, decision } = reservation;
    if (!allowed) {
      const source = decision.degraded ? "degraded" : decision.source;
      client.record({ what: "tokens denied", call, name, source });
      return;
    }
    const tokens = choices.whole(`${place}.used`, 0, cost);
    if (tokens > 0) client.record({ what: "tokens taken", call, name, tokens, source: decision.source });
    await client.sleep(choices.magnitude(`${place}.work`, 0.01, 1) * client.ttlMs);
    if (choices.likely(`${place}.forgets`, 0.2)) return;
    await (tokens === 0 ? reservation.cancel() : reservation.settle(tokens));
    client.record({ what: "tokens settled", call, name, code: "OK" });
  } catch (error) {
    client.record({ what: "tokens settled", call, name, code: codeOf(error) });
  }
}

/** What clients do with limits. */
export const limitWorkloads: readonly Workload[] = [
  ...(["exact", "leased", "auto"] as const).map(
    (mode): Workload => ({
      name: `takes tokens, ${mode}`,
      themes,
      run: (client, place) => takeSome(client, place, mode),
    }),
  ),
  { name: "sets tokens apart", themes, run: reserve },
];

/** Nobody keeps tokens for ever: everybody gets one, from each limit. */
export async function takeInPeace({ clients, stage, phase }: Finale): Promise<void> {
  for (const limit of stage.limits) {
    const takes = clients.map(async (client) => {
      const limiter = limiterOf(client, limit, "exact");
      while (!(await take(client, limiter, 1, client.ttlMaxMs))) await client.sleep(0.05 * client.ttlMs);
    });
    await phase(`everybody gets a token of the ${limit.algorithm}`, takes);
  }
}
