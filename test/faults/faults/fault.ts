import { decideOnContainers } from "../../servers/container-choice.ts";
import type { NatsServerOptions } from "../../servers/index.ts";
import type { Crew, Launch } from "../crew.ts";
import type { Random } from "../random.ts";
import { openTarget } from "../targets/open-target.ts";
import type { BackendName, Target } from "../targets/target.ts";
import type { WorkloadName } from "../worker-settings.ts";

/** Where a case is prepared. */
export interface Stage {
  readonly backend: BackendName;
  /** For the store's files, where it has any of its own. */
  readonly folder: string;
  readonly random: Random;
}

/** What a fault has at hand while it is made. */
export interface Scene {
  readonly crew: Crew;
  readonly random: Random;
  readonly ttlMs: number;
  /** Now it begins. */
  begin(): void;
  /** Now everything is as before, or somebody else took the place; when left out: at the end of the round. */
  heal(): void;
  /** It has hit something, which is known without asking the workers. */
  struck(): void;
  /** Lets time pass. Rejects when the run is interrupted. */
  pause(delayMs: number): Promise<void>;
}

/** A store together with the means to harm it, or those who use it. */
export interface World extends AsyncDisposable {
  readonly description: string;
  /** A way to the store that the fault leaves alone. */
  readonly url: string;
  launch(place: number): Launch;
  /** Makes the fault once and takes it back. Answers what it did, for people. */
  round(scene: Scene): Promise<string>;
}

/** A kind of fault. */
export interface Fault {
  readonly name: string;
  readonly summary: string;
  readonly backends: readonly BackendName[];
  /** Where left out: every workload. */
  readonly workloads?: readonly WorkloadName[];
  /** Whether it leaves requests behind of which nobody can say whether they were applied. */
  readonly makesUnknown: boolean;
  /** Codes of errors that it may lead to besides those that say: not now. */
  readonly codes?: readonly string[];
  /** How long clients may take to notice that it is over. */
  readonly reconnectMs?: number;
  /**
   * `lost`: the store does not come back as it was. Nobody need get on; whoever comes after an operator made the store
   * anew must get a larger fence. Default: `recovers`.
   */
  readonly ends?: "recovers" | "lost";
  /** Leases end before their time, as they must: a clock was set forward. */
  readonly endsLeasesEarly?: boolean;
  /** The fault is made once only. */
  readonly once?: boolean;
  /** Why it cannot be made here; undefined when it can. */
  missing(backend: BackendName): Promise<string | undefined>;
  open(stage: Stage): Promise<World>;
}

/** Nothing is needed but the processes themselves. */
export async function nothingMissing(): Promise<undefined> {
  return undefined;
}

/** Why a server's files cannot be put on a disk of the fault's own. */
export async function localServersMissing(backend: BackendName): Promise<string | undefined> {
  if (backend === "sqlite" || !(await decideOnContainers()).use) return undefined;
  return "servers run in containers here, out of reach of a disk of ours: LEASEHOLD_TEST_CONTAINERS=0 helps";
}

/** Options of a NATS server whose store is in a folder of the caller's. */
export function natsStoreAt(folder: string): NatsServerOptions {
  return { jetstream: false, config: `jetstream { store_dir: ${JSON.stringify(folder)} }` };
}

/** A world in which workers reach the store as it is. */
export async function plainWorld(
  { backend, folder }: Stage,
  round: (scene: Scene, target: Target) => Promise<string>,
): Promise<World> {
  const target = await openTarget(backend, folder);
  const { description, url } = target;
  return {
    description,
    url,
    launch: () => ({ url }),
    round: (scene) => round(scene, target),
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}

/** One to all but one of the workers, by lot. */
export function drawVictims({ crew, random }: Scene, most = crew.members.length - 1): Crew["members"] {
  const count = 1 + random.below(Math.max(1, most));
  const left = [...crew.members];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(random.below(left.length), 1),
  ).flat();
}
