import type { Choices } from "../../src/testing/simulation/choices.ts";

/** What most of what goes on in a world is about. Locks go on in all of them. */
export const themes = [
  "locks",
  "elections",
  "groups",
  "schedules",
  "barriers",
  "web locks",
  "limits",
  "sequences",
  "entries",
] as const;

export type Theme = (typeof themes)[number];

/** Locks are what everything else stands on: most worlds are about them. */
const themesOfTwenty: readonly Theme[] = [
  "limits",
  "entries",
  ...Array<Theme>(7).fill("locks"),
  "sequences",
  ...Array<Theme>(2).fill("elections"),
  "groups",
  ...Array<Theme>(2).fill("schedules"),
  ...Array<Theme>(3).fill("barriers"),
  ...Array<Theme>(2).fill("web locks"),
];

/** What there is in a world besides its locks. */
export interface Stage {
  readonly theme: Theme;
  readonly group: string;
  readonly partitions: number;
  readonly schedule: string;
  /** How often a slot may be begun. */
  readonly attempts: number;
  /** How long a run may take, in TTLs, where there is a limit. */
  readonly atMostTtls: number | undefined;
  /** How long a run keeps others away, in TTLs; 0: not at all. */
  readonly atLeastTtls: number;
  readonly barrier: string;
  readonly parties: number;
  readonly latches: readonly string[];
  /** How often a latch is counted down until it opens. */
  readonly count: number;
  readonly webLock: string;
  /** A bucket and a sliding window. */
  readonly limits: readonly Limit[];
}

/** A limit of a world: small, so that it is reached. */
export interface Limit {
  readonly algorithm: "token-bucket" | "sliding-window";
  readonly limit: number;
  /** Over how many TTLs. */
  readonly perTtls: number;
  readonly burst?: number;
}

/** Draws the stage of a world. */
export function drawStage(choices: Choices): Stage {
  return {
    theme: choices.oneOf("theme", themesOfTwenty),
    group: "workers",
    partitions: choices.whole("partitions", 2, 5),
    schedule: "report",
    attempts: choices.oneOf("attempts", [1, 1, 2, 3]),
    atMostTtls: choices.oneOf("at most", [undefined, undefined, choices.between("at most ttls", 0.1, 1)]),
    atLeastTtls: choices.oneOf("at least", [0, 0, choices.between("at least ttls", 0.1, 1.5)]),
    barrier: "gate",
    parties: choices.whole("parties", 2, 3),
    latches: ["first latch", "second latch"],
    count: choices.whole("count", 2, 4),
    webLock: "page",
    limits: [
      {
        algorithm: "token-bucket",
        limit: choices.whole("bucket limit", 2, 20),
        perTtls: choices.magnitude("bucket per", 0.2, 2),
        burst: choices.whole("burst", 2, 10),
      },
      {
        algorithm: "sliding-window",
        limit: choices.whole("window limit", 2, 12),
        perTtls: choices.magnitude("window per", 0.2, 1),
      },
    ],
  };
}
