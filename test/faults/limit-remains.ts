import { setTimeout as delay } from "node:timers/promises";
import type { Coordinator } from "../../src/index.ts";
import { limits } from "./worker-settings.ts";
import { limitKey, openLimiter } from "./workloads/limiting.ts";

const lookPauseMs = 200;

/** The limits of which not everything is there again within this time: somebody's tokens never came back. */
export async function tokensLeft(coordinator: Coordinator, timeoutMs: number): Promise<readonly string[]> {
  const tooLate = AbortSignal.timeout(timeoutMs);
  const leftovers: string[] = [];
  for (const limit of limits) {
    const limiter = openLimiter(coordinator, limit, "exact");
    for (;;) {
      const { remaining, limit: all } = await limiter.peek(limitKey);
      if (remaining === all) break;
      if (tooLate.aborted) {
        leftovers.push(`${limit.name} still has ${remaining} of ${all} when everybody had stopped`);
        break;
      }
      await delay(lookPauseMs);
    }
  }
  return leftovers;
}
