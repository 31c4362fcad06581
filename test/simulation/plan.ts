import type { Capabilities } from "../../src/core/backend.ts";
import type { Choices } from "../../src/testing/simulation/choices.ts";
import type { ClockError } from "../../src/testing/simulation/simulated-process.ts";
import { drawStage, type Stage } from "./stage.ts";

/** What can happen to processes, clocks and the store, besides what happens to single requests. */
export const accidentKinds = [
  "stop",
  "crash",
  "crash and restart",
  "close and restart",
  "wall clock forward",
  "wall clock back",
  "machine sleep",
  "store away",
  "requests swallowed",
  "replies swallowed",
  "slow network",
  "lagging replica",
  "wipe",
  "rollback",
  "rollback of some records",
] as const;

export type AccidentKind = (typeof accidentKinds)[number];

/** Accidents after which nothing but the fences is promised, or which concern the store as a whole: rarer. */
const disasters: readonly AccidentKind[] = ["wipe", "rollback", "rollback of some records"];

/** What can happen to a single request, or hint. */
export const mishapKinds = [
  "refused",
  "request lost",
  "reply lost",
  "late request",
  "late reply",
  "stale read",
  "hint lost",
  "hint late",
  "hint repeated",
] as const;

export type MishapKind = (typeof mishapKinds)[number];

/** What one client is like. */
export interface ClientPlan {
  readonly name: string;
  readonly ttlMs: number;
  readonly clock: ClockError;
  readonly operations: number;
}

/** An accident that will happen. */
export interface Accident {
  readonly place: string;
  readonly kind: AccidentKind;
  readonly atMs: number;
  readonly durationMs: number;
  /** Which client, for those that strike one. */
  readonly client: number;
}

/** What a name is used as in a run. */
export interface Use {
  readonly kind: "lock" | "semaphore" | "read-write" | "election" | "group" | "barrier" | "web-lock";
  /** How much may be held at a time: 1 of a lock, the permits of a semaphore. */
  readonly capacity: number;
}

/** The weights of a read-write lock here: two who may upgrade do not fit beside one another. */
export const readWriteWeights = { read: 1, upgradeable: 101, write: 201 } as const;

/** What one alone holds weighs as much as all who may share a lock of the Web Locks standard. */
export const webLockWeights = { shared: 1, exclusive: 2 ** 20 } as const;

const membersMax = 1_000_000;

/** What a run is like: everything that its seed decides beforehand. */
export interface Plan {
  readonly seed: number;
  readonly clients: readonly ClientPlan[];
  readonly ttlMaxMs: number;
  readonly names: readonly string[];
  /** What there is besides. */
  readonly stage: Stage;
  /** What each name is used as; also those that only some worlds are about. */
  readonly uses: ReadonlyMap<string, Use>;
  /** Until then things go wrong. */
  readonly chaosMs: number;
  readonly capabilities: Capabilities;
  readonly conflictsTellCurrent: boolean;
  readonly hintsTellRecord: boolean;
  /** In what steps the store tells its time: exactly, in milliseconds, or in seconds. */
  readonly storeClockGrainMs: number;
  readonly timeoutMs: number;
  readonly latencyMs: readonly [low: number, high: number];
  readonly mishapRates: Readonly<Record<MishapKind, number>>;
  readonly accidents: readonly Accident[];
  /** Whether the clock rates of any two clients differ by no more than what is tolerated. */
  readonly isDriftTolerated: boolean;
  /** Whether every wall clock is right at all times. */
  readonly areWallClocksRight: boolean;
}

/** The tolerance that every client is given. */
export const driftTolerance = 0.1;
const rateMax = Math.sqrt(1 + driftTolerance);
/** By how much the clock of a store and that of a machine may differ. Limits are judged by the one, as told by the other. */
const storeRateMax = 1.000_49;
const accidentsMax = 8;

