// What the fleet and its worker processes say to each other over Node's IPC channel.

/** What a worker needs to know. Travels as JSON, in its first argument. */
export interface WorkerSettings {
  readonly worker: number;
  /** The store that leasehold coordinates over. */
  readonly url: string;
  /** Keeps this run apart from others in the same store. */
  readonly namespace: string;
  readonly ttlMs: number;
  /** The results store, which knows nothing of leasehold. */
  readonly resultsPath: string;
  /** How long a job takes on average. */
  readonly jobMs: number;
}

/** A job under a worker's lock. */
export interface HeldJob {
  readonly job: string;
  readonly fence: number;
  /** What is left of the lease unless it is renewed. */
  readonly remainingMs: number;
}

/** Who had claimed a job before, without finishing it. */
export interface EarlierClaim {
  readonly worker: number;
  readonly fence: number;
}

/** One of the steps of a job is done. The worker waits for the fleet's direction before it goes on. */
export interface Step extends HeldJob {
  readonly kind: "step";
  readonly step: number;
  readonly steps: number;
}

/** From a worker to the fleet. */
export type WorkerMessage =
  /** Everything that is not done is held by others. */
  | { readonly kind: "waiting" }
  | ({ readonly kind: "claimed"; readonly earlier: EarlierClaim | null } & HeldJob)
  | Step
  | { readonly kind: "done"; readonly job: string; readonly fence: number }
  | { readonly kind: "refused"; readonly job: string; readonly fence: number; readonly seenFence: number }
  | { readonly kind: "lost"; readonly job: string; readonly fence: number; readonly reason: string };

/** From the fleet to a worker, after each step. `stop`: stop yourself right before the write. */
export type Direction = "go on" | "stop";
