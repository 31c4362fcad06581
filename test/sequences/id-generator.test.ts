// Goal: ids are unique and rise whatever clocks do, and nobody makes one in a time that somebody else has reserved.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Grant, IdGenerator, WorkerId } from "../../src/index.ts";
import { StoreClock } from "../../src/records/store-clock.ts";
import { ReservedIds } from "../../src/sequences/id-generator.ts";
import { TimeReservations } from "../../src/sequences/reserved-time.ts";
import { now, track } from "../locks/world.ts";
import { type Client, createWorld, ttlMs, type World } from "./world.ts";

async function workerOf({ runtime }: World, { coordinator }: Client, bits = 10): Promise<WorkerId> {
  return now(runtime, coordinator.workerIds("rows", { bits }).acquire());
}

async function idsOf(world: World, client: Client, bits?: number): Promise<IdGenerator> {
  return now(world.runtime, (await workerOf(world, client, bits)).ids());
}

/** A generator of number 0 whose lease never ends, as if all that watches over leases were broken. */
function leaseless({ runtime, store: backend }: World): ReservedIds {
  const clock = new StoreClock({ backend, runtime });
  const pooled = () => {
    throw new Error("nothing is kept");
  };
  const host = { backend, runtime, namespace: "default", clock, pooled };
  const reservations = new TimeReservations(host, "default.worker-time.test", "a test");
  const grant = { assertHeld: () => undefined } as unknown as Grant;
  return new ReservedIds({ runtime, grant, reservations, worker: 0, bits: 14, subject: "a test" });
}

function isRising(ids: readonly bigint[]): boolean {
  return ids.every((id, index) => index === 0 || id > (ids[index - 1] as bigint));
}

