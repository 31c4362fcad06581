// Goal: when the store loses or forgets records, fences still rise and everybody can go on.
import { describe, expect, test } from "vitest";
import type { StoredRecord } from "../../src/core/backend.ts";
import { decodeRoster, encodeRoster } from "../../src/roster/roster-record.ts";
import { createWorld, lockKey, now, track, ttlMs, type World } from "./world.ts";

async function allRecords({ store }: World): Promise<readonly StoredRecord[]> {
  return (await store.scan("", { limit: 1_000 })).records;
}

async function wipe(world: World): Promise<void> {
  const records = await allRecords(world);
  await world.store.commit(records.map(({ key }) => ({ kind: "delete", key })));
}

/** Puts the store back to an earlier state, as a restored backup does. */
async function rollBack(world: World, earlier: readonly StoredRecord[]): Promise<void> {
  const before = await allRecords(world);
  const gone = before.filter(({ key }) => earlier.every((record) => record.key !== key));
  await world.store.commit([
    ...gone.map(({ key }) => ({ kind: "delete", key }) as const),
    ...earlier.map(({ key, value }) => ({ kind: "put", key, value }) as const),
  ]);
}

describe("a store that was emptied", () => {
  test("gives larger fences than before, by the wall clock, also to a client that saw nothing", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const first = await world.client(0).lock.acquire();
    await first.release();
    await runtime.advance(10);
    await wipe(world);
    const second = await now(runtime, world.client(1).lock.acquire());
    expect(second.fence).toBeGreaterThan(first.fence);
  });

  test("gives a client that saw more a larger fence, even when the wall clock went back", async () => {
    const world = createWorld();
    const { runtime } = world;
    const first = await world.client(0).lock.acquire();
    await first.release();
    await wipe(world);
    runtime.jumpWall(-86_400_000);
    const second = await now(runtime, world.client(0).lock.acquire());
    expect(second.fence).toBeGreaterThan(first.fence);
  });

  test("costs the holder its lease at the next heartbeat, and its release frees nobody else's lock", async () => {
    const world = createWorld();
    const { runtime } = world;
    const first = await world.client(0).lock.acquire();
    await wipe(world);
    const second = await now(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs / 3);
    expect(first.state).toBe("lost");
    expect(second.state).toBe("held");
    const releasing = track(runtime, first.release());
    await runtime.advance(1_000);
    expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
    expect((await world.roster()).holders).toMatchObject([{ fence: second.fence }]);
  });

  test("serves its waiters all the same", async () => {
    const world = createWorld({ clients: 5 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const waiting = world.clients.slice(1).map(({ lock }) =>
      track(
        runtime,
        lock.hold(() => undefined),
      ),
    );
    await runtime.advance(ttlMs);
    await wipe(world);
    track(runtime, grant.release());
    await runtime.advance(6 * ttlMs);
    expect(waiting.map(({ state }) => state)).toEqual(waiting.map(() => "resolved"));
  });
});

describe("a roster that vanished alone", () => {
  test("lets its waiters join again, and its release says that it was not there any more", async () => {
    const world = createWorld({ clients: 4 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const waiting = world.clients.slice(1).map(({ lock }) =>
      track(
        runtime,
        lock.hold(() => undefined),
      ),
    );
    await runtime.settle();
    await world.store.commit([{ kind: "delete", key: lockKey }]);
    const releasing = track(runtime, grant.release());
    await runtime.advance(ttlMs);
    expect(releasing.error).toMatchObject({ code: "LEASE_LOST" });
    expect(waiting.map(({ state }) => state)).toEqual(waiting.map(() => "resolved"));
  });
});

describe("a store that was put back to an earlier state", () => {
  test("gives a client that saw more a larger fence", async () => {
    const world = createWorld();
    const { runtime } = world;
    await (await world.client(0).lock.acquire()).release();
    const earlier = await allRecords(world);
    runtime.jumpWall(-86_400_000);
    let fence = 0;
    for (let round = 0; round < 5; round += 1) {
      const grant = await now(runtime, world.client(0).lock.acquire());
      fence = grant.fence;
      await grant.release();
    }
    await rollBack(world, earlier);
    const after = await now(runtime, world.client(0).lock.acquire());
    expect(after.fence).toBeGreaterThan(fence);
  });

  test("frees a lock that it shows as held by somebody who released it long ago", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const earlier = await allRecords(world);
    await grant.release();
    await runtime.advance(10 * ttlMs);
    await rollBack(world, earlier);
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(4 * ttlMs);
    expect(next.state).toBe("resolved");
  });

  test("frees a lock whose record alone shows as its holder a client that left it and lives on", async () => {
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const [earlier] = (await allRecords(world)).filter(({ key }) => key === lockKey);
    await grant.release();
    await runtime.advance(ttlMs);
    const value = earlier?.value ?? new Uint8Array();
    await world.store.commit([{ kind: "put", key: lockKey, value }]);
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs);
    expect(waiting.state).toBe("resolved");
    const own = track(runtime, world.client(0).lock.acquire());
    await waiting.value?.release();
    await runtime.advance(1_000);
    expect(own.state).toBe("resolved");
    // Who holds now is not taken for such a leftover.
    const third = track(runtime, world.client(2).lock.acquire());
    await runtime.advance(10 * ttlMs);
    expect(third.state).toBe("pending");
    expect(own.value?.state).toBe("held");
  });

  test("frees it also where two leftovers of the same client come one after the other", async () => {
    const world = createWorld({ capabilities: { watch: "none", wake: false } });
    const { runtime } = world;
    const leftovers: Uint8Array[] = [];
    for (let round = 0; round < 2; round += 1) {
      const grant = await world.client(0).lock.acquire();
      const [record] = (await allRecords(world)).filter(({ key }) => key === lockKey);
      leftovers.push(record?.value ?? new Uint8Array());
      await grant.release();
    }
    const waiting = track(runtime, world.client(1).lock.acquire());
    await runtime.settle();
    await waiting.value?.release();
    const held = await now(runtime, world.client(0).lock.acquire());
    const next = track(runtime, world.client(1).lock.acquire());
    await runtime.advance(ttlMs / 10);
    // While it watches over the holder's session, the record shows another attempt of the same session, and again.
    for (const leftover of leftovers) {
      const { roster } = decodeRoster(lockKey, leftover);
      const [holder] = roster.holders;
      const { waiters } = await world.roster();
      const shown = { ...(await world.roster()), holders: holder === undefined ? [] : [holder], waiters };
      await world.store.commit([{ kind: "put", key: lockKey, value: encodeRoster("job", shown) }]);
      await runtime.advance(1);
    }
    await runtime.advance(2 * ttlMs);
    expect(next.state).toBe("resolved");
    expect(held.state).toBe("held");
  });

  test("frees it for who only tries now and then, too", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const [earlier] = (await allRecords(world)).filter(({ key }) => key === lockKey);
    await grant.release();
    await runtime.advance(ttlMs);
    await world.store.commit([{ kind: "put", key: lockKey, value: earlier?.value ?? new Uint8Array() }]);
    expect(await now(runtime, world.client(1).lock.tryAcquire())).toBeNull();
    expect(await now(runtime, world.client(1).lock.tryAcquire())).not.toBeNull();
  });
});

describe("a holder whose session record seems to be missing", () => {
  test("is not taken over before a whole TTL of silence, for a lagging replica may be the reason", async () => {
    const world = createWorld();
    const { runtime } = world;
    const grant = await world.client(0).lock.acquire();
    const { backend, lock } = world.client(1);
    backend.intercept(async (request, send) => {
      const answer = await send();
      if (request.kind !== "get") return answer;
      // biome-ignore lint/suspicious/noExplicitAny: the interceptor is generic over the kinds of answers.
      return (answer as any).map((record: StoredRecord | null) =>
        record?.key.includes(".session.") ? null : record,
      );
    });
    const waiting = track(runtime, lock.acquire());
    await runtime.advance(20 * ttlMs);
    // The tombstone is put only where the record is really absent, so a live session survives any lag.
    expect(grant.state).toBe("held");
    expect(waiting.state).toBe("pending");
    expect((await world.sessions()).map(({ state }) => state)).toEqual(["live", "live"]);
  });
});
