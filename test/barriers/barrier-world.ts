import { recordKey } from "../../src/core/names.ts";
import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import type { World } from "../locks/world.ts";

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
