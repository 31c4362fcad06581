import type { Client } from "../client.ts";
import type { Stage, Theme } from "../stage.ts";
import { passTogether } from "./barriers.ts";
import { addInPeace } from "./entries.ts";
import { shareEvenly } from "./groups.ts";
import { takeInPeace } from "./limits.ts";
import { runNextSlot } from "./schedules.ts";
import { numberInPeace } from "./sequences.ts";
import { stealInPeace } from "./web-locks.ts";

/** What clients do together once nothing goes wrong any more. */
export interface Finale {
  /** Everybody who lives. */
  readonly clients: readonly Client[];
  readonly stage: Stage;
  /** Waits until it is over: all of these are settled, or it says so. It must be, within a stated number of TTLs. */
  phase(name: string, over: readonly Promise<unknown>[] | (() => boolean)): Promise<void>;
}

const finales: Readonly<Partial<Record<Theme, (finale: Finale) => Promise<void>>>> = {
  groups: shareEvenly,
  schedules: runNextSlot,
  barriers: passTogether,
  "web locks": stealInPeace,
  limits: takeInPeace,
  sequences: numberInPeace,
  entries: addInPeace,
};

/** How worlds of a theme end; what they do with locks comes before that. */
export function finaleOf(theme: Theme): ((finale: Finale) => Promise<void>) | undefined {
  return finales[theme];
}
