import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Case } from "./cases.ts";
import { firstAdmissionsAfter } from "./checkers/limits.ts";
import { isSpread } from "./checkers/partitions.ts";
import { firstRunsAfter } from "./checkers/slots.ts";
import { type Crew, startCrew } from "./crew.ts";
import type { Scene, World } from "./faults/fault.ts";
import { type History, type Round, sharedNowMs } from "./history.ts";
import { judge, operationsPerSecondMin, recoveryLimitMs, type Verdict } from "./judge.ts";
import { openStore } from "./open-store.ts";
import { type Random, seededRandom } from "./random.ts";
import {
  readFinalAccounts,
  readFinalEntries,
  readFinalNumbers,
  readFinalSum,
  readLeftovers,
  startAnew,
} from "./remains.ts";
import { openResource } from "./resource.ts";
import type { BrokenWay, WorkloadName } from "./worker-settings.ts";

/** How a case is run. */
export interface RunOptions {
  /** How long faults are made, one after the other; the one that is on is brought to its end. */
  readonly seconds: number;
  readonly seed: number;
  /** For all files of the case. */
  readonly folder: string;
  /** Ends everything before its time. */
  readonly signal: AbortSignal;
  readonly broken: BrokenWay | undefined;
}

const crewSize = 4;
const ttlMs = 1_500;
const warmUpMs = 1_500;
const warmUpsMax = 10;
const coolDownMs = 300;
const endTimeoutMs = 12_000;
const progressPollMs = 20;
/** Within this time everybody says what it holds. */
const proofsMs = 400;
/** How many times as long as one worker may take to get on, all of them may take to share out what there is. */
const settleLimits = 4;

/** Runs one case from the start of its store to the verdict. Everything that it started is gone afterwards. */
export async function runCase({ workload, backend, fault }: Case, options: RunOptions): Promise<Verdict> {
  const { folder, seed, broken } = options;
  const storeFolder = join(folder, "store");
  await mkdir(storeFolder, { recursive: true });
  const random = seededRandom(seed);
  const resourcePath = join(folder, "resource");
  await using world = await fault.open({ backend, folder: storeFolder, random });
  await setUp(world.url);
  await using resource = await openResource(resourcePath, broken !== undefined);
  await using crew = await startCrew({
    size: crewSize,
    folder,
    seed,
    settings: { workload, ttlMs, resourcePath, ...(broken !== undefined && { broken }) },
    launch: world.launch,
  });
  const startedAt = sharedNowMs();
  await warmUp(crew, options.signal);
  const limitMs = recoveryLimitMs(fault, ttlMs);
  const once = fault.once === true;
  const rounds = await makeFaults(world, crew, random, { ...options, workload, once, limitMs });
  // Of a crew that is broken on purpose nothing is expected that could take longer.
  const patienceMs = (broken === undefined ? settleLimits : 1) * limitMs;
  const settledAt = await settle(crew, workload, patienceMs, options.signal);
  await delay(coolDownMs, undefined, { signal: options.signal });
  const stubborn = await crew.end(endTimeoutMs);
  const isLost = fault.ends === "lost";
  const numbers = workload === "numbers" ? await readFinalNumbers(world.url, ttlMs) : undefined;
  const finalSum = workload === "counting" && !isLost ? await readFinalSum(world.url) : numbers?.total;
  const accounts = workload === "transfers" ? await readFinalAccounts(world.url, ttlMs) : undefined;
  const inspector = workload === "entries" ? [await readFinalEntries(world.url, ttlMs)] : [];
  const leftovers = isLost ? [] : await readLeftovers(world.url, workload, ttlMs);
  const operator = isLost ? [await startAnew(world.url, workload, ttlMs)] : [];
  const history: History = {
    ttlMs,
    workers: [...crew.logs(), ...operator, ...inspector],
    rounds,
    resource: resource.log,
    startedAt,
    leftovers,
    stubborn,
    ...(finalSum !== undefined && { finalSum }),
    ...(numbers !== undefined && { finalNumbers: numbers }),
    ...(accounts !== undefined && { finalAccounts: accounts }),
    ...(backend === "nats-cluster" && { areReadsOld: true }),
    ...(settledAt !== undefined && { settledAt }),
  };
  await writeFile(join(folder, "history.json"), JSON.stringify({ ...history, workers: [] }, null, 1));
  return judge(history, workload, fault);
}

/** Until the crew is at work: a server that has just started, or a busy machine, takes its time. */
async function warmUp(crew: Crew, signal: AbortSignal): Promise<void> {
  for (let times = 0; times < warmUpsMax; times += 1) {
    const before = crew.operations();
    await delay(warmUpMs, undefined, { signal });
    if (crew.operations() - before >= (2 * operationsPerSecondMin * warmUpMs) / 1_000) return;
  }
}

/**
 * Tells the crew that the faults are over, and waits until all that is shared is shared out: longer than it may take, so
 * that what is not so by then is found. Answers the moment that counts.
 */
async function settle(
  crew: Crew,
  workload: WorkloadName,
  patienceMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (workload !== "partitions") return undefined;
  crew.settle();
  const giveUpAt = sharedNowMs() + patienceMs;
  for (;;) {
    const at = sharedNowMs();
    await delay(proofsMs, undefined, { signal });
    if (at > giveUpAt || isSpread(crew.logs(), at)) return at;
  }
}

async function setUp(url: string): Promise<void> {
  const store = await openStore(url);
  try {
    await store.setup({ create: true });
  } finally {
    await store.close();
  }
}

interface FaultPlan {
  readonly workload: WorkloadName;
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly once: boolean;
  readonly limitMs: number;
}

async function makeFaults(world: World, crew: Crew, random: Random, plan: FaultPlan): Promise<Round[]> {
  const rounds: Round[] = [];
  const endAt = sharedNowMs() + plan.seconds * 1_000;
  do {
    const { workload, signal, limitMs } = plan;
    let faultAt: number | undefined;
    let healedAt: number | undefined;
    let struck = false;
    const scene: Scene = {
      crew,
      random,
      ttlMs,
      begin: () => {
        faultAt = sharedNowMs();
      },
      heal: () => {
        healedAt = sharedNowMs();
      },
      struck: () => {
        struck = true;
      },
      pause: (delayMs) => delay(delayMs, undefined, { signal }),
    };
    const what = await world.round(scene);
    healedAt ??= sharedNowMs();
    const survivors = crew.members.map(({ worker }) => worker);
    rounds.push({ what, faultAt: faultAt ?? healedAt, healedAt, struck, survivors });
    await untilAllGotOn(crew, workload, healedAt, 2 * limitMs, signal);
    await delay(random.between(100, 500), undefined, { signal });
  } while (!plan.once && sharedNowMs() < endAt);
  return rounds;
}

/** Waits for the slowest, for longer than it may take, so that it is told how long it took. */
async function untilAllGotOn(
  crew: Crew,
  workload: WorkloadName,
  since: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const giveUpAt = sharedNowMs() + timeoutMs;
  const isStillWaiting = (): boolean =>
    crew.members.some((member) => member.progressAfter(since) === undefined) ||
    (workload === "slots" && firstRunsAfter(crew.logs(), since).some((at) => at === undefined)) ||
    (workload === "limits" && firstAdmissionsAfter(crew.logs(), since).some((at) => at === undefined));
  while (isStillWaiting()) {
    if (sharedNowMs() > giveUpAt) return;
    await delay(progressPollMs, undefined, { signal });
  }
}