/** Each seed is another world: it has some of the faults, at rates of its own. */
export function drawPlan(choices: Choices): Plan {
  const ttlMaxMs = choices.oneOf("ttl", [600, 3_000, 10_000]);
  const chaosMs = choices.between("chaos", 4, 9) * ttlMaxMs;
  const stage = drawStage(choices);
  const isDriftTolerated = stage.theme === "limits" || choices.likely("drift tolerated", 0.9);
  const areWallClocksRight = choices.likely("wall clocks right", 0.5);
  const clockRateMax = stage.theme === "limits" ? storeRateMax : isDriftTolerated ? rateMax : 1.6;
  const clientCount = choices.whole("clients", 2, 5);
  const operations = choices.whole("operations", 2, 6);
  const mixedTtls = choices.likely("mixed ttls", 0.2);
  const clients = Array.from({ length: clientCount }, (_, index): ClientPlan => {
    const name = `c${index + 1}`;
    return {
      name,
      ttlMs: mixedTtls && index % 2 === 1 ? ttlMaxMs / 2 : ttlMaxMs,
      clock: drawClock(choices, name, { rateMax: clockRateMax, areWallClocksRight, ttlMaxMs }),
      operations,
    };
  });
  const names = choices.likely("two names", 0.15) ? ["job", "other"] : ["job"];
  const lowMs = choices.magnitude("latency", 0.2, 0.01 * ttlMaxMs);
  const highMs = lowMs * choices.between("jitter", 1.1, 8);
  return {
    ...{ seed: choices.seed, clients, ttlMaxMs, chaosMs, isDriftTolerated, areWallClocksRight },
    names,
    stage,
    uses: new Map<string, Use>([
      ...names.map((name): [string, Use] => [name, drawUse(choices, `use of ${name}`, stage)]),
      [stage.group, { kind: "group", capacity: membersMax }],
      [stage.barrier, { kind: "barrier", capacity: stage.parties }],
      [stage.webLock, { kind: "web-lock", capacity: webLockWeights.exclusive }],
    ]),
    capabilities: drawCapabilities(choices),
    conflictsTellCurrent: choices.likely("conflicts tell current", 0.6),
    hintsTellRecord: choices.likely("hints tell record", 0.7),
    storeClockGrainMs: choices.oneOf("store clock grain", [0, 1, 1_000]),
    // Whoever waits for less than a round trip takes never gets an answer.
    timeoutMs: Math.max(2.5 * highMs, choices.between("timeout", 0.1, 0.8) * ttlMaxMs),
    latencyMs: [lowMs, highMs],
    mishapRates: drawMishapRates(choices),
    accidents: drawAccidents(choices, { clientCount, ttlMaxMs, chaosMs }),
  };
}

function drawUse(choices: Choices, place: string, { theme }: Stage): Use {
  if (theme === "elections") return { kind: "election", capacity: 1 };
  const kind = choices.oneOf(place, [
    "lock",
    "lock",
    "lock",
    "lock",
    "lock",
    "semaphore",
    "read-write",
  ] as const);
  if (kind === "lock") {
    return { kind: choices.likely(`${place}.election`, 0.15) ? "election" : "lock", capacity: 1 };
  }
  return kind === "semaphore"
    ? { kind, capacity: choices.whole(`${place}.permits`, 2, 4) }
    : { kind, capacity: readWriteWeights.write };
}

function drawClock(
  choices: Choices,
  name: string,
  world: {
    readonly rateMax: number;
    readonly areWallClocksRight: boolean;
    readonly ttlMaxMs: number;
  },
): ClockError {
  const place = `${name}.clock`;
  // The edges of what is tolerated are where mistakes show.
  const power = choices.oneOf(`${place}.edge`, [-1, -1, 0, 1, 1, choices.between(`${place}.power`, -1, 1)]);
  return {
    rate: world.rateMax ** power,
    wallOffsetMs: world.areWallClocksRight ? 0 : choices.between(`${place}.offset`, -20, 20) * world.ttlMaxMs,
    isWallKeptRight: world.areWallClocksRight,
  };
}

function drawCapabilities(choices: Choices): Capabilities {
  const kind = choices.oneOf("kind of store", ["wakes and watches", "watches", "polled", "wakes"] as const);
  return {
    scope: "network",
    commitOperationsMax: 100,
    wake: kind.startsWith("wakes"),
    watch: kind.includes("watches") ? "push" : "none",
    orderedScan: true,
    keyBytesMax: 1_024,
    valueBytesMax: 1_048_576,
  };
}

function drawMishapRates(choices: Choices): Readonly<Record<MishapKind, number>> {
  const isSmooth = choices.likely("smooth", 0.1);
  const rates = mishapKinds.map((kind) => {
    const rate = choices.oneOf(`rate of ${kind}`, [0, 0, 0.01, 0.03, 0.12]);
    return [kind, isSmooth ? 0 : rate] as const;
  });
  return Object.fromEntries(rates) as Record<MishapKind, number>;
}

function drawAccidents(
  choices: Choices,
  world: { readonly clientCount: number; readonly ttlMaxMs: number; readonly chaosMs: number },
): readonly Accident[] {
  const kinds = accidentKinds.filter((kind) =>
    choices.likely(`has ${kind}`, disasters.includes(kind) ? 0.05 : 0.4),
  );
  if (kinds.length === 0) return [];
  const rate = choices.between("accident rate", 0, 1);
  return Array.from({ length: accidentsMax }, (_, index) => `accident${index + 1}`)
    .filter((place) => choices.happens(place, rate))
    .map((place) => ({
      place,
      kind: choices.oneOf(`${place}.kind`, kinds),
      atMs: choices.between(`${place}.at`, 0, world.chaosMs),
      durationMs: choices.magnitude(`${place}.for`, 0.03, 4) * world.ttlMaxMs,
      client: choices.whole(`${place}.client`, 0, world.clientCount - 1),
    }));
}
