// Goal: any number of messages, from any number of clients at once, costs no session its lease, and all of them arrive.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommitResult } from "../../src/core/backend.ts";
import type { Grant } from "../../src/index.ts";
import { createWorld, now, track, ttlMs, type World } from "../locks/world.ts";

const reason = "please";
const quiet = { wake: false, watch: "none" } as const;

/** Every request of every client takes this long; where conflicts do not tell what they met, as on NATS. */
function slowDown({ clients, runtime }: World, roundTripMs: number, tellsConflicts = true): void {
  const delay = (ms: number) => new Promise<void>((resolve) => runtime.schedule(ms, resolve));
  for (const { backend } of clients) {
    backend.intercept(async (_request, send) => {
      await delay(roundTripMs / 2);
      const answer = await send();
      await delay(roundTripMs / 2);
      if (tellsConflicts || !isConflict(answer)) return answer;
      // biome-ignore lint/suspicious/noExplicitAny: the interceptor is generic over the kinds of answers.
      return { committed: false, conflicts: answer.conflicts.map(({ key }) => ({ key })) } as any;
    });
  }
}

async function acquireMany(world: World, count: number): Promise<readonly Grant[]> {
  const { coordinator } = world.client(0);
  const names = Array.from({ length: count }, (_, index) => `n${index}`);
  return now(world.runtime, Promise.all(names.map((name) => coordinator.lock(name).acquire())));
}

describe.each([
  ["wakes", {}],
  ["does not wake", quiet],
] as const)("where the store %s", (_what, capabilities) => {
  test("messages at random moments, from any number of clients, over any round trip, cost no lease", async () => {
    const script = fc.record({
      roundTripTtls: fc.constantFrom(0.01, 0.03, 0.06, 0.09, 0.1),
      tellsConflicts: fc.boolean(),
      startTtls: fc.double({ min: 0, max: 0.4, noNaN: true }),
      stepTtls: fc.constantFrom(0, 0.01, 0.05, 0.13),
      clients: fc.integer({ min: 1, max: 10 }),
      isForced: fc.boolean(),
      seed: fc.integer({ min: 0, max: 10 }),
    });
    await fc.assert(
      fc.asyncProperty(script, async ({ clients, ...chosen }) => {
        const world = createWorld({ clients: clients + 1, capabilities });
        const { runtime } = world;
        const grants = await acquireMany(world, 31);
        slowDown(world, chosen.roundTripTtls * ttlMs, chosen.tellsConflicts);
        await runtime.advance((1 / 3 + chosen.startTtls) * ttlMs);
        const asked = [];
        for (let index = 0; index < 30; index += 1) {
          const { coordinator } = world.client(1 + (index % clients));
          const how = chosen.isForced || index % 4 === chosen.seed % 4 ? "forceRelease" : "requestRevoke";
          asked.push(track(runtime, coordinator[how](`n${index}`, { reason })));
          await runtime.advance(chosen.stepTtls * ttlMs);
        }
        for (let step = 0; step < 150; step += 1) await runtime.advance(0.1 * ttlMs);
        expect(grants.at(-1)?.state).toBe("held");
        expect(new Set(asked.map(({ value }) => value))).toEqual(new Set([true]));
        const told = grants
          .slice(0, 30)
          .map(({ signal, revokeRequested }) => signal.aborted || revokeRequested.aborted);
        expect(told).not.toContain(false);
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    ["one client", 1, "requestRevoke"],
    ["one client", 1, "forceRelease"],
    ["ten clients", 10, "requestRevoke"],
    ["ten clients", 10, "forceRelease"],
  ] as const)(
    "sixty messages of %s (%i) at once by %s leave what nobody asked for",
    async (_who, clients, how) => {
      const world = createWorld({ clients: clients + 1, capabilities });
      const { runtime } = world;
      const grants = await acquireMany(world, 61);
      slowDown(world, ttlMs / 30);
      await runtime.advance(ttlMs / 3 - 100);
      const asked = grants.slice(0, 60).map((_grant, index) => {
        const { coordinator } = world.client(1 + (index % clients));
        return track(runtime, coordinator[how](`n${index}`, { reason }));
      });
      const told = () =>
        grants.filter((grant) => grant.revokeRequested.aborted || grant.signal.aborted).length;
      let ttls = 0;
      for (; ttls < 10 && (told() < 60 || asked.some(({ state }) => state === "pending")); ttls += 0.1) {
        await runtime.advance(0.1 * ttlMs);
        expect(grants[60]?.state).toBe("held");
      }
      expect(new Set(asked.map(({ value }) => value))).toEqual(new Set([true]));
      // Two heartbeats for one client, one for each of ten, and every one of those is a third of a TTL at most.
      expect(ttls).toBeLessThan(clients === 1 ? 1.5 : 4.5);
      const isOneWriteEach = clients === 1 && how === "requestRevoke";
      if (isOneWriteEach) expect(world.client(1).backend.counts.writes).toBe(2);
    },
  );
});

describe("forced release", () => {
  test.each([true, false])(
    "of sixty locks of a paused session takes about one TTL, together: %s",
    async (together) => {
      const world = createWorld({ capabilities: quiet });
      const { runtime } = world;
      await acquireMany(world, 60);
      world.client(0).pause();
      const { coordinator } = world.client(1);
      const force = (index: number) => coordinator.forceRelease(`n${index}`, { reason });
      const all = async () => {
        if (together) return Promise.all(Array.from({ length: 60 }, (_, index) => force(index)));
        const answers: boolean[] = [];
        for (let index = 0; index < 60; index += 1) answers.push(await force(index));
        return answers;
      };
      const forcing = track(runtime, all());
      await runtime.advance(0.9 * ttlMs);
      expect(forcing.state).toBe("pending");
      await runtime.advance(0.2 * ttlMs);
      for (let turn = 0; turn < 60; turn += 1) await runtime.settle();
      expect(forcing.value).toEqual(Array.from({ length: 60 }, () => true));
      expect((await coordinator.inspect("n59"))?.holders).toEqual([]);
    },
  );
});

function isConflict(answer: unknown): answer is CommitResult & { readonly committed: false } {
  return (answer as Partial<CommitResult> | null)?.committed === false;
}
