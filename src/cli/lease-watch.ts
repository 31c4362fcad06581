import type { Grant, Runtime } from "../index.ts";

/** What the time left of a lease means for the command that runs under it. */
export type LeaseVerdict = "safe" | "ending" | "over";

/** What {@link judgeLease} says. */
export interface LeaseJudgement {
  readonly verdict: LeaseVerdict;
  /** When to look again, at the latest. */
  readonly lookAgainMs: number;
}

/** The kill comes this much before the deadline: a timer and a signal take their time. */
const killMarginMs = 20;
/** Timers stand still while the machine sleeps; looking this often finds out soon after it woke. */
const lookAgainMaxMs = 1_000;

/** Judges a lease by the time it has left. Renewals make that grow again, so `ending` can be followed by `safe`. */
export function judgeLease(remainingMs: number, graceMs: number): LeaseJudgement {
  if (remainingMs <= killMarginMs) return { verdict: "over", lookAgainMs: Number.POSITIVE_INFINITY };
  const isEnding = remainingMs <= graceMs;
  const untilNextMs = remainingMs - (isEnding ? killMarginMs : Math.max(graceMs, killMarginMs));
  return { verdict: isEnding ? "ending" : "safe", lookAgainMs: Math.min(untilNextMs, lookAgainMaxMs) };
}

/** What {@link watchLease} needs. */
export interface LeaseWatchOptions {
  readonly grant: Grant;
  /** How long before the deadline the command is asked to stop. */
  readonly graceMs: number;
  readonly runtime: Runtime;
  /** Called each time the lease begins to end. */
  readonly onEnding: (remainingMs: number) => void;
  /** Called once, when the lease is over or lost. */
  readonly onOver: () => void;
}

/** A watch over a lease. */
export interface LeaseWatch {
  /** Looks at the clocks now. */
  check(): void;
  stop(): void;
}

/** Watches a lease until it is over or the watch is stopped. */
export function watchLease({ grant, graceMs, runtime, onEnding, onOver }: LeaseWatchOptions): LeaseWatch {
  let last: LeaseVerdict = "safe";
  let isStopped = false;
  let cancel = (): void => undefined;
  const stop = (): void => {
    isStopped = true;
    cancel();
    grant.signal.removeEventListener("abort", check);
  };
  const check = (): void => {
    if (isStopped) return;
    cancel();
    const remainingMs = grant.remainingMs();
    // Looking at the clocks may have found the loss, whose signal has called this already.
    if (isStopped) return;
    const { verdict, lookAgainMs } = judgeLease(remainingMs, graceMs);
    const previous = last;
    last = verdict;
    if (verdict === "over") {
      stop();
      onOver();
      return;
    }
    cancel = runtime.schedule(lookAgainMs, check, { holdsProcessOpen: true });
    if (verdict === "ending" && previous === "safe") onEnding(remainingMs);
  };
  grant.signal.addEventListener("abort", check, { once: true });
  check();
  return { check, stop };
}
