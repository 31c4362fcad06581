// Goal: whoever upgrades or downgrades counts on no more than it has, whatever answer was lost, stale or late.
import { expect, test } from "vitest";
import { LimitExceededError } from "../../src/core/errors.ts";
import { recordKey } from "../../src/core/names.ts";
import type { ReadWriteLock } from "../../src/index.ts";
import type { Interceptor } from "../../src/testing/observed-backend.ts";
import { kindOf, plant, writes } from "./faults.ts";
import { createWorld, now, track, ttlMs, type World } from "./world.ts";

const key = recordKey("default", "read-write", "catalogue");
const polled = { capabilities: { wake: false, watch: "none" } } as const;

function lockOf(world: World, index: number): ReadWriteLock {
  return world.client(index).coordinator.readWriteLock("catalogue");
}

/** Answers every read with what the store shows now. */
async function frozenReads(world: World): Promise<Interceptor> {
  const seen = await world.store.get([key]);
  // biome-ignore lint/suspicious/noExplicitAny: the interceptor is generic over the kinds of answers.
  return async (request, send) => (request.kind === "get" ? (seen as any) : send());
}

test("a downgrade whose answer was lost lets others in, and the next upgrade waits for them", async () => {
  const world = createWorld();
  const { runtime } = world;
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  await now(runtime, grant.upgrade());
  plant(world.client(0).backend, "lost after", writes("roster"), 1);
  const failed = track(runtime, grant.downgrade());
  await runtime.settle();
  expect([failed.state, grant.mode]).toEqual(["rejected", "upgradeable"]);
  const reader = await now(runtime, lockOf(world, 1).read.tryAcquire());
  const again = track(runtime, grant.upgrade());
  await runtime.advance(ttlMs);
  expect([reader?.state, again.state, grant.mode]).toEqual(["held", "pending", "upgradeable"]);
  await now(runtime, reader?.release() ?? Promise.reject());
  await runtime.settle();
  expect([again.state, grant.mode]).toEqual(["resolved", "write"]);
});

test("a downgrade that never arrived is taken again, and an upgrade after it finds that it writes still", async () => {
  const world = createWorld();
  const { runtime } = world;
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  await now(runtime, grant.upgrade());
  plant(world.client(0).backend, "lost before", writes("roster"), 2);
  for (const change of [() => grant.downgrade(), () => grant.downgrade()]) {
    const failed = track(runtime, change());
    await runtime.settle();
    expect([failed.state, grant.mode]).toEqual(["rejected", "upgradeable"]);
  }
  await now(runtime, grant.upgrade());
  expect(grant.mode).toBe("write");
  expect(await now(runtime, lockOf(world, 1).read.tryAcquire())).toBeNull();
});

test("an upgrade that was given up while it came true is not believed later, from an old read", async () => {
  const world = createWorld(polled);
  const { runtime } = world;
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  const first = await now(runtime, lockOf(world, 1).read.acquire());
  const given = track(runtime, grant.upgrade({ wait: 1_000 }));
  await runtime.settle();
  const { backend } = world.client(0);
  backend.intercept((request, send) => (request.kind === "get" ? new Promise(() => undefined) : send()));
  await now(runtime, first.release());
  const showsTheGrowth = await frozenReads(world);
  await runtime.advance(1_100);
  expect([given.state, grant.mode]).toEqual(["rejected", "upgradeable"]);
  backend.intercept(undefined);
  await runtime.settle();
  const reader = await now(runtime, lockOf(world, 1).read.acquire());
  backend.intercept(showsTheGrowth);
  const again = track(runtime, grant.upgrade());
  await runtime.advance(1_500);
  expect([again.state, reader.state]).toEqual(["pending", "held"]);
});

