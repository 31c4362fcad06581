// Goal: no slot is begun too often, and slots begin in order, over a store that loses and delays requests at random, in
// processes that stop and go on.
import { expect, test } from "vitest";
import { pass, seeded, spoil } from "../barriers/random-faults.ts";
import { createWorld, deathMs, track } from "../locks/world.ts";
import { rosterIn, scheduleName, slot } from "./schedule-world.ts";

const seeds = Array.from({ length: 60 }, (_, index) => index + 1);
const slots = [0, 1, 2, 3, 4, 5];

test.each([1, 3])("a slot is begun at most %i times", async (attempts) => {
  let takeovers = 0;
  let begins = 0;
  for (const seed of seeds) {
    const random = seeded(seed);
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const faults = spoil(world, random);
    const begun: { readonly index: number; readonly fence: number; readonly attempt: number }[] = [];
    const running = world.clients.flatMap(({ coordinator }) =>
      slots.map(async (index) => {
        await pass(runtime, index * 20_000 + random() * 15_000);
        const schedule = coordinator.schedule(scheduleName, { attempts });
        const run = schedule.run(slot(index), async ({ fence, attempt }) => {
          begun.push({ index, fence, attempt });
          await pass(runtime, random() * 20_000);
          if (random() < 0.2) throw new Error("the work failed");
        });
        await run.catch(() => undefined);
      }),
    );
    const stopping = world.clients.map(async (client) => {
      await pass(runtime, random() * 100_000);
      client.pause();
      await pass(runtime, random() * 40_000);
      client.resume(random() < 0.5 ? "timers" : "answers");
    });
    const all = track(runtime, Promise.all([...running, ...stopping]));
    await runtime.advance(160_000);
    faults.heal();
    await runtime.advance(10 * deathMs);
    expect(all.state, `seed ${seed}`).toBe("resolved");
    for (const index of slots) {
      const tries = begun.filter((it) => it.index === index).map(({ attempt }) => attempt);
      expect(new Set(tries).size, `seed ${seed}, slot ${index}`).toBe(tries.length);
      expect(Math.max(0, ...tries), `seed ${seed}, slot ${index}`).toBeLessThanOrEqual(attempts);
    }
    const inOrder = [...begun].sort((left, right) => left.fence - right.fence).map(({ index }) => index);
    expect(inOrder, `seed ${seed}`).toEqual([...inOrder].sort((left, right) => left - right));
    begins += begun.length;
    takeovers += begun.filter(({ attempt }) => attempt > 1).length;
    // What a dead session held, the next one to look takes out.
    expect((await rosterIn(world)).holders.length, `seed ${seed}`).toBeLessThanOrEqual(1);
  }
  expect(begins).toBeGreaterThan(200);
  expect(takeovers > 0).toBe(attempts > 1);
});
