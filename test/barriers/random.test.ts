// Goal: latches and barriers keep their promises over a store that loses and delays requests at random.
import { expect, test } from "vitest";
import { createWorld, deathMs, track } from "../locks/world.ts";
import { barrierName, rosterOf } from "./barrier-world.ts";
import { pass, seeded, spoil } from "./random-faults.ts";

const seeds = Array.from({ length: 60 }, (_, index) => index + 1);

test("every count of a latch counts once", async () => {
  for (const seed of seeds) {
    const random = seeded(seed);
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const faults = spoil(world, random);
    const counting = world.clients.flatMap(({ coordinator }) =>
      Array.from({ length: 5 }, async () => {
        await pass(runtime, random() * 3_000);
        return coordinator.latch(barrierName, 16).countDown();
      }),
    );
    const counted = track(runtime, Promise.all(counting));
    await runtime.advance(20_000);
    faults.heal();
    await runtime.advance(20_000);
    expect(counted.state, `seed ${seed}`).toBe("resolved");
    expect(await world.client(0).coordinator.latch(barrierName, 16).remaining(), `seed ${seed}`).toBe(1);
  }
});

test("rounds of a latch follow one another: each opens once all have counted, and closes with a reset", async () => {
  let unclear = 0;
  for (const seed of seeds) {
    const random = seeded(seed);
    const world = createWorld({ clients: 3, ...(seed % 2 === 0 && { capabilities: { watch: "none" } }) });
    const { runtime } = world;
    const faults = spoil(world, random);
    const all = world.clients.map(({ coordinator }) => coordinator.latch(barrierName, 3));
    const asked = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await ask();
      } catch (error) {
        expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
        unclear += 1;
        return undefined;
      }
    };
    const rounds = async (): Promise<number> => {
      let round = 0;
      for (; round < 8; round += 1) {
        const counting = all.map(async (latch, index) => {
          await pass(runtime, random() * 2_000);
          const id = `${index} in ${round}`;
          // Nothing of it can have counted in the round before, which was over when it began.
          while ((await asked(() => latch.countDown({ id }))) === undefined);
        });
        await Promise.all(counting);
        await all[(round + 1) % 3]?.wait();
        expect(await asked(async () => all[round % 3]?.reset()), `seed ${seed}`).not.toBe(false);
      }
      return round;
    };
    const running = track(runtime, rounds());
    await runtime.advance(100_000);
    faults.heal();
    await runtime.advance(100_000);
    expect(running.value, `seed ${seed}: ${running.error}`).toBe(8);
    expect(await all[0]?.remaining(), `seed ${seed}`).toBe(3);
  }
  expect(unclear).toBeGreaterThan(0);
});

test("every round of a barrier begins with all of its parties, and ends without them", async () => {
  let roundsSeen = 0;
  for (const seed of seeds) {
    const random = seeded(seed);
    const world = createWorld({ clients: 3 });
    const { runtime } = world;
    const faults = spoil(world, random);
    const entered: number[] = [0, 0, 0];
    const party = async (index: number): Promise<readonly number[]> => {
      const rounds: number[] = [];
      for (let round = 1; round <= 4; round += 1) {
        await pass(runtime, random() * 2_000);
        entered[index] = round;
        const stay = await world.client(index).coordinator.barrier(barrierName, 3).enter();
        rounds.push(stay.round);
        roundsSeen += 1;
        expect(Math.min(...entered), `seed ${seed}`).toBeGreaterThanOrEqual(round);
        await pass(runtime, random() * 500);
        await stay.leave();
      }
      return rounds;
    };
    const parties = [0, 1, 2].map((index) => track(runtime, party(index)));
    await runtime.advance(60_000);
    faults.heal();
    await runtime.advance(4 * deathMs);
    for (const { value } of parties) expect(value, `seed ${seed}`).toEqual([1, 2, 3, 4]);
    expect((await rosterOf(world, "barrier")).holders, `seed ${seed}`).toEqual([]);
  }
  expect(roundsSeen).toBe(60 * 12);
});
