/**
 * A process that takes from a rate limiter as fast as it can, for tests that kill it or set its clock.
 *
 * Told what to do by IPC: `{ mode, limit, concurrency }` starts it. Every 20 ms and at the end it says
 * `{ allowed, denied, degraded, isOver }` of all so far; it is over once nothing was allowed for a while.
 */
import { connect, type RateLimiterOptions } from "../../src/index.ts";

interface Order {
  readonly url: string;
  readonly options: RateLimiterOptions;
  readonly concurrency: number;
  readonly quietMs: number;
}

const counts = { allowed: 0, denied: 0, degraded: 0 };

async function work({ url, options, concurrency, quietMs }: Order): Promise<void> {
  const coordinator = await connect(url);
  const limiter = coordinator.rateLimiter("crowd", options);
  let quietSinceMs = performance.now();
  const loop = async (): Promise<void> => {
    while (performance.now() - quietSinceMs < quietMs) {
      const { allowed, degraded } = await limiter.take("everybody");
      if (degraded) counts.degraded += 1;
      else if (allowed) counts.allowed += 1;
      else counts.denied += 1;
      if (allowed) quietSinceMs = performance.now();
      // A denial is known here for a while: others get a turn.
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const telling = setInterval(() => process.send?.({ ...counts, nowMs: Date.now(), isOver: false }), 20);
  await Promise.all(Array.from({ length: concurrency }, loop));
  clearInterval(telling);
  process.send?.({ ...counts, nowMs: Date.now(), isOver: true });
  await coordinator.close();
  process.disconnect();
}

process.once("message", (order: Order) => void work(order));
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
