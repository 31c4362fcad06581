// Goal: what is asked without taking tells how things stand now, and not when somebody took last.
import { expect, test } from "vitest";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { createCoordinator } from "../../src/index.ts";
import { createVirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { now } from "../locks/world.ts";

test.each(["fixed-window", "sliding-window", "token-bucket"] as const)(
  "a peek, and a take of nothing, at a %s that is whole again show it whole",
  async (algorithm) => {
    const runtime = createVirtualRuntime();
    await using coordinator = createCoordinator(memoryBackend({ runtime }), { runtime });
    const limiter = coordinator.rateLimiter("api", { policies: [{ limit: 5, per: "1m", algorithm }] });
    await now(runtime, limiter.take("a", { cost: 5 }));
    expect(await now(runtime, limiter.peek("a"))).toMatchObject({ allowed: false, remaining: 0 });
    await runtime.advance(70_000);
    const whole = { allowed: true, remaining: 5, resetMs: 0, policies: [{ remaining: 5, resetMs: 0 }] };
    expect(await now(runtime, limiter.peek("a", { cost: 5 }))).toMatchObject(whole);
    expect(await now(runtime, limiter.take("a", { cost: 0 }))).toMatchObject(whole);
  },
);
