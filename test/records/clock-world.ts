import type { Backend } from "../../src/core/backend.ts";
import { StoreClock, type StoreClockOptions } from "../../src/records/store-clock.ts";
import type { Fate } from "../../src/testing/simulation/simulated-link.ts";
import { SimulatedLink } from "../../src/testing/simulation/simulated-link.ts";
import { MachineClock, SimulatedProcess } from "../../src/testing/simulation/simulated-process.ts";
import { SimulatedStore, storeEpochMs } from "../../src/testing/simulation/simulated-store.ts";
import { VirtualTime } from "../../src/testing/simulation/virtual-time.ts";

/** One client with clocks of its own, a store with another one, and a network between them, on virtual time. */
export interface ClockWorld {
  readonly clock: StoreClock;
  readonly machine: MachineClock;
  /** Requests for the time so far. */
  readonly requests: number;
  /** What becomes of requests from now on. */
  fate: Fate;
  /** What the store's clock shows, in truth. */
  truthMs(): number;
  /** Sets the store's clock. */
  setStoreClock(byMs: number): void;
  pass(milliseconds: number): Promise<void>;
  /** Lets time pass until a promise is settled. */
  settled<T>(promise: Promise<T>): Promise<T>;
  /** The machine sleeps: nothing reaches its process, and its monotonic clock stands still. */
  sleepMachine(milliseconds: number): Promise<void>;
}

/** Settings of {@link createClockWorld}. */
export interface ClockWorldOptions extends Pick<StoreClockOptions, "driftTolerance"> {
  /** Of the client's clocks. */
  readonly rate?: number;
  /** In what steps the store tells its time. */
  readonly grainMs?: number;
}

/** Every request is answered, after 5 ms. */
export const prompt: Fate = { end: "answered", outboundMs: 2, inboundMs: 3, asOfMs: undefined };

/** Makes a {@link ClockWorld}. */
export function createClockWorld({ rate = 1, grainMs = 0, ...options }: ClockWorldOptions = {}): ClockWorld {
  const time = new VirtualTime();
  const machine = new MachineClock(time, { rate, wallOffsetMs: -7_200_000, isWallKeptRight: false });
  const process = new SimulatedProcess(time, "client", machine, () => 0.5);
  let requests = 0;
  let offsetMs = 0;
  const network = {
    timeoutMs: 2_000,
    fateOf: () => {
      requests += 1;
      return world.fate;
    },
    hintDelaysMs: () => [],
    notice: () => undefined,
    answered: () => undefined,
  };
  const link: Backend = new SimulatedLink(
    {
      ...{ time, network, store: new SimulatedStore(() => undefined), storeClockGrainMs: grainMs },
      ...{ conflictsTellCurrent: true, hintsTellRecord: true, wake: () => undefined },
      // Nothing but the clock is asked for.
      capabilities: {} as Backend["capabilities"],
    },
    process,
  );
  const backend = {
    async time() {
      const { earliestMs, latestMs } = await link.time();
      return { earliestMs: earliestMs + offsetMs, latestMs: latestMs + offsetMs };
    },
  };
  const world: ClockWorld = {
    ...{ machine, fate: prompt },
    clock: new StoreClock({ ...options, backend, runtime: process.runtime }),
    get requests() {
      return requests;
    },
    truthMs: () => storeEpochMs + time.nowMs + offsetMs,
    setStoreClock(byMs) {
      offsetMs += byMs;
    },
    async pass(milliseconds) {
      await time.pass(time.nowMs + milliseconds);
    },
    async settled(promise) {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
      };
      promise.then(settle, settle);
      await time.pass(time.nowMs + 3_600_000, () => isSettled);
      return promise;
    },
    async sleepMachine(milliseconds) {
      process.stop();
      machine.fallAsleep();
      await time.pass(time.nowMs + milliseconds);
      machine.wakeUp();
      process.resume("timer");
    },
  };
  return world;
}
