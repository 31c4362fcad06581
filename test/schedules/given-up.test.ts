// Goal: whoever gives up before its run began takes no slot with it, whatever became of its requests.
import { expect, test } from "vitest";
import type { Schedule } from "../../src/index.ts";
import { type FaultKind, plant, writes } from "../locks/faults.ts";
import { createWorld, now, track } from "../locks/world.ts";
import { rosterIn, schedulesOf, slot } from "./schedule-world.ts";

const faults: readonly FaultKind[] = ["answered late", "held back", "lost after", "applied late"];

test.each(faults)("an abort while the beginning is %s leaves the slot to others", async (kind) => {
  for (const last of [undefined, slot(1)]) {
    const world = createWorld();
    const { runtime } = world;
    const [first, second] = schedulesOf(world) as [Schedule, Schedule];
    if (last !== undefined)
      await now(
        runtime,
        first.run(last, () => "ran"),
      );
    const fault = plant(world.client(0).backend, kind, writes("roster"), 1);
    const abort = new AbortController();
    const running = track(
      runtime,
      first.run(slot(2), () => expect.fail("it began"), { signal: abort.signal }),
    );
    await runtime.settle();
    abort.abort(new Error("enough"));
    await runtime.settle();
    expect(fault.struck).toBe(1);
    await fault.end();
    await runtime.advance(2_500);
    expect(running.error).toMatchObject({ code: "ABORTED" });
    const { holders, note } = await rosterIn(world);
    expect(holders).toEqual([]);
    expect((note as { slotMs?: number } | undefined)?.slotMs).toBe(last?.getTime());
    expect(
      await now(
        runtime,
        second.run(slot(2), () => "ran"),
      ),
    ).toMatchObject({ ran: true });
  }
});
