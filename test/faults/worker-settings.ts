/** The workloads, and what a worker does in each. */
export const workloadNames = [
  "fenced",
  "counting",
  "waiting",
  "permits",
  "readers",
  "leading",
  "partitions",
  "slots",
  "limits",
  "numbers",
  "entries",
  "transfers",
  "payments",
] as const;

/** A workload: one of {@link workloadNames}. */
export type WorkloadName = (typeof workloadNames)[number];

/** Ways to break a worker on purpose, so that it is seen that the checkers find it. */
export const brokenWays = [
  "no-lock",
  "careless-count",
  "hasty-move",
  "stuck-slot",
  "generous-limit",
  "stuck-limit",
  "repeated-numbers",
  "careless-entries",
  "loose-transfers",
  "forgetful-once",
] as const;

/** A way to break a worker on purpose. */
export type BrokenWay = (typeof brokenWays)[number];

/** Everything a worker process is told at its start. */
export interface WorkerSettings {
  readonly worker: string;
  readonly workload: WorkloadName;
  readonly url: string;
  readonly ttlMs: number;
  readonly seed: number;
  readonly logPath: string;
  readonly resourcePath: string;
  readonly broken?: BrokenWay;
}

/** The namespace that all workers share. */
export const namespace = "faults";
/** The key of the counter of `counting`. */
export const counterKey = "faults.count.total";
/** The locks of `fenced`. Two: a worker meets others and also gets on. */
export const fencedNames = ["resource-1", "resource-2"] as const;
/** The lock of `waiting`. */
export const waitingName = "line";

/** The semaphore of `permits`, and how many there are. */
export const permits = { name: "seats", permits: 5 } as const;
/** The read-write lock of `readers`. */
export const readersName = "catalogue";
/** The election of `leading`. */
export const leadingName = "chair";
/** The group of `partitions`, and how many it shares: more than it ever has members, and not the same for each. */
export const shards = { group: "shards", count: 10 } as const;
/** The schedules of `slots`, and how often a slot of each may be begun. */
export const timetables = [
  { name: "once", attempts: 1 },
  { name: "thrice", attempts: 3 },
] as const;
/** The schedule of `slots` that has no timetable, and how long it is closed from the beginning of a run. */
export const sweep = { name: "sweep", atLeastMs: 400 } as const;
/** The limits of `limits`: one key of each, so small that most of what is asked for is denied. */
export const limits = [
  { name: "bucket", policy: { algorithm: "token-bucket", limit: 40, per: 1_000, burst: 12 } },
  { name: "window", policy: { algorithm: "sliding-window", limit: 30, per: 1_000 } },
] as const;
/** The counters and sequences of `numbers`. */
export const numbered = {
  total: "total",
  steps: "steps",
  blocks: "tickets",
  risen: "receipts",
  issued: "orders",
} as const;
/** The key-value namespaces of `entries`: of what all share, and of what lives for a short time only, one for each place. */
export const entries = { shared: "shared", keys: ["x", "y"], fading: "fading", places: 4 } as const;
/** The accounts of `transfers`, and what each begins with. The vault is touched only under the lock of its name. */
export const bank = {
  space: "bank",
  audits: "audits",
  vault: "vault",
  accounts: ["ann", "bob", "eve", "ida", "leo", "max", "zoe", "vault"],
  each: 1_000,
} as const;
