import { recordKey } from "../../src/core/names.ts";
import type { Barrier, BarrierStay } from "../../src/index.ts";
import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { type Outcome, track, type World } from "../locks/world.ts";

/** What the tests are about. */
export const barrierName = "start";

/** The roster of a latch or a barrier as it stands in the store. */
export async function rosterOf(world: World, kind: "latch" | "barrier"): Promise<Roster> {
  const [record] = await world.store.get([recordKey("default", kind, barrierName)]);
  return record == null ? emptyRoster(0) : decodeRoster(record.key, record.value).roster;
}

/** The requests of all clients together. */
export function requests(world: World): { readonly reads: number; readonly writes: number } {
  const sum = (of: "reads" | "writes"): number =>
    world.clients.reduce((total, { backend }) => total + backend.counts[of], 0);
  return { reads: sum("reads"), writes: sum("writes") };
}

/** The barrier as each client sees it. */
export const barriers = (world: World, parties: number): readonly Barrier[] =>
  world.clients.map(({ coordinator }) => coordinator.barrier(barrierName, parties));

/** Party number `index` comes in; each stands there before the next one does. */
export async function enterEach(world: World, all: readonly Barrier[]): Promise<Outcome<BarrierStay>[]> {
  const entering: Outcome<BarrierStay>[] = [];
  for (const barrier of all) {
    entering.push(track(world.runtime, barrier.enter()));
    await world.runtime.settle();
  }
  return entering;
}

/** What those who came in got. */
export const staysOf = (entered: readonly Outcome<BarrierStay>[]): readonly BarrierStay[] =>
  entered.map(({ value }) => value as BarrierStay);
