import type { CancelTimer, Runtime } from "../core/runtime.ts";

/** A {@link Runtime} whose time passes only when the test says so. */
export interface VirtualRuntime extends Runtime {
  /** Lets `milliseconds` pass on every clock, firing timers on the way, in order, with all that follows from each. */
  advance(milliseconds: number): Promise<void>;
  /** Lets everything happen that waits for no timer. */
  settle(): Promise<void>;
  /**
   * Stops this process for `milliseconds`: all clocks go on, no timer fires. What was due fires at the next
   * {@link VirtualRuntime.advance} or {@link VirtualRuntime.settle}.
   */
  stall(milliseconds: number): void;
  /** Puts the wall clock forward, or back. */
  jumpWall(milliseconds: number): void;
  /** The machine sleeps: wall clock and uptime go on, the monotonic clock and timers stand still. */
  sleepMachine(milliseconds: number): void;
  /** Timers that are armed. */
  readonly timerCount: number;
}

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Turns of the microtask queue that let every chain of promises in this package finish. */
const settleTurns = 200;

/**
 * Makes a {@link VirtualRuntime}. Deterministic: the same seed draws the same numbers and identifiers.
 *
 * @example
 * ```ts
 * import { createVirtualRuntime } from "leasehold/testing";
 * const runtime = createVirtualRuntime();
 * let fired = false;
 * runtime.schedule(1_000, () => { fired = true; });
 * await runtime.advance(999);
 * console.log(fired); // false
 * await runtime.advance(1);
 * console.log(fired); // true
 * ```
 */
export function createVirtualRuntime(
  options: { readonly seed?: number; readonly wallMs?: number } = {},
): VirtualRuntime {
  let monotonicMs = 1_000;
  let wallOffsetMs = (options.wallMs ?? Date.UTC(2026, 0, 1)) - monotonicMs;
  let uptimeOffsetMs = 3_600_000;
  let state = (options.seed ?? 1) >>> 0;
  let ids = 0;
  const timers = new Set<Timer>();

  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < settleTurns; turn += 1) await Promise.resolve();
  };
  const nextTimer = (untilMs: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  };
  const fireUntil = async (untilMs: number): Promise<void> => {
    await settle();
    for (let timer = nextTimer(untilMs); timer !== undefined; timer = nextTimer(untilMs)) {
      timers.delete(timer);
      monotonicMs = Math.max(monotonicMs, timer.dueMs);
      timer.callback();
      await settle();
    }
    monotonicMs = Math.max(monotonicMs, untilMs);
  };

  return {
    monotonicMs: () => monotonicMs,
    wallMs: () => monotonicMs + wallOffsetMs,
    uptimeMs: () => monotonicMs + uptimeOffsetMs,
    random() {
      // mulberry32: small, seeded, good enough for jitter.
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
    id() {
      ids += 1;
      return `virtual-${options.seed ?? 1}-${ids}`.padEnd(22, "-");
    },
    schedule(delayMs: number, callback: () => void): CancelTimer {
      const timer = { dueMs: monotonicMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (milliseconds) => fireUntil(monotonicMs + milliseconds),
    settle: () => fireUntil(monotonicMs),
    stall(milliseconds) {
      monotonicMs += milliseconds;
    },
    jumpWall(milliseconds) {
      wallOffsetMs += milliseconds;
    },
    sleepMachine(milliseconds) {
      wallOffsetMs += milliseconds;
      uptimeOffsetMs += milliseconds;
    },
    get timerCount() {
      return timers.size;
    },
  };
}
