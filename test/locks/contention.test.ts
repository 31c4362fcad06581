// Goal: a client that never pauses does not keep another one out for ever, where clients hear of each other by reading.
import { describe, expect, test } from "vitest";
import { sleep } from "../../src/core/runtime.ts";
import type { Interceptor } from "../../src/testing/observed-backend.ts";
import { createWorld, track, type World } from "./world.ts";

const polled = { watch: "none", wake: false } as const;

describe("a client that takes the lock again and again", () => {
  test.each([
    ["and holds it for a moment", 5, 5, 0],
    ["and holds it for several round trips", 5, 40, 0],
    ["over a slow way to the store", 40, 10, 0],
    ["and pauses for less than a round trip", 20, 10, 15],
  ])("%s, lets a newcomer have it", async (_how, roundTripMs, holdMs, pauseMs) => {
    const world = createWorld({ capabilities: polled });
    const { runtime } = world;
    for (const { backend } of world.clients) backend.intercept(slow(world, roundTripMs));
    const [busy, newcomer] = [world.client(0), world.client(1)];
    let isOver = false;
    const keepBusy = async (): Promise<void> => {
      while (!isOver) {
        await busy.lock.hold(() => sleep(runtime, holdMs));
        await sleep(runtime, pauseMs);
      }
    };
    const working = track(runtime, keepBusy());
    await runtime.advance(1_000);
    const served: number[] = [];
    for (let turn = 0; turn < 20; turn += 1) {
      const askedAtMs = runtime.monotonicMs();
      const outcome = track(
        runtime,
        newcomer.lock.hold(() => undefined),
      );
      await runtime.advance(5_000);
      expect(outcome.state).toBe("resolved");
      served.push(outcome.atMs - askedAtMs);
    }
    isOver = true;
    await runtime.advance(1_000);
    expect(working.state).toBe("resolved");
    const meanMs = served.reduce((sum, delayMs) => sum + delayMs, 0) / served.length;
    expect(meanMs).toBeLessThan(12 * (2 * roundTripMs + holdMs + pauseMs));
  });
});

/** Half of a round trip passes before a request reaches the store, and half before its answer is there. */
function slow({ runtime }: World, roundTripMs: number): Interceptor {
  return async (_request, send) => {
    await sleep(runtime, roundTripMs / 2);
    const answer = await send();
    await sleep(runtime, roundTripMs / 2);
    return answer;
  };
}
