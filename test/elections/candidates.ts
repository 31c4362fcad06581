import { recordKey } from "../../src/core/names.ts";
import type { Election, Leader } from "../../src/index.ts";
import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { type Client, createWorld, type World, type WorldOptions } from "../locks/world.ts";

/** The name of the election that the tests are about. */
export const electionName = "scheduler";

/** Clients of one store on virtual time, and the election as each of them sees it. */
export interface ElectionWorld extends World {
  /** The election as client number `index` sees it. */
  election(index: number): Election;
  /** The election's roster as it stands in the store. */
  electionRoster(): Promise<Roster>;
}

/** Makes an {@link ElectionWorld}. */
export function createElectionWorld(options?: WorldOptions): ElectionWorld {
  const world = createWorld(options);
  return {
    ...world,
    election: (index) => electionOf(world.client(index)),
    async electionRoster() {
      const [record] = await world.store.get([recordKey("default", "election", electionName)]);
      return record == null ? emptyRoster(1) : decodeRoster(record.key, record.value).roster;
    },
  };
}

/** The election as a client sees it. */
export function electionOf({ coordinator }: Client): Election {
  return coordinator.election(electionName);
}

/** What an observer was told, in order: identities, values and `null`. */
export interface Told {
  readonly states: (Leader | null)[];
  readonly identities: () => readonly (string | null)[];
  isOver: boolean;
  error: unknown;
}

/** Reads an observation to its end, in the background. */
export function listen(iterable: AsyncIterable<Leader | null>): Told {
  const states: (Leader | null)[] = [];
  const told: Told = {
    states,
    identities: () => states.map((state) => state?.identity ?? null),
    isOver: false,
    error: undefined,
  };
  const read = async (): Promise<void> => {
    for await (const state of iterable) states.push(state);
  };
  read().then(
    () => {
      told.isOver = true;
    },
    (error: unknown) => {
      told.error = error;
    },
  );
  return told;
}
