// Goal: a slot runs at most once in the whole fleet, however late, skewed or unlucky anybody is.
import { describe, expect, test } from "vitest";
import type { Schedule } from "../../src/index.ts";
import { plant, writes } from "../locks/faults.ts";
import { createWorld, deathMs, track, ttlMs } from "../locks/world.ts";
import { endlessWork, refused, rosterIn, scheduleKey, schedulesOf, slot } from "./schedule-world.ts";

type Pair = [Schedule, Schedule];

describe("a slot", () => {
  test("runs once, and answers what its work answers", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    const seen: unknown[] = [];
    const outcome = await first.run(slot(1), (grant) => {
      seen.push(grant.slot, grant.attempt, grant.state, grant.fence > 0);
      return "sent";
    });
    expect(outcome).toEqual({ ran: true, result: "sent", attempt: 1 });
    expect(seen).toEqual([slot(1), 1, "held", true]);
    const again = () => expect.unreachable("it runs again");
    expect(await second.run(slot(1), again)).toEqual(refused("taken"));
    expect(await first.run(slot(1), again)).toEqual(refused("taken"));
  });

  test("runs once although many want it at the same moment", async () => {
    const world = createWorld({ clients: 5 });
    let runs = 0;
    const all = schedulesOf(world).flatMap((schedule) => [schedule, schedule]);
    const outcomes = track(world.runtime, Promise.all(all.map((one) => one.run(slot(1), () => ++runs))));
    await world.runtime.advance(1_000);
    expect(runs).toBe(1);
    expect(outcomes.value?.filter(({ ran }) => ran)).toHaveLength(1);
  });

  test("is refused to who comes late, whatever has run since", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    await first.run(slot(1), () => undefined);
    await first.run(slot(2), () => undefined);
    world.runtime.stall(400 * 86_400_000);
    await world.runtime.advance(ttlMs);
    expect(await second.run(slot(1), () => undefined)).toEqual(refused("older"));
    expect(await second.run(slot(2), () => undefined)).toEqual(refused("taken"));
    expect(await second.run(slot(3), () => 3)).toEqual({ ran: true, result: 3, attempt: 1 });
  });

  test("does not depend on any wall clock", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    await first.run(slot(1), () => undefined);
    for (const jumpMs of [86_400_000, -3 * 86_400_000, 365 * 86_400_000]) {
      world.runtime.jumpWall(jumpMs);
      expect(await second.run(slot(1), () => undefined)).toEqual(refused("taken"));
    }
    expect((await second.run(slot(2), () => undefined)).ran).toBe(true);
  });

  test("runs although the clock jumped while its session was idle", async () => {
    const world = createWorld();
    const [first] = schedulesOf(world) as Pair;
    await first.run(slot(1), () => undefined);
    world.runtime.jumpWall(365 * 86_400_000);
    const outcome = track(
      world.runtime,
      first.run(slot(2), () => "ran"),
    );
    await world.runtime.advance(500);
    expect(outcome.value).toMatchObject({ ran: true, result: "ran" });
  });

  test("is refused while another one runs, and may run when that has ended", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    const long = endlessWork();
    const running = track(world.runtime, first.run(slot(1), long.work));
    await world.runtime.settle();
    expect(await second.run(slot(1), () => undefined)).toEqual(refused("running"));
    expect(await second.run(slot(2), () => undefined)).toEqual(refused("running"));
    expect(await first.run(slot(2), () => undefined)).toEqual(refused("running"));
    expect(await second.run(slot(0), () => undefined)).toEqual(refused("older"));
    long.end();
    await world.runtime.settle();
    expect(running.value).toMatchObject({ ran: true, result: "done" });
    expect((await second.run(slot(2), () => undefined)).ran).toBe(true);
  });

  test("waits for the one before where it was asked to", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    const long = endlessWork();
    void first.run(slot(1), long.work);
    await world.runtime.settle();
    const waiting = track(
      world.runtime,
      second.run(slot(2), () => "late", { wait: "1h" }),
    );
    const short = track(
      world.runtime,
      second.run(slot(3), () => "never", { wait: 2_000 }),
    );
    await world.runtime.advance(5 * ttlMs);
    expect(short.value).toEqual(refused("running"));
    expect(waiting.state).toBe("pending");
    long.end();
    await world.runtime.settle();
    expect(waiting.value).toEqual({ ran: true, result: "late", attempt: 1 });
    expect((await rosterIn(world)).holders).toEqual([]);
  });

  test("takes one read and two writes, and one read where it is refused", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    for (const { coordinator } of world.clients)
      await coordinator.lock("opens the session").hold(() => undefined);
    for (const { backend } of world.clients) backend.resetCounts();
    await first.run(slot(1), () => undefined);
    expect(world.client(0).backend.counts).toEqual({ reads: 1, writes: 2, wakes: 0 });
    await second.run(slot(1), () => undefined);
    expect(world.client(1).backend.counts).toEqual({ reads: 1, writes: 0, wakes: 0 });
    await first.run(slot(2), () => undefined);
    expect(world.client(0).backend.counts).toEqual({ reads: 1, writes: 4, wakes: 0 });
  });

  test("that threw is told to the caller, and not run again", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    const failing = first.run(slot(1), () => Promise.reject(new Error("no paper")));
    await expect(failing).rejects.toThrow("no paper");
    expect(await second.last()).toMatchObject({ slot: slot(1), state: "failed", isRunning: false });
    expect(await second.run(slot(1), () => undefined)).toEqual(refused("taken"));
  });

  test("whose runner died is not run again, and the next one runs when its lease is over", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world) as Pair;
    void first.run(slot(1), endlessWork().work);
    await runtime.settle();
    world.client(0).pause();
    expect(await second.run(slot(2), () => undefined)).toEqual(refused("running"));
    const outcome = track(
      runtime,
      second.run(slot(2), () => "next", { wait: "1h" }),
    );
    await runtime.advance(2 * deathMs);
    expect(outcome.value).toMatchObject({ ran: true, result: "next" });
    expect(await second.run(slot(1), () => undefined)).toEqual(refused("older"));
  });
});

