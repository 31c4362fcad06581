// Goal: whoever listens is told what happens to grants, sessions and heartbeats, with times; nobody is troubled otherwise.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import { Events } from "../../src/core/events.ts";
import type { Coordinator, CoordinatorEvent } from "../../src/index.ts";
import { plant } from "../locks/faults.ts";
import { createWorld, deathMs, now, track, ttlMs } from "../locks/world.ts";

function listen(coordinator: Coordinator, ...names: readonly CoordinatorEvent[]): Record<string, unknown>[] {
  const heard: Record<string, unknown>[] = [];
  for (const event of names) coordinator.on(event, (happened) => heard.push({ event, ...happened }));
  return heard;
}

describe("a grant", () => {
  test("tells how long it was waited for and held", async () => {
    const world = createWorld();
    const { runtime } = world;
    const heard = listen(world.client(1).coordinator, "acquired", "released");
    const first = await now(runtime, world.client(0).lock.acquire());
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(300);
    await now(runtime, first.release());
    await runtime.settle();
    await runtime.advance(200);
    const fence = waiting.value?.fence;
    await waiting.value?.release();
    const subject = { kind: "lock", name: "job", fence };
    expect(heard).toEqual([
      { event: "acquired", ...subject, waitMs: 300, isContended: true },
      { event: "released", ...subject, heldMs: 200 },
    ]);
  });

  test("that is not had tells why", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { coordinator, lock } = world.client(1);
    const heard = listen(coordinator, "refused", "acquired");
    await now(runtime, world.client(0).lock.acquire());
    await now(runtime, lock.tryAcquire());
    const timedOut = track(runtime, lock.acquire({ wait: 70 }));
    await runtime.advance(70);
    expect(timedOut.state).toBe("rejected");
    const subject = { event: "refused", kind: "lock", name: "job" };
    expect(heard).toEqual([
      { ...subject, waitMs: 0, code: "HELD" },
      { ...subject, waitMs: 70, code: "ACQUIRE_TIMEOUT" },
    ]);
  });

  test("that is lost tells how long it was held, and its taker that it took over", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [holder, taker] = [world.client(0), world.client(1)];
    const losses = listen(holder.coordinator, "lost");
    const takeovers = listen(taker.coordinator, "takeover");
    await now(runtime, holder.lock.acquire());
    plant(holder.backend, "lost before", () => true);
    const waiting = track(runtime, taker.lock.acquire());
    await runtime.advance(deathMs + ttlMs);
    expect(waiting.state).toBe("resolved");
    expect(losses).toMatchObject([
      { event: "lost", kind: "lock", name: "job", heldMs: ttlMs, reason: { code: "LEASE_LOST" } },
    ]);
    expect(takeovers).toHaveLength(1);
  });

  test("that is lost tells why, also where its signal is used", async () => {
    const world = createWorld();
    const { runtime } = world;
    const { coordinator, lock } = world.client(0);
    const losses = listen(coordinator, "lost");
    const grant = await now(runtime, lock.acquire({ maxHold: 100 }));
    expect(grant.signal.aborted).toBe(false);
    await runtime.advance(100);
    expect(losses).toMatchObject([{ reason: { message: expect.stringContaining("maxHold") } }]);
    expect(grant.signal.aborted).toBe(true);
  });
});

test("heartbeats tell how long they took, how late they were, and how they failed", async () => {
  const world = createWorld();
  const { runtime } = world;
  const { backend, coordinator, lock } = world.client(0);
  const heard = listen(coordinator, "heartbeat");
  await now(runtime, lock.acquire());
  await runtime.advance(ttlMs / 3);
  plant(backend, "lost before", () => true, 1);
  await runtime.advance(ttlMs / 3);
  expect(heard).toMatchObject([
    { event: "heartbeat", ttlMs, roundTripMs: 0, lateMs: 0, error: undefined },
    { event: "heartbeat", ttlMs, error: { code: "UNAVAILABLE" } },
  ]);
});

test("every coordinator publishes on the channels of the process", async () => {
  const world = createWorld();
  const { runtime } = world;
  const heard: unknown[] = [];
  const hear = (message: unknown): void => {
    heard.push(message);
  };
  subscribe("leasehold:acquired", hear);
  const grant = await now(runtime, world.client(0).lock.acquire());
  unsubscribe("leasehold:acquired", hear);
  await now(runtime, grant.release());
  await now(runtime, world.client(1).lock.acquire());
  expect(heard).toMatchObject([{ kind: "lock", name: "job", fence: grant.fence }]);
});

test("wrappers stand around the work of every hold, and see what it does", async () => {
  const world = createWorld();
  const { runtime } = world;
  const { coordinator, lock } = world.client(0);
  const seen: string[] = [];
  const unwrap = coordinator.wrapHold(async ({ kind, name }, work) => {
    seen.push(`begins ${kind} ${name}`);
    try {
      return await work();
    } catch (error) {
      seen.push(`fails ${(error as Error).message}`);
      throw error;
    }
  });
  expect(
    await now(
      runtime,
      lock.hold(() => "answer"),
    ),
  ).toBe("answer");
  const failing = track(
    runtime,
    coordinator.lockAll(["b", "a"]).hold(() => Promise.reject(new Error("no"))),
  );
  await runtime.settle();
  expect(failing.error).toMatchObject({ message: "no" });
  unwrap();
  await now(
    runtime,
    lock.hold(() => undefined),
  );
  expect(seen).toEqual(["begins lock job", "begins lock a, b", "fails no"]);
});

test("a wrapper that fails before it calls the work keeps nothing held", async () => {
  const world = createWorld();
  const { runtime } = world;
  const [wrapped, other] = [world.client(0).coordinator, world.client(1).coordinator];
  wrapped.wrapHold(async () => {
    throw new Error("no span");
  });
  const work = (): number => expect.fail("it was called");
  const held = [
    wrapped.lock("job").hold(work),
    wrapped.lockAll(["a", "b"]).hold(work),
    wrapped.election("leader").lead(work),
    wrapped.lockManager.request("web", work),
  ].map((holding) => track<unknown>(runtime, holding));
  await runtime.settle();
  for (const { error } of held) expect(error).toMatchObject({ message: "no span" });
  expect(await now(runtime, other.lockAll(["job", "a", "b"]).tryAcquire())).not.toBeNull();
  expect(await now(runtime, other.election("leader").leader())).toBeNull();
  expect((await now(runtime, other.lockManager.query())).held).toEqual([]);
});

test("nothing is made for nobody, and a listener that went hears no more", () => {
  const events = new Events();
  let made = 0;
  const make = () => {
    made += 1;
    return { session: "s" };
  };
  events.emit("takeover", make);
  expect(made).toBe(0);
  const heard: string[] = [];
  const same = ({ session }: { session: string }): void => {
    heard.push(session);
  };
  const first = events.on("takeover", same);
  events.on("takeover", same);
  events.emit("takeover", make);
  expect([made, heard]).toEqual([1, ["s", "s"]]);
  first();
  events.emit("takeover", make);
  expect(heard).toEqual(["s", "s", "s"]);
});

test("what cannot be listened to is refused, and says what can", () => {
  const { coordinator } = createWorld().client(0);
  expect(() => coordinator.on("aquired" as "acquired", () => undefined)).toThrow(
    /there is no event "aquired"; there are acquired, refused, released/,
  );
  expect(() => coordinator.on("lost", "x" as never)).toThrow(/needs a function to listen; got "x"/);
});
