import type { Account, StorageEvent } from "./storage-events.ts";

/**
 * What a case leaves behind: the logs of its workers, of the resource, and of the one who made the faults. Everything
 * is judged from these, when all is over. Times are milliseconds on the machine's monotonic clock, which all its
 * processes share.
 */

/** What a worker does, as it writes it down the moment it happens. */
export type WorkerEvent = { readonly at: number } & (
  | { readonly event: "ready" | "closing" | "closed" }
  /** It asks for a lock; everything about this request bears the same `call`. */
  | { readonly event: "called"; readonly call: number; readonly name: string; readonly slot?: number }
  /** It saw itself in the queue, or holding, by `inspect()`. */
  | { readonly event: "queued"; readonly call: number }
  | {
      readonly event: "granted";
      readonly call: number;
      readonly name: string;
      readonly fence: number;
      readonly share?: Share;
    }
  /** From now on it counts on this share only: written down before it gives up the rest. */
  | { readonly event: "share"; readonly call: number; readonly share: Share }
  | { readonly event: "upgrade-called"; readonly call: number }
  /** From now on it holds all of it, with another fence. */
  | { readonly event: "upgraded"; readonly call: number; readonly fence: number }
  | { readonly event: "change-failed"; readonly call: number; readonly code: string }
  /** A question to the grant that began at `at` was answered: it is held. So it was held at `at`. */
  | { readonly event: "held"; readonly call: number }
  | { readonly event: "lost"; readonly call: number }
  /** The resource answered a write. */
  | { readonly event: "wrote"; readonly call: number; readonly accepted: boolean }
  /** It was asked to give up what it holds: the work goes on until it has ended, and so does the lease. */
  | { readonly event: "moving"; readonly call: number }
  /** It runs this slot, which was begun so many times; `null`: whatever slot it is. */
  | { readonly event: "began"; readonly call: number; readonly slot: number | null; readonly attempt: number }
  /** The slot is not for it to run, for this reason. */
  | { readonly event: "refused"; readonly call: number; readonly reason: string }
  /** The work is over; what comes next is the release. */
  | { readonly event: "ended"; readonly call: number }
  | { readonly event: "released"; readonly call: number }
  /** No grant: time ran out, somebody else had it, or the store refused. */
  | { readonly event: "gave-up"; readonly call: number; readonly code: string }
  | { readonly event: "release-failed"; readonly call: number; readonly code: string }
  | { readonly event: "add-called"; readonly sequence: number }
  | { readonly event: "added"; readonly sequence: number; readonly sum: number }
  | { readonly event: "add-failed"; readonly sequence: number; readonly code: string }
  /** Given up after `UNAVAILABLE`, which says that nothing was applied. */
  | { readonly event: "add-dropped"; readonly sequence: number }
  /** Of a limit: this many tokens were taken at some moment since `calledAt`. `source`: who said so. */
  | {
      readonly event: "admitted";
      readonly name: string;
      readonly tokens: number;
      readonly calledAt: number;
      readonly source: DecisionSource;
    }
  /** A limit allowed nothing; `degraded`: for the store did not answer. */
  | {
      readonly event: "denied";
      readonly name: string;
      readonly degraded: boolean;
      readonly source: DecisionSource;
    }
  /** What was set apart could not be settled, or given back. */
  | { readonly event: "settle-failed"; readonly name: string; readonly code: string }
  /** A counter was at `from`, and is 1 higher by this worker's `compareAndSet`. */
  | { readonly event: "stepped"; readonly from: number }
  /** A sequence gave this number to whom asked for it at `calledAt`. */
  | { readonly event: "numbered"; readonly name: string; readonly number: number; readonly calledAt: number }
  /** The work of a number of a sequence without gaps begins; and that it counts as used was confirmed. */
  | { readonly event: "issuing" | "issued"; readonly number: number }
  | { readonly event: "number-failed"; readonly name: string; readonly code: string }
  /** It saw its wall clock jump, or run at another rate than the monotonic one. */
  | { readonly event: "clock-jumped"; readonly byMs: number }
  /** It opens a session: the first one, or another after a loss. */
  | { readonly event: "session" }
  /** A heartbeat was confirmed that was sent at `sentAt`. */
  | { readonly event: "renewed"; readonly sentAt: number }
  /** A request to the store failed. leasehold may well cope with it. */
  | { readonly event: "store-failed"; readonly doing: string; readonly code: string }
  | StorageEvent
  /** Something that is no error of leasehold's. */
  | { readonly event: "unexpected"; readonly message: string }
);

/** Where a limit was decided: by a request, with tokens held in advance, by what was seen a moment ago, or without the store. */
export type DecisionSource = "store" | "lease" | "cache" | "local";

/** How much of something shared a grant is: a number of permits, or a way to hold a read-write lock. */
export type Share = number | "read" | "upgradeable" | "write";

/** The log of one process: a worker that was replaced has several. */
export interface WorkerLog {
  /** `w<place>.<incarnation>`. */
  readonly worker: string;
  readonly place: number;
  readonly events: readonly WorkerEvent[];
  /** When it was killed on purpose. */
  readonly killedAt?: number;
}