describe("ids", () => {
  test("rise, tell their time, worker and counter, and sort as text as they do as numbers", async () => {
    const world = createWorld();
    const client = world.client();
    const workers = client.coordinator.workerIds("rows");
    await workerOf(world, client);
    const worker = await workerOf(world, client);
    const ids = await now(world.runtime, worker.ids());
    const made: bigint[] = [];
    for (let round = 0; round < 200; round += 1) {
      const count = 1 + (round % 3);
      for (let index = 0; index < count; index += 1) {
        const id = ids.next();
        expect(workers.parse(id)).toEqual({
          ...{ at: new Date(world.runtime.wallMs()), worker: 1, counter: index },
        });
        made.push(id);
      }
      await world.runtime.advance(7);
    }
    expect(isRising(made)).toBe(true);
    const texts = made.map((id) => workers.format(id));
    expect([...texts].sort()).toEqual(texts);
    expect(texts.every((text) => text.length === 13)).toBe(true);
    expect(texts.map((text) => workers.parse(text))).toEqual(made.map((id) => workers.parse(id)));
    expect(ids.nextText()).toHaveLength(13);
    expect(made.at(-1)).toBeLessThan(2n ** 63n);
  });

  test("cost two requests the first time, and a write every second and a half while they are made", async () => {
    const world = createWorld();
    const client = world.client();
    const worker = await workerOf(world, client);
    client.requests.length = 0;
    const ids = await now(world.runtime, worker.ids());
    expect(client.requests.map(({ kind }) => kind)).toEqual(["get", "time", "commit"]);
    expect(await now(world.runtime, worker.ids())).toBe(ids);
    client.requests.length = 0;
    for (let elapsedMs = 0; elapsedMs < 15_000; elapsedMs += 10) {
      ids.next();
      await world.runtime.advance(10);
    }
    expect(client.requests.filter(({ kind }) => kind === "commit").length).toBeLessThanOrEqual(10);
    expect(client.requests.filter(({ kind }) => kind === "get")).toEqual([]);
    client.requests.length = 0;
    await world.runtime.advance(60_000);
    expect(client.requests).toEqual([]);
  });

  test("after a pause need nextAsync, and go on rising", async () => {
    const world = createWorld();
    const ids = await idsOf(world, world.client());
    const before = ids.next();
    await world.runtime.advance(4_000);
    expect(() => ids.next()).toThrow(expect.objectContaining({ code: "UNAVAILABLE", retryable: true }));
    const after = track(world.runtime, ids.nextAsync());
    await world.runtime.advance(500);
    expect(after.value).toBeGreaterThan(before);
    expect(ids.next()).toBeGreaterThan(after.value as bigint);
  });

  test("go on while the store is away, for as long as time is reserved", async () => {
    const world = createWorld();
    const client = world.client();
    const ids = await idsOf(world, client);
    client.strike(() => "lost before");
    await world.runtime.advance(2_900);
    for (let index = 0; index < 100; index += 1) ids.next();
    await world.runtime.settle();
    expect(client.requests.length).toBeLessThan(8);
    await world.runtime.advance(200);
    expect(() => ids.next()).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    await expect(now(world.runtime, ids.nextAsync())).rejects.toMatchObject({ code: "UNAVAILABLE" });
    client.strike(undefined);
    expect(await now(world.runtime, ids.nextAsync())).toBeGreaterThan(0n);
  });

  test("beyond what a millisecond holds take the next ones, three seconds ahead at most", async () => {
    const world = createWorld();
    const client = world.client();
    const ids = await idsOf(world, client, 14);
    const made: bigint[] = [];
    const perMs = 2 ** (22 - 14);
    for (let index = 0; index < 3_000 * perMs; index += 1) made.push(ids.next());
    expect(isRising(made)).toBe(true);
    expect(() => ids.next()).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    const last = client.coordinator.workerIds("rows", { bits: 14 }).parse(made.at(-1) as bigint);
    expect(last.at.getTime() - world.runtime.wallMs()).toBe(2_999);
    const next = track(world.runtime, ids.nextAsync());
    await world.runtime.settle();
    expect(next.state).toBe("pending");
    await world.runtime.advance(300);
    expect(next.value).toBeGreaterThan(made.at(-1) as bigint);
  });

  test("give up waiting with the signal", async () => {
    const world = createWorld();
    const ids = await idsOf(world, world.client(), 14);
    for (let index = 0; index < 3_000 * 256; index += 1) ids.next();
    const stop = new AbortController();
    const waiting = track(world.runtime, ids.nextAsync({ signal: stop.signal }));
    await world.runtime.settle();
    stop.abort();
    await world.runtime.settle();
    expect(waiting.error).toMatchObject({ code: "ABORTED" });
    await expect(ids.nextAsync({ signal: 3 } as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("what is no id is refused", () => {
    const workers = createWorld().client().coordinator.workerIds("rows");
    for (const id of [-1n, 2n ** 63n, 5, "", "x", "8000000000000", "000000000000", "000000000000Z", null]) {
      expect(() => workers.parse(id as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    expect(() => workers.format("1" as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("clocks", () => {
  test("of a process that are wrong by an hour count for nothing", async () => {
    const world = createWorld();
    const made: bigint[] = [];
    for (const wallOffsetMs of [3_600_000, -3_600_000, 0]) {
      const client = world.client({ wallOffsetMs });
      const ids = await idsOf(world, client);
      const id = ids.next();
      const { at } = client.coordinator.workerIds("rows").parse(id);
      expect(Math.abs(at.getTime() - world.runtime.wallMs())).toBeLessThan(10);
      made.push(id);
      await world.runtime.advance(10);
    }
    expect(isRising(made)).toBe(true);
  });

  test("that are set back lead to no id twice and none that is smaller", async () => {
    const world = createWorld();
    const ids = await idsOf(world, world.client());
    const made: bigint[] = [];
    for (let round = 0; round < 400; round += 1) {
      const id = track(world.runtime, ids.nextAsync());
      await world.runtime.advance(25);
      if (id.value !== undefined) made.push(id.value);
      if (round % 50 === 49) world.runtime.jumpWall(-700);
    }
    expect(made.length).toBeGreaterThan(300);
    expect(isRising(made)).toBe(true);
  });

  test("of a store that was set back by hours: no ids of a far future, and a clear error", async () => {
    const world = createWorld();
    const first = await workerOf(world, world.client());
    await now(world.runtime, first.ids());
    await now(world.runtime, first.release());
    world.runtime.jumpWall(-3 * 3_600_000);
    const second = await workerOf(world, world.client());
    expect(second.id).toBe(0);
    const ids = now(world.runtime, second.ids());
    await expect(ids).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(ids).rejects.toThrow(/s ahead of the store's clock: somebody set that back/);
  });
});

describe("a number that changes hands", () => {
  test("begins after the time that the one before had reserved, although that one wakes up and goes on", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const before = await idsOf(world, one, 1);
    const made: bigint[] = [before.next()];
    await now(world.runtime, one.coordinator.workerIds("rows", { bits: 1 }).acquire());
    const successor = track(world.runtime, other.coordinator.workerIds("rows", { bits: 1 }).acquire());
    one.process.pause();
    await world.runtime.advance(2 * ttlMs);
    expect(successor.value?.id).toBe(0);
    const after = track(world.runtime, successor.value?.ids() ?? Promise.reject());
    await world.runtime.settle();
    for (let index = 0; index < 100; index += 1) made.push(after.value?.next() as bigint);
    one.process.resume("answers");
    expect(() => before.next()).toThrow(expect.objectContaining({ code: "LEASE_LOST" }));
    expect(isRising(made)).toBe(true);
  });

  test("right after a release begins where the time before ended", async () => {
    const world = createWorld();
    const made: bigint[] = [];
    for (let round = 0; round < 20; round += 1) {
      const worker = await workerOf(world, world.client());
      expect(worker.id).toBe(0);
      const ids = track(world.runtime, worker.ids());
      await world.runtime.advance(1);
      for (let index = 0; index < 5; index += 1) {
        const id = track(world.runtime, ids.value?.nextAsync() ?? Promise.reject());
        await world.runtime.advance(300);
        if (id.value !== undefined) made.push(id.value);
      }
      await now(world.runtime, worker.release());
    }
    expect(made.length).toBeGreaterThan(80);
    expect(isRising(made)).toBe(true);
  });

  test("shares no id even where leases do not hold, and several have the same number at once", async () => {
    const step = fc.record({
      who: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 400 }),
      passMs: fc.integer({ min: 0, max: 2_500 }),
      jumpMs: fc.integer({ min: -3_000, max: 3_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const world = createWorld();
        const seen = new Set<bigint>();
        const generators = [0, 1, 2].map(() => leaseless(world));
        const newest = [0n, 0n, 0n];
        for (const { who, count, passMs, jumpMs } of steps) {
          const ids = generators[who] as ReservedIds;
          const ready = track(world.runtime, ids.nextAsync());
          await world.runtime.advance(passMs);
          world.runtime.jumpWall(jumpMs);
          const made = ready.value === undefined ? [] : [ready.value];
          for (let index = 0; index < count && made.length > 0; index += 1) {
            try {
              made.push(ids.next());
            } catch (error) {
              expect(error).toMatchObject({ code: "UNAVAILABLE" });
              break;
            }
          }
          for (const id of made) {
            expect(seen.has(id)).toBe(false);
            seen.add(id);
            expect(id).toBeGreaterThan(newest[who] as bigint);
            newest[who] = id;
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test("never makes an id twice, whatever clocks, requests and processes do", async () => {
    const step = fc.record({
      what: fc.constantFrom(
        "make",
        "make",
        "make",
        "pass",
        "crash",
        "wall",
        "fault",
        "through",
        "pause",
        "resume",
      ),
      who: fc.nat({ max: 2 }),
      amount: fc.integer({ min: 1, max: 8_000 }),
      accident: fc.constantFrom("lost before", "lost after", "applied late", "held back", undefined),
    } as const);
    let total = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const world = createWorld();
        const seen = new Set<bigint>();
        const join = () => {
          const client = world.client({ ttlMs: 2_000, wallOffsetMs: (seen.size % 5) * 100_000 });
          const mine: bigint[] = [];
          // Two numbers for three processes: they change hands all the time.
          const worker = track(world.runtime, client.coordinator.workerIds("rows", { bits: 1 }).acquire());
          return {
            client,
            worker,
            mine,
            ids: undefined as ReturnType<typeof track<IdGenerator>> | undefined,
          };
        };
        const processes = [join(), join(), join()];
        for (const { what, who, amount, accident } of steps) {
          const process = processes[who] as (typeof processes)[number];
          if (what === "pass") await world.runtime.advance(amount);
          if (what === "wall") world.runtime.jumpWall(amount - 4_000);
          if (what === "fault") process.client.strike(({ kind }) => (kind === "time" ? undefined : accident));
          if (what === "through") await process.client.letThrough();
          if (what === "pause") process.client.process.pause();
          if (what === "resume") process.client.process.resume(amount % 2 === 0 ? "timers" : "answers");
          if (what === "crash") {
            process.client.crash();
            processes[who] = join();
          }
          if (what === "make" && process.worker.state === "resolved") {
            const { value } = process.worker;
            if (value?.state === "lost") processes[who] = join();
            process.ids ??= track(world.runtime, value?.ids() ?? Promise.reject());
            if (process.ids.state === "rejected") process.ids = undefined;
            await world.runtime.settle();
            for (let index = 0; index < amount % 20; index += 1) {
              const ids = process.ids?.value;
              let id: bigint | undefined;
              try {
                id = ids?.next();
              } catch {
                // No time reserved, or the lease lost: what a property about ids does not mind.
                if (ids !== undefined) track(world.runtime, ids.nextAsync());
                break;
              }
              if (id === undefined) break;
              expect(seen.has(id)).toBe(false);
              seen.add(id);
              process.mine.push(id);
            }
            expect(isRising(process.mine)).toBe(true);
          }
          await world.runtime.settle();
        }
        total += seen.size;
      }),
      { numRuns: 60 },
    );
    expect(total).toBeGreaterThan(500);
  });
});
