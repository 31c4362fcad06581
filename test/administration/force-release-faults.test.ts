// Goal: whatever is lost, late or stopped on either side of a forced release, the holder hears of it or ends, one
// holder is left, fences rise, and no message stays behind.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { everything, plant, writes } from "../locks/faults.ts";
import { createWorld, now, track, ttlMs } from "../locks/world.ts";

const reason = "stuck since noon";
const quiet = { wake: false, watch: "none" } as const;

describe("faults", () => {
  const kinds = ["lost before", "lost after", "applied late", "held back", "answered late"] as const;

  test.each(kinds)(
    "of the holder's heartbeats (%s) hide nothing from it and cost it nothing else",
    async (fault) => {
      const { runtime, ...world } = createWorld({ capabilities: quiet });
      const { lock, coordinator, backend } = world.client(0);
      const other = await coordinator.lock("other").acquire();
      const grant = await lock.acquire();
      await runtime.advance(ttlMs / 3 - 10);
      const planted = plant(backend, fault, writes("heartbeat"), 1);
      await runtime.advance(20);
      expect(planted.struck).toBe(1);
      await now(runtime, world.client(1).lock.forceRelease({ reason }));
      await planted.end();
      await runtime.advance(ttlMs / 3 + 20);
      expect(grant.signal.reason.message).toContain(reason);
      await runtime.advance(5 * ttlMs);
      expect(other.state).toBe("held");
      expect((await world.roster()).holders).toEqual([]);
    },
  );

  test.each(kinds)(
    "of the writes of whoever forces it (%s) end with the release, and one note of it",
    async (fault) => {
      for (const struck of ["heartbeat", "roster"] as const) {
        const { runtime, ...world } = createWorld();
        const grant = await world.client(0).lock.acquire();
        const { backend, lock } = world.client(1);
        const planted = plant(backend, fault, writes(struck), 1);
        const forcing = track(runtime, lock.forceRelease({ reason }));
        await runtime.advance(100);
        await planted.end();
        await runtime.advance(ttlMs);
        expect(planted.struck).toBe(1);
        expect(forcing.value).toBe(true);
        expect(grant.signal.reason.message).toContain(reason);
        expect((await lock.inspect())?.forcedReleases).toHaveLength(1);
        const next = await now(runtime, lock.acquire());
        await runtime.advance(2 * ttlMs);
        expect(next.state).toBe("held");
      }
    },
  );

  test("that kill whoever forces it after the message make the holder give up all the same", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    plant(world.client(1).backend, "hangs before", writes("roster"));
    track(runtime, world.client(1).lock.forceRelease({ reason }));
    await runtime.advance(ttlMs / 3);
    expect(grant.state).toBe("lost");
    expect((await world.roster()).holders).toEqual([]);
  });

  test("of a store that is down are told, and nothing was taken", async () => {
    const { runtime, ...world } = createWorld();
    const grant = await world.client(0).lock.acquire();
    plant(world.client(1).backend, "lost before", everything);
    const forcing = track(runtime, world.client(1).lock.forceRelease({ reason }));
    await runtime.advance(ttlMs);
    expect(forcing.error).toMatchObject({ code: "UNAVAILABLE" });
    expect(grant.state).toBe("held");
  });

  test("in any order leave one holder, rising fences, and no message", async () => {
    const seen = { forced: 0, lost: 0 };
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: ttlMs / 2 }),
      what: fc.constantFrom("force", "force", "pause", "resume", "lose answers", "drop", "heal"),
      client: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(step, { minLength: 5, maxLength: 25 }),
        async (wakes, steps) => {
          const { runtime, ...world } = createWorld({ clients: 4, capabilities: wakes ? {} : quiet });
          const fences: number[] = [];
          let stopped = false;
          const work = async (index: number): Promise<void> => {
            while (!stopped) {
              const grant = await world.client(index).lock.acquire();
              fences.push(grant.fence);
              await new Promise<void>((resolve) => {
                grant.signal.addEventListener("abort", () => resolve());
                runtime.schedule(2 * ttlMs, resolve);
              });
              if (grant.state === "lost") seen.lost += 1;
              await grant[Symbol.asyncDispose]();
            }
          };
          const working = [0, 1, 2].map((index) => work(index).catch(() => undefined));
          await runtime.settle();
          for (const { waitMs, what, client } of steps) {
            const { backend, pause, resume } = world.client(client);
            if (what === "force") {
              void world
                .client(3)
                .lock.forceRelease({ reason })
                .then((held) => {
                  seen.forced += held ? 1 : 0;
                });
            } else if (what === "pause") pause();
            else if (what === "resume") resume();
            else if (what === "heal") backend.intercept(undefined);
            else plant(backend, what === "drop" ? "lost before" : "lost after", everything, 3);
            await runtime.advance(waitMs);
          }
          for (const { backend, resume } of world.clients) {
            resume();
            backend.intercept(undefined);
          }
          stopped = true;
          await runtime.advance(12 * ttlMs);
          await Promise.all(working);
          expect(new Set(fences).size).toBe(fences.length);
          const { holders, waiters } = await world.roster();
          expect(holders.length + waiters.length).toBe(0);
          for (const session of await world.sessions()) {
            // The record of a session that was lost stays as it was, until the store collects it.
            const isRenewed = session.state === "live" && runtime.wallMs() - session.beatAtMs < ttlMs;
            if (isRenewed) expect(session).not.toHaveProperty("requests");
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(seen.forced).toBeGreaterThan(30);
    expect(seen.lost).toBeGreaterThan(10);
  });
});
