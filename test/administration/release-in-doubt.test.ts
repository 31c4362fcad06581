// Goal: a release whose first answer was lost does not claim what somebody else did before it.
import { expect, test } from "vitest";
import { plant, writes } from "../locks/faults.ts";
import { createWorld, now, track, ttlMs } from "../locks/world.ts";

const quiet = { wake: false, watch: "none" } as const;

test("a release that found the lock taken by force says so, although the answer was lost", async () => {
  const { runtime, ...world } = createWorld({ capabilities: quiet });
  const grant = await world.client(0).lock.acquire();
  await runtime.advance(ttlMs / 3 + 10);
  expect(await now(runtime, world.client(1).lock.forceRelease({ reason: "stuck since noon" }))).toBe(true);
  const planted = plant(world.client(0).backend, "lost after", writes("roster"), 1);
  // Before the message is read.
  const releasing = track(runtime, grant.release());
  await runtime.advance(ttlMs);
  expect(planted.struck).toBe(1);
  expect(releasing.state).toBe("rejected");
  expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
});

test("a release that was applied, and whose answer was lost, is one all the same", async () => {
  const { runtime, ...world } = createWorld({ capabilities: quiet });
  const grant = await world.client(0).lock.acquire();
  const planted = plant(world.client(0).backend, "lost after", writes("roster"), 1);
  const releasing = track(runtime, grant.release());
  await runtime.advance(ttlMs);
  expect(planted.struck).toBe(1);
  expect(releasing.state).toBe("resolved");
});
