import { randomBytes } from "node:crypto";
import { uptime } from "node:os";

/** Stops a timer. Calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

/** How a timer relates to the life of the process. */
export interface TimerOptions {
  /** Keep the process alive until the timer fires. Default: false. */
  readonly holdsProcessOpen?: boolean;
}

/**
 * Everything that leasehold takes from the outside world besides the store: clocks, timers, randomness
 * and identifiers. Injected, so that tests can run many clients on virtual time.
 */
export interface Runtime {
  /** Milliseconds on a clock that never jumps. May stand still while the machine sleeps. */
  monotonicMs(): number;
  /** Milliseconds since 1970 on the wall clock. May jump in both directions. */
  wallMs(): number;
  /** Milliseconds since the machine started, sleep included. */
  uptimeMs(): number;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  random(): number;
  /** An identifier of 22 characters `[A-Za-z0-9_-]` that nobody else draws. */
  id(): string;
  /** Calls `callback` once, after at least `delayMs`. Never calls it synchronously. */
  schedule(delayMs: number, callback: () => void, options?: TimerOptions): CancelTimer;
}

const timerDelayMaxMs = 2 ** 31 - 1;

function schedule(delayMs: number, callback: () => void, options?: TimerOptions): CancelTimer {
  let timer: NodeJS.Timeout;
  const arm = (remainingMs: number): void => {
    const stepMs = Math.min(remainingMs, timerDelayMaxMs);
    // A longer delay would overflow Node's timers and fire at once.
    timer = setTimeout(
      () => (remainingMs > stepMs ? arm(remainingMs - stepMs) : callback()),
      Math.max(0, stepMs),
    );
    if (options?.holdsProcessOpen !== true) timer.unref();
  };
  arm(delayMs);
  return () => clearTimeout(timer);
}

/** The {@link Runtime} of a real process: Node's clocks, timers and cryptographic randomness. */
export const systemRuntime: Runtime = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  uptimeMs: () => uptime() * 1_000,
  random: () => Math.random(),
  id: () => randomBytes(16).toString("base64url"),
  schedule,
};

/**
 * As {@link systemRuntime}, with a monotonic clock on which all threads of a process agree: the other one begins at 0
 * in each thread.
 */
export const threadsRuntime: Runtime = {
  ...systemRuntime,
  monotonicMs: () => Number(process.hrtime.bigint()) / 1_000_000,
};

/** A pause that can be cut short. */
export interface Sleep {
  /** Resolves when the time is over, or {@link Sleep.end} was called. Never rejects. */
  readonly over: Promise<void>;
  /** Ends it now. Idempotent. */
  readonly end: () => void;
}

/** Starts a pause of `delayMs`. */
export function startSleep(runtime: Runtime, delayMs: number, options?: TimerOptions): Sleep {
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    const cancel = runtime.schedule(delayMs, resolve, options);
    end = () => {
      cancel();
      resolve();
    };
  });
  return { over, end };
}

/** Resolves after `delayMs`, or earlier when `signal` fires. Never rejects. */
export async function sleep(
  runtime: Runtime,
  delayMs: number,
  options?: TimerOptions & { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  if (options?.signal?.aborted === true) return;
  const { over, end } = startSleep(runtime, delayMs, options);
  options?.signal?.addEventListener("abort", end, { once: true });
  await over;
  options?.signal?.removeEventListener("abort", end);
}
