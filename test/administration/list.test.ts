// Goal: inspect and list show everything that is held, by whom and since when, page by page, and nothing damaged in
// the store hides the rest.
import { describe, expect, test } from "vitest";
import { recordKey } from "../../src/core/names.ts";
import type { Inspection } from "../../src/index.ts";
import { createWorld, now, ttlMs } from "../locks/world.ts";

async function all(list: AsyncIterable<Inspection>): Promise<readonly Inspection[]> {
  const found: Inspection[] = [];
  for await (const inspection of list) found.push(inspection);
  return found;
}

describe("list", () => {
  test("shows every kind, who holds and who waits, and nothing of other namespaces", async () => {
    const { runtime, ...world } = createWorld();
    const { coordinator } = world.client(0);
    await coordinator.lock("a").acquire({ metadata: { job: 1 } });
    const waiting = world.client(1).coordinator.lock("a").acquire();
    waiting.catch(() => undefined);
    await coordinator.semaphore("b", { permits: 2 }).acquire();
    await coordinator.readWriteLock("c").read.acquire();
    await coordinator.lock("free").hold(() => undefined);
    await runtime.advance(10);
    const found = await all(coordinator.list());
    expect(
      found.map(({ kind, name, holders, waiters }) => [kind, name, holders.length, waiters.length]),
    ).toEqual([
      ["lock", "a", 1, 1],
      ["lock", "free", 0, 0],
      ["semaphore", "b", 1, 0],
      ["read-write", "c", 1, 0],
    ]);
    expect(found[0]?.holders[0]).toMatchObject({ metadata: { job: 1 }, client: { pid: process.pid } });
    expect(found[0]).toEqual(await coordinator.inspect("a"));
  });

  test("of a beginning and of a kind shows those only, also where names are long", async () => {
    const { coordinator } = createWorld().client(0);
    const long = `${"x".repeat(300)}`;
    const names = ["job-1", "job-2", "jobs", "other", `${long}a`, `${long}b`, "jöb/3 *"];
    for (const name of names) await coordinator.lock(name).acquire();
    await coordinator.semaphore("job-9", { permits: 1 }).acquire();
    const named = async (prefix: string, kind?: "lock") =>
      (await all(coordinator.list(prefix, kind && { kind }))).map(({ name }) => name).sort();
    expect(await named("job-")).toEqual(["job-1", "job-2", "job-9"]);
    expect(await named("job-", "lock")).toEqual(["job-1", "job-2"]);
    expect(await named(`${long}b`)).toEqual([`${long}b`]);
    expect(await named("jöb/3 ")).toEqual(["jöb/3 *"]);
    expect(await named("nothing")).toEqual([]);
  });

  test("reads a page when it is needed, and each session of it once", async () => {
    const { coordinator, backend } = createWorld().client(0);
    for (let index = 0; index < 250; index += 1) await coordinator.lock(`lock-${index}`).acquire();
    backend.resetCounts();
    let count = 0;
    for await (const { holders } of coordinator.list("lock-", { kind: "lock" })) {
      count += holders.length;
      if (count <= 100) expect(backend.counts.reads).toBe(1);
    }
    expect(count).toBe(250);
    expect(backend.counts).toEqual({ reads: 3, writes: 0, wakes: 0 });
  });

  test.each([true, false])(
    "scans a store whose scans have an order (%s) as it is cheap there",
    async (orderedScan) => {
      const { store, ...world } = createWorld({ capabilities: { orderedScan } });
      const { coordinator } = world.client(0);
      await coordinator.lock("a").acquire();
      await coordinator.semaphore("a", { permits: 1 }).acquire();
      await store.commit([
        { kind: "put", key: recordKey("default", "counter", "a"), value: Buffer.from("else") },
      ]);
      expect((await all(coordinator.list("a"))).map(({ kind }) => kind)).toEqual(["lock", "semaphore"]);
      expect((await all(coordinator.list("a", { kind: "semaphore" }))).map(({ kind }) => kind)).toEqual([
        "semaphore",
      ]);
    },
  );

  test("is not stopped by damaged records: they are told at the end, after everything else", async () => {
    const { store, ...world } = createWorld();
    const { coordinator } = world.client(0);
    for (const name of ["a", "m", "z"]) await coordinator.lock(name).acquire();
    const key = recordKey("default", "lock", "damaged");
    await store.commit([{ kind: "put", key, value: Buffer.from("something else") }]);
    const seen: string[] = [];
    const listing = (async () => {
      for await (const { name } of coordinator.list()) seen.push(name);
    })();
    await expect(listing).rejects.toMatchObject({
      code: "CORRUPT_RECORD",
      message: expect.stringContaining(key),
    });
    expect(seen).toEqual(["a", "m", "z"]);
    await expect(coordinator.inspect("damaged")).rejects.toMatchObject({ code: "CORRUPT_RECORD" });
    await expect(coordinator.forceRelease("damaged", { reason: "x" })).rejects.toMatchObject({
      code: "CORRUPT_RECORD",
    });
  });

  test("shows who holds also where the record of the session is damaged or gone", async () => {
    const { store, ...world } = createWorld();
    const { coordinator } = world.client(0);
    const { fence } = await coordinator.lock("a").acquire();
    const { records } = await store.scan("default.session.");
    await store.commit(records.map(({ key }) => ({ kind: "put", key, value: Buffer.from("else") })));
    expect(await coordinator.inspect("a")).toMatchObject({
      holders: [{ fence, client: null, isOverdue: true }],
    });
  });

  test("ends with the caller's signal and with the coordinator", async () => {
    const { coordinator } = createWorld().client(0);
    await coordinator.lock("a").acquire();
    const reason = new Error("enough");
    const aborted = all(coordinator.list("", { signal: AbortSignal.abort(reason) }));
    await expect(aborted).rejects.toMatchObject({ code: "ABORTED", cause: reason });
    await coordinator.close();
    await expect(all(coordinator.list())).rejects.toMatchObject({ code: "CLOSED" });
    await expect(coordinator.inspect("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("refuses what it does not know", async () => {
    const { coordinator } = createWorld().client(0);
    expect(() => coordinator.list(5 as unknown as string)).toThrow(/prefix/);
    expect(() => coordinator.list("", { kind: "x" as "lock" })).toThrow(/kind must be one of/);
    expect(() => coordinator.list("", { sort: 1 } as object)).toThrow(/no option/);
    expect(() => coordinator.list("", { signal: 1 as unknown as AbortSignal })).toThrow(/AbortSignal/);
    await expect(coordinator.inspect("")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

test("inspect of what nobody ever asked for is null, and asks nothing else", async () => {
  const { runtime, ...world } = createWorld();
  const { coordinator, backend } = world.client(0);
  expect(await now(runtime, coordinator.inspect("x"))).toBeNull();
  expect(await now(runtime, coordinator.inspect("x", { kind: "election" }))).toBeNull();
  expect(backend.counts).toEqual({ reads: 2, writes: 0, wakes: 0 });
  await runtime.advance(ttlMs);
});
