// Goal: each live process has a number of its own, the smallest that is free, and gets it back into use when it dies.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import type { WorkerId, WorkerIds } from "../../src/index.ts";
import { now, track } from "../locks/world.ts";
import { type Client, createWorld, ttlMs } from "./world.ts";

function workersOf({ coordinator }: Client, bits = 10): WorkerIds {
  return coordinator.workerIds("rows", { bits });
}

function kinds({ requests }: Client): readonly string[] {
  return requests.map(({ kind }) => kind);
}

describe("worker ids", () => {
  test("are the smallest that are free, in all processes and in one", async () => {
    const world = createWorld();
    const clients = [world.client(), world.client(), world.client()];
    const workers: WorkerId[] = [];
    for (const client of clients) {
      workers.push(await now(world.runtime, workersOf(client).acquire()));
      workers.push(await now(world.runtime, workersOf(client).acquire({ metadata: "shown" })));
    }
    expect(workers.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5]);
    await now(world.runtime, workers[4]?.release() ?? Promise.reject());
    await now(world.runtime, workers[1]?.release() ?? Promise.reject());
    const again = await now(world.runtime, workersOf(clients[0] as Client).tryAcquire());
    expect(again?.id).toBe(1);
    await now(
      world.runtime,
      workersOf(clients[2] as Client).hold(({ id, fence }) => {
        expect(id).toBe(4);
        expect(fence).toBeGreaterThan(workers[5]?.fence ?? 0);
      }),
    );
    const inspection = await now(world.runtime, workersOf(clients[0] as Client).inspect());
    expect(inspection?.holders.map(({ metadata }) => metadata)).toEqual([
      { id: 0 },
      { id: 2 },
      { id: 3, metadata: "shown" },
      { id: 5, metadata: "shown" },
      { id: 1 },
    ]);
  });

  test("are never shared by many who come at the same time, some of whom lose their answers", async () => {
    const world = createWorld();
    const clients = Array.from({ length: 6 }, () => world.client());
    clients.forEach((client, index) => {
      let commits = 0;
      client.strike(({ kind }) => {
        if (kind === "commit") commits += 1;
        if (kind !== "commit" || commits % 3 !== 1) return undefined;
        return index % 2 === 0 ? "lost after" : "lost before";
      });
    });
    const asked = clients.flatMap((client) =>
      Array.from({ length: 3 }, () => track(world.runtime, workersOf(client).acquire())),
    );
    await world.runtime.advance(3 * ttlMs);
    const ids = asked.map(({ value }) => value?.id);
    expect(new Set(ids).size).toBe(18);
    expect(Math.max(...ids.map(Number))).toBeLessThan(30);
  });

  test("cost a write, and a read the first time", async () => {
    const world = createWorld();
    const one = world.client();
    const worker = await now(world.runtime, workersOf(one).acquire());
    expect(kinds(one)).toEqual(["get", "commit"]);
    await now(world.runtime, worker.release());
    await now(world.runtime, workersOf(one).acquire());
    expect(kinds(one)).toEqual(["get", "commit", "commit", "commit"]);
    const other = world.client();
    await now(world.runtime, workersOf(other).acquire());
    await world.runtime.advance(20 * ttlMs);
    // It looks after those before it for two TTLs, and then never again.
    expect(kinds(other).filter((kind) => kind === "get").length).toBeLessThanOrEqual(1 + 6);
    expect(kinds(other).filter((kind) => kind === "commit")).toEqual(["commit"]);
  });

  test("of processes that died are free for the next but one", async () => {
    const world = createWorld();
    const dying = [world.client(), world.client()];
    for (const client of dying) await now(world.runtime, workersOf(client).acquire());
    for (const client of dying) client.crash();
    const third = await now(world.runtime, workersOf(world.client()).acquire());
    expect(third.id).toBe(2);
    await world.runtime.advance(2 * ttlMs);
    expect((await now(world.runtime, workersOf(world.client()).acquire())).id).toBe(0);
    expect((await now(world.runtime, workersOf(world.client()).acquire())).id).toBe(1);
  });

  test("are waited for in order of arrival where all are taken, also those of the dead", async () => {
    const world = createWorld();
    const [one, other, third] = [world.client(), world.client(), world.client()];
    const first = await now(world.runtime, workersOf(one, 1).acquire());
    await now(world.runtime, workersOf(one, 1).acquire());
    expect(await now(world.runtime, workersOf(other, 1).tryAcquire())).toBe(null);
    await expect(now(world.runtime, workersOf(other, 1).acquire({ wait: 0 }))).rejects.toMatchObject({
      code: "ACQUIRE_TIMEOUT",
    });
    const waiting = track(world.runtime, workersOf(other, 1).acquire());
    await world.runtime.settle();
    const last = track(world.runtime, workersOf(third, 1).acquire());
    await world.runtime.settle();
    await now(world.runtime, first.release());
    await world.runtime.advance(100);
    expect(waiting.value?.id).toBe(0);
    expect(last.state).toBe("pending");
    one.crash();
    await world.runtime.advance(3 * ttlMs);
    expect(last.value?.id).toBe(1);
  });

  test("are numbered after a wait although the store fails meanwhile, and given back on abort", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    const held = [
      await now(world.runtime, workersOf(one, 1).acquire()),
      await now(world.runtime, workersOf(one, 1).acquire()),
    ];
    const stop = new AbortController();
    const waiting = track(world.runtime, workersOf(other, 1).acquire());
    await world.runtime.settle();
    const aborted = track(world.runtime, workersOf(other, 1).acquire({ signal: stop.signal }));
    await world.runtime.settle();
    let failures = 0;
    other.strike(({ kind }) => {
      if (kind !== "commit" || failures > 4) return undefined;
      failures += 1;
      return failures % 2 === 0 ? "lost before" : "lost after";
    });
    await now(world.runtime, held[0]?.release() ?? Promise.reject());
    await world.runtime.advance(ttlMs);
    expect(failures).toBeGreaterThan(0);
    expect(waiting.value?.id).toBe(0);
    stop.abort();
    await world.runtime.settle();
    expect(aborted.error).toMatchObject({ code: "ABORTED" });
    await now(world.runtime, held[1]?.release() ?? Promise.reject());
    await world.runtime.advance(ttlMs);
    expect((await now(world.runtime, workersOf(one, 1).acquire({ wait: 0 }))).id).toBe(1);
  });

  test("have the same bits everywhere, and bad options are refused", async () => {
    const world = createWorld();
    const [one, other] = [world.client(), world.client()];
    await now(world.runtime, workersOf(one, 4).acquire());
    for (const refused of [workersOf(other, 5).acquire(), workersOf(other, 5).tryAcquire()]) {
      await expect(now(world.runtime, refused)).rejects.toMatchObject({
        ...{ code: "LIMIT_MISMATCH", limit: 16, expected: 32 },
        message: expect.stringContaining("open them with { bits: 4 }"),
      });
    }
    for (const options of [{ bits: 0 }, { bits: 15 }, { bits: 1.5 }, { bits: "3" }, { ttl: 1 }, { bit: 3 }]) {
      expect(() => one.coordinator.workerIds("a", options as never), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }
    expect(() => one.coordinator.workerIds("a".repeat(1_022))).toThrow(/with a number must be at most/);
    await expect(workersOf(one).hold("work" as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(workersOf(one).tryAcquire({ wait: 1 } as never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("and ids of a number end with the lease", async () => {
    const world = createWorld();
    const one = world.client();
    const worker = await now(world.runtime, workersOf(one).acquire());
    const ids = await now(world.runtime, worker.ids());
    ids.next();
    await now(world.runtime, one.coordinator.close());
    expect(() => ids.next()).toThrow(expect.objectContaining({ code: "LEASE_LOST" }));
    await expect(ids.nextAsync()).rejects.toMatchObject({ code: "LEASE_LOST" });
    await expect(worker.ids()).rejects.toMatchObject({ code: "LEASE_LOST" });
    await expect(workersOf(one).acquire()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("a record of the time that holds something else is refused", async () => {
    const world = createWorld();
    const worker = await now(world.runtime, workersOf(world.client()).acquire());
    const key = recordKey("default", "worker-time", "rows/0");
    await world.store.commit([{ kind: "put", key, value: Buffer.from('{"until":1}') }]);
    await expect(now(world.runtime, worker.ids())).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
  });
});