describe("faults", () => {
  test.each(["lost before", "lost after", "applied late"] as const)(
    "a write that is %s costs no slot",
    async (kind) => {
      for (let struck = 1; struck <= 4; struck += 1) {
        const world = createWorld();
        const { runtime } = world;
        const [first, second] = schedulesOf(world) as Pair;
        await first.run(slot(1), () => undefined);
        const fault = plant(world.client(0).backend, kind, writes("roster"), struck);
        let runs = 0;
        const running = track(
          runtime,
          first.run(slot(2), () => ++runs),
        );
        await runtime.advance(0.9 * ttlMs);
        expect(running.value).toEqual({ ran: true, result: 1, attempt: 1 });
        await fault.end();
        await runtime.advance(ttlMs);
        expect(await second.run(slot(2), () => ++runs)).toEqual(refused("taken"));
        expect(await second.last()).toMatchObject({ slot: slot(2), state: "finished", isRunning: false });
        expect((await rosterIn(world)).holders).toEqual([]);
      }
    },
  );

  test("an outage of the store is told after one TTL, and leaves the slot to others", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world) as Pair;
    await first.run(slot(1), () => undefined);
    const fault = plant(world.client(0).backend, "lost before", () => true);
    const failing = track(
      runtime,
      first.run(slot(2), () => undefined),
    );
    await runtime.advance(2 * ttlMs);
    expect(failing.error).toMatchObject({ code: "UNAVAILABLE" });
    expect((await second.run(slot(2), () => undefined)).ran).toBe(true);
    await fault.end();
  });

  test("a runner that is paused past its lease learns of it before it goes on", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world) as Pair;
    const long = endlessWork();
    const running = track(runtime, first.run(slot(1), long.work));
    await runtime.settle();
    world.client(0).pause();
    const next = track(
      runtime,
      second.run(slot(2), () => "next", { wait: "1h" }),
    );
    await runtime.advance(2 * deathMs);
    expect(next.value).toMatchObject({ ran: true });
    long.end();
    world.client(0).resume();
    await runtime.advance(1_000);
    expect(running.error).toMatchObject({ code: "LEASE_LOST" });
    expect(await second.last()).toMatchObject({ slot: slot(2), state: "finished" });
  });

  test("a record that vanished loses the slots, and nothing else", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    await first.run(slot(1), () => undefined);
    await world.store.commit([{ kind: "delete", key: scheduleKey }]);
    expect((await second.run(slot(1), () => undefined)).ran).toBe(true);
  });
});

