import type { CancelTimer, Runtime } from "../../core/runtime.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How the clocks of one machine differ from true time. */
export interface ClockError {
  /** How fast they run: 1.05 gains three minutes in an hour. */
  readonly rate: number;
  /** How far the wall clock is off at the beginning. */
  readonly wallOffsetMs: number;
  /** Whether the wall clock is kept right from outside, whatever the rate. */
  readonly isWallKeptRight: boolean;
}

/** What right wall clocks show when a world begins. */
export const wallEpochMs = Date.UTC(2026, 0, 1);

/** The clocks of one machine. They outlive its processes. */
export class MachineClock {
  readonly rate: number;
  readonly #time: VirtualTime;
  readonly #isWallKeptRight: boolean;
  #wallOffsetMs: number;
  #sleptMs = 0;
  #asleepSinceMs: number | undefined;

  constructor(time: VirtualTime, error: ClockError) {
    this.#time = time;
    this.rate = error.rate;
    this.#wallOffsetMs = error.wallOffsetMs;
    this.#isWallKeptRight = error.isWallKeptRight;
  }

  /** Stands still while the machine sleeps. */
  monotonicMs(): number {
    return 1_000 + this.rate * ((this.#asleepSinceMs ?? this.#time.nowMs) - this.#sleptMs);
  }

  wallMs(): number {
    const { nowMs } = this.#time;
    return this.#isWallKeptRight ? wallEpochMs + nowMs : wallEpochMs + this.rate * nowMs + this.#wallOffsetMs;
  }

  uptimeMs(): number {
    return 3_600_000 + this.rate * this.#time.nowMs;
  }

  /** Puts the wall clock forward, or back, unless it is kept right. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  get isAsleep(): boolean {
    return this.#asleepSinceMs !== undefined;
  }

  fallAsleep(): void {
    this.#asleepSinceMs ??= this.#time.nowMs;
  }

  wakeUp(): void {
    this.#sleptMs += this.#time.nowMs - (this.#asleepSinceMs ?? this.#time.nowMs);
    this.#asleepSinceMs = undefined;
  }
}

/** What reaches a process from outside. */
type Arrival = { readonly kind: "timer" | "answer"; readonly run: () => void };

/**
 * One process on virtual time: its {@link Runtime}, and the door through which everything reaches it. It can be
 * stopped at any event (a garbage collection, a debugger, SIGSTOP) and crash for good.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly clock: MachineClock;
  readonly runtime: Runtime;
  readonly #time: VirtualTime;
  #backlog: Arrival[] = [];
  #stops = 0;
  #isCrashed = false;
  #ids = 0;

  constructor(time: VirtualTime, name: string, clock: MachineClock, random: () => number) {
    this.#time = time;
    this.name = name;
    this.clock = clock;
    this.runtime = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      uptimeMs: () => clock.uptimeMs(),
      random,
      id: () => this.#id(),
      schedule: (delayMs, callback) => this.#schedule(delayMs, callback),
    };
  }

  /** Whether it goes on: not stopped, not crashed. */
  get isRunning(): boolean {
    return this.#stops === 0 && !this.#isCrashed;
  }

  get isCrashed(): boolean {
    return this.#isCrashed;
  }

  /** Lets something from outside reach the process, when it runs. */
  receive(run: () => void): void {
    this.#arrive({ kind: "answer", run });
  }

  /** Stops it: clocks go on, nothing reaches it. Stops add up. */
  stop(): void {
    this.#stops += 1;
  }

  /** Ends one {@link SimulatedProcess.stop}. What came meanwhile arrives now, each in a turn of its own. */
  resume(first: Arrival["kind"]): void {
    this.#stops -= 1;
    if (this.#stops > 0) return;
    const backlog = this.#backlog;
    this.#backlog = [];
    const late = backlog.filter(({ kind }) => kind !== first);
    for (const arrival of [...backlog.filter(({ kind }) => kind === first), ...late]) {
      this.#time.after(0, () => this.#arrive(arrival));
    }
  }

  /** Ends it for good, at once: nothing reaches it any more. Requests that it sent are on their way. */
  crash(): void {
    this.#isCrashed = true;
    this.#backlog = [];
  }

  #arrive(arrival: Arrival): void {
    if (this.#isCrashed) return;
    if (this.#stops > 0) this.#backlog.push(arrival);
    else arrival.run();
  }

  #schedule(delayMs: number, callback: () => void): CancelTimer {
    const dueMs = this.clock.monotonicMs() + Math.max(0, delayMs);
    let isCancelled = false;
    let cancel: CancelTimer = () => undefined;
    const arm = (): void => {
      const remainingMs = (dueMs - this.clock.monotonicMs()) / this.clock.rate;
      cancel = this.#time.after(remainingMs, () => this.#arrive({ kind: "timer", run: fire }));
    };
    const fire = (): void => {
      if (isCancelled) return;
      // The machine slept meanwhile, or a clock's fraction was rounded.
      if (this.clock.monotonicMs() < dueMs - 1e-6) arm();
      else callback();
    };
    arm();
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  #id(): string {
    this.#ids += 1;
    return `${this.name}-${this.#ids}`.replaceAll(".", "_").padEnd(22, "-");
  }
}