/** One fault, from its beginning until everything that it touched is as before. */
export interface Round {
  readonly what: string;
  readonly faultAt: number;
  readonly healedAt: number;
  /** Whoever made it saw it hit something: data that were delayed, connections that were cut. */
  readonly struck?: boolean;
  /** The workers that must get on again after it. */
  readonly survivors: readonly string[];
}

/** What became of one write at the resource, in the order in which it decided. */
export interface ResourceEvent {
  readonly at: number;
  readonly worker: string;
  readonly name: string;
  readonly fence: number;
  readonly accepted: boolean;
}

/** What a case leaves behind. */
export interface History {
  readonly ttlMs: number;
  readonly workers: readonly WorkerLog[];
  readonly rounds: readonly Round[];
  readonly resource: readonly ResourceEvent[];
  /** All workers of the first crew were ready. */
  readonly startedAt: number;
  /** The counter when everybody had stopped; left out where there is none. */
  readonly finalSum?: number;
  /** What counters and sequences stand at when everybody has stopped; left out where there are none. */
  readonly finalNumbers?: { readonly steps: number; readonly lastIssued: number };
  /** The accounts of `transfers` at the end, by name; left out where there are none. */
  readonly finalAccounts?: Readonly<Record<string, Account>>;
  /** A server that is no longer the leader may answer reads with what was, so nothing is concluded from them. */
  readonly areReadsOld?: boolean;
  /** From then on the crew was to be settled: everything shared out, nobody leaving. Left out where nothing is shared. */
  readonly settledAt?: number;
  /** What still stood in the store when everybody had stopped. */
  readonly leftovers: readonly string[];
  /** Workers that did not end when they were told to. */
  readonly stubborn: readonly string[];
}

/** What a checker says of a history. */
export interface Finding {
  /** How many things it looked at. None: the check was vacuous. */
  readonly examined: number;
  readonly violations: readonly string[];
}

/** Judges a history from one point of view. */
export type Checker = (history: History, recoveryLimitMs: number) => Finding;

/** Now, on the clock that all processes of this machine share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const progress: readonly string[] = [
  ...["granted", "added", "refused", "stepped", "numbered", "issued"],
  ...["entry-told", "transferred", "audited", "paid"],
];

/** Whether this event says that the worker got something done. */
export function isProgress(event: WorkerEvent): boolean {
  if (event.event === "admitted" || event.event === "denied") return event.source === "store";
  return progress.includes(event.event);
}

/** One request for a lock, put together from a worker's log. */
export interface Request {
  readonly worker: string;
  readonly call: number;
  readonly name: string;
  readonly calledAt: number;
  queuedAt?: number;
  grantedAt?: number;
  fence?: number;
  gaveUpAt?: number;
  /** The last moment at which it was certainly held. */
  heldAt?: number;
}

/** Every request for a lock in a history. */
export function requestsIn(history: Pick<History, "workers">): Request[] {
  return history.workers.flatMap(({ worker, events }) => {
    const requests = new Map<number, Request>();
    for (const event of events) {
      if (event.event === "called") {
        const { call, name, at } = event;
        requests.set(call, { worker, call, name, calledAt: at });
      } else if ("call" in event) {
        const request = requests.get(event.call);
        if (request !== undefined) note(request, event);
      }
    }
    return [...requests.values()];
  });
}

/** A fence that was given: with a grant, or with an upgrade of one. */
export interface GivenFence {
  readonly worker: string;
  readonly name: string;
  readonly fence: number;
  /** When it was asked for. */
  readonly calledAt: number;
  readonly grantedAt: number;
}

/** Every fence that somebody got in a history. */
export function fencesIn(history: History): GivenFence[] {
  const granted = requestsIn(history).flatMap(({ worker, name, fence, calledAt, grantedAt }) =>
    fence === undefined || grantedAt === undefined ? [] : [{ worker, name, fence, calledAt, grantedAt }],
  );
  return [...granted, ...history.workers.flatMap(upgradesIn)];
}

function upgradesIn({ worker, events }: WorkerLog): GivenFence[] {
  const names = new Map<number, string>();
  const calledAt = new Map<number, number>();
  return events.flatMap((event) => {
    if (event.event === "called") names.set(event.call, event.name);
    if (event.event === "upgrade-called") calledAt.set(event.call, event.at);
    if (event.event !== "upgraded") return [];
    const { call, fence, at } = event;
    return [
      { worker, name: names.get(call) ?? "", fence, calledAt: calledAt.get(call) ?? at, grantedAt: at },
    ];
  });
}

function note(request: Request, event: WorkerEvent): void {
  if (event.event === "queued") request.queuedAt = event.at;
  else if (event.event === "held") request.heldAt = event.at;
  else if (event.event === "gave-up") request.gaveUpAt = event.at;
  else if (event.event === "granted") {
    request.grantedAt = event.at;
    request.fence = event.fence;
  }
}