describe("closing and aborts", () => {
  test("the coordinator's close waits for the work, tells it, and writes down how it ended", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world) as Pair;
    let reason: unknown;
    const running = track(
      runtime,
      first.run(slot(1), ({ signal }) => {
        const { promise, resolve } = Promise.withResolvers<string>();
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          resolve("ended in order");
        });
        return promise;
      }),
    );
    await runtime.settle();
    const closing = track(runtime, world.client(0).coordinator.close());
    await runtime.settle();
    expect(reason).toMatchObject({ code: "CLOSED" });
    expect(running.value).toMatchObject({ ran: true, result: "ended in order" });
    expect(closing.state).toBe("resolved");
    expect(await second.last()).toMatchObject({ state: "finished", isRunning: false });
    await expect(first.run(slot(2), () => undefined)).rejects.toMatchObject({ code: "CLOSED" });
    await expect(first.last()).rejects.toMatchObject({ code: "CLOSED" });
    await world.client(1).coordinator.close();
    expect(runtime.timerCount).toBe(0);
  });

  test("an abort ends the wait, and not the work", async () => {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world) as Pair;
    const abort = new AbortController();
    const long = endlessWork();
    const running = track(runtime, first.run(slot(1), long.work, { signal: abort.signal }));
    await runtime.settle();
    const waiting = track(
      runtime,
      second.run(slot(2), () => undefined, { wait: "1h", signal: abort.signal }),
    );
    await runtime.settle();
    abort.abort();
    await runtime.settle();
    expect(waiting.error).toMatchObject({ code: "ABORTED" });
    expect(running.state).toBe("pending");
    long.end();
    await runtime.settle();
    expect(running.state).toBe("resolved");
    const late = second.run(slot(2), () => undefined, { signal: abort.signal });
    await expect(late).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("looking and mending", () => {
  test("last tells which slot was begun last, and what became of it", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    expect(await second.last()).toBeNull();
    expect(await second.inspect()).toBeNull();
    const long = endlessWork();
    const begunAt = new Date(world.runtime.wallMs());
    const running = track(world.runtime, first.run(slot(1), long.work, { metadata: "nightly" }));
    await world.runtime.settle();
    expect(await second.last()).toEqual({
      slot: slot(1),
      state: "begun",
      isRunning: true,
      attempt: 1,
      begunAt,
    });
    long.end();
    await world.runtime.settle();
    expect(running.state).toBe("resolved");
    expect(await second.last()).toMatchObject({ state: "finished", isRunning: false });
  });

  test("reset mends a schedule that a wrong clock has put into the far future", async () => {
    const world = createWorld();
    const [first, second] = schedulesOf(world) as Pair;
    await first.run(new Date(Date.UTC(2126, 0, 1)), () => undefined);
    expect(await second.run(slot(1), () => undefined)).toEqual(refused("older"));
    await second.reset();
    expect(await second.last()).toBeNull();
    expect((await second.run(slot(1), () => undefined)).ran).toBe(true);
  });

  test("its record stays, however long nobody runs it", async () => {
    const world = createWorld();
    const [first] = schedulesOf(world) as Pair;
    const ttls: unknown[] = [];
    world.client(0).backend.intercept((request, send) => {
      if (request.kind === "commit")
        ttls.push(...request.operations.map((it) => (it.kind === "put" ? it.ttlMs : 0)));
      return send();
    });
    await world
      .client(0)
      .coordinator.lock("opens the session")
      .hold(() => undefined);
    ttls.length = 0;
    await first.run(slot(1), () => undefined);
    expect(ttls).toEqual([undefined, undefined]);
  });
});

describe("refusals", () => {
  test("arguments are checked before anything is sent", async () => {
    const { coordinator, backend } = createWorld().client(0);
    const invalid = { code: "INVALID_ARGUMENT" };
    expect(() => coordinator.schedule("")).toThrow(/schedule's name/);
    expect(() => coordinator.schedule("x", { attempts: 0 })).toThrow(/attempts/);
    expect(() => coordinator.schedule("x", { attempts: 101 })).toThrow(/attempts/);
    expect(() => coordinator.schedule("x", { atMost: 0 })).toThrow(/atMost/);
    expect(() => coordinator.schedule("x", { atLeast: "soon" as never })).toThrow(/atLeast/);
    expect(() => coordinator.schedule("x", { every: "1h" } as never)).toThrow(/no option "every"/);
    const schedule = coordinator.schedule("x");
    await expect(schedule.run(new Date(Number.NaN), () => undefined)).rejects.toMatchObject(invalid);
    await expect(schedule.run(5 as never, () => undefined)).rejects.toMatchObject(invalid);
    await expect(schedule.run(null, () => undefined)).rejects.toMatchObject(invalid);
    await expect(schedule.run(slot(1), undefined as never)).rejects.toMatchObject(invalid);
    await expect(schedule.run(slot(1), () => undefined, { wiat: 1 } as never)).rejects.toMatchObject(invalid);
    await expect(schedule.run(slot(1), () => undefined, { wait: -1 })).rejects.toMatchObject(invalid);
    expect(backend.counts).toEqual({ reads: 0, writes: 0, wakes: 0 });
  });

  test("a record of something else is reported and left alone", async () => {
    const world = createWorld();
    const [first] = schedulesOf(world) as Pair;
    const record = {
      format: "roster/1",
      name: "x",
      fence: 0,
      capacity: 1,
      holders: [],
      waiters: [],
      note: { run: 1 },
    };
    const value = Buffer.from(JSON.stringify(record));
    await world.store.commit([{ kind: "put", key: scheduleKey, value }]);
    await expect(first.run(slot(1), () => undefined)).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
    await expect(first.last()).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  });
});