test("a downgrade that fails right after an upgrade that was given up does not keep others waiting", async () => {
  const world = createWorld();
  const { runtime } = world;
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  await now(runtime, lockOf(world, 1).read.acquire());
  const abort = new AbortController();
  const given = track(runtime, grant.upgrade({ signal: abort.signal }));
  await runtime.settle();
  const planted = plant(world.client(0).backend, "lost before", writes("roster"));
  abort.abort();
  await runtime.settle();
  const failed = track(runtime, grant.downgrade());
  await runtime.advance(2_000);
  expect([given.state, failed.state, grant.mode]).toEqual(["rejected", "rejected", "read"]);
  await planted.end();
  await runtime.advance(ttlMs / 3);
  const other = await now(runtime, lockOf(world, 1).upgradeable.tryAcquire());
  expect([other?.state, grant.state, grant.mode]).toEqual(["held", "held", "read"]);
  await now(runtime, grant.downgrade());
  expect([other?.state, grant.state, grant.mode]).toEqual(["held", "held", "read"]);
});

test("an upgrade that came true while it was given up leaves its fence, by which it can be taken away", async () => {
  const world = createWorld(polled);
  const { runtime } = world;
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  const { fence } = grant;
  const first = await now(runtime, lockOf(world, 1).read.acquire());
  const given = track(runtime, grant.upgrade({ wait: 1_000 }));
  await runtime.settle();
  const { backend } = world.client(0);
  backend.intercept((request, send) => (request.kind === "get" ? new Promise(() => undefined) : send()));
  await now(runtime, first.release());
  await runtime.advance(1_100);
  backend.intercept(undefined);
  await runtime.advance(ttlMs);
  expect([given.state, grant.mode]).toEqual(["rejected", "upgradeable"]);
  const holders = (await now(runtime, lockOf(world, 1).inspect()))?.holders;
  expect(holders).toMatchObject([{ fence: grant.fence }]);
  expect(grant.fence).toBeGreaterThan(fence);
  const { coordinator } = world.client(1);
  const options = { kind: "read-write", reason: "stuck", fence: grant.fence } as const;
  expect(await now(runtime, coordinator.forceRelease("catalogue", options))).toBe(true);
  await runtime.advance(ttlMs / 3);
  expect(grant.state).toBe("lost");
});

test("an upgrade that was given up is not taken back once the next one was asked for", async () => {
  const world = createWorld();
  const { runtime } = world;
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  const first = await now(runtime, lockOf(world, 1).read.acquire());
  const given = track(runtime, grant.upgrade({ wait: 1_000 }));
  await runtime.advance(900);
  let refused = 0;
  world.client(0).backend.intercept((request, send) => {
    if (kindOf(request) !== "roster" || refused > 0) return send();
    refused += 1;
    return Promise.reject(new LimitExceededError("a test refuses it"));
  });
  await runtime.advance(100);
  expect([given.state, refused]).toEqual(["rejected", 1]);
  await now(runtime, first.release());
  await now(runtime, grant.upgrade());
  await runtime.advance(3_000);
  expect(grant.mode).toBe("write");
  expect(await now(runtime, lockOf(world, 1).read.tryAcquire())).toBeNull();
});

test("an old read from before it came does not end an upgrade", async () => {
  const world = createWorld(polled);
  const { runtime } = world;
  const first = await now(runtime, lockOf(world, 1).read.acquire());
  const before = await frozenReads(world);
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  world.client(0).backend.intercept(before);
  const upgrading = track(runtime, grant.upgrade());
  await runtime.advance(ttlMs / 2);
  expect([upgrading.state, grant.state]).toEqual(["pending", "held"]);
  world.client(0).backend.intercept(undefined);
  await now(runtime, first.release());
  await runtime.advance(2_000);
  expect([upgrading.state, grant.mode]).toEqual(["resolved", "write"]);
});

test("a release while it waits to grow takes all of it back", async () => {
  const world = createWorld();
  const { runtime } = world;
  await now(runtime, lockOf(world, 1).read.acquire());
  const grant = await now(runtime, lockOf(world, 0).upgradeable.acquire());
  const upgrading = track(runtime, grant.upgrade());
  await runtime.settle();
  await now(runtime, grant.release());
  await runtime.advance(ttlMs);
  expect(upgrading.error).toMatchObject({ code: "LEASE_LOST" });
  expect((await now(runtime, lockOf(world, 1).inspect()))?.holders).toHaveLength(1);
  expect(await now(runtime, lockOf(world, 1).upgradeable.tryAcquire())).not.toBeNull();
});
