import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { recordKey } from "../../src/core/names.ts";
import {
  type Coordinator,
  createCoordinator,
  type Decision,
  type RateLimiter,
  type RateLimiterOptions,
} from "../../src/index.ts";
import { type ObservedBackend, observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { pausableProcess } from "../locks/pausable-process.ts";
import { pass, slow } from "../records/record-world.ts";

/** One process that limits: its requests are counted and can be spoilt, and its clocks are its own. */
export interface LimiterClient {
  readonly backend: ObservedBackend;
  readonly coordinator: Coordinator;
  limiter(options: RateLimiterOptions, name?: string): RateLimiter;
  /** Sets its wall clock, and no other, forward or back. */
  jumpWall(milliseconds: number): void;
  pause(): void;
  resume(first?: "timers" | "answers"): void;
  /** Its machine sleeps: its monotonic clock stands still. */
  sleepMachine(milliseconds: number): Promise<void>;
}

/** Clients of one store in memory, whose clock is the true one, on one virtual time. */
export interface LimiterWorld {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  readonly clients: readonly LimiterClient[];
  client(index: number): LimiterClient;
  /** What the store's clock shows. */
  nowMs(): number;
  /** The record of a key as it stands in the store. */
  stored(key?: string, name?: string): Promise<unknown>;
}

/** Makes a {@link LimiterWorld}. */
export function createLimiterWorld(
  options: {
    readonly clients?: number;
    readonly seed?: number;
    /** How long a request takes. Default 2 ms. */
    readonly tripMs?: number;
  } = {},
): LimiterWorld {
  const runtime = createVirtualRuntime({ seed: options.seed ?? 1 });
  const store = memoryBackend({ runtime });
  const oneWayMs = (options.tripMs ?? 2) / 2;
  const makeClient = (): LimiterClient => {
    const backend = observeBackend(slow(store, runtime, oneWayMs));
    const { process, backend: reachable } = pausableProcess(runtime, backend);
    let wallShiftMs = 0;
    let sleptMs = 0;
    const own = {
      ...process,
      wallMs: () => process.wallMs() + wallShiftMs,
      monotonicMs: () => process.monotonicMs() - sleptMs,
    };
    const coordinator = createCoordinator(reachable, { runtime: own });
    return {
      ...{ backend, coordinator, pause: process.pause, resume: process.resume },
      limiter: (how, name = "api") => coordinator.rateLimiter(name, how),
      jumpWall(milliseconds) {
        wallShiftMs += milliseconds;
      },
      async sleepMachine(milliseconds) {
        process.pause();
        await pass(runtime, milliseconds);
        sleptMs += milliseconds;
        process.resume("timers");
      },
    };
  };
  const clients = Array.from({ length: options.clients ?? 1 }, makeClient);
  return {
    ...{ runtime, store, clients },
    client: (index) => clients[index] as LimiterClient,
    nowMs: () => runtime.wallMs(),
    async stored(key = "k", name = "api") {
      const [record] = await store.get([recordOf(key, name)]);
      return record == null ? null : JSON.parse(Buffer.from(record.value).toString());
    },
  };
}

/** The key of the record behind a key of a limiter. */
export function recordOf(key = "k", name = "api"): string {
  return recordKey("default", "rate-limit", `${name}/${key}`);
}

/** The value of a promise that settles within so much virtual time. */
export async function within<T>(runtime: VirtualRuntime, promise: Promise<T>, delayMs = 20): Promise<T> {
  let isSettled = false;
  const mark = (): void => {
    isSettled = true;
  };
  promise.then(mark, mark);
  for (let passedMs = 0; passedMs < delayMs && !isSettled; passedMs += 1) await runtime.advance(1);
  if (!isSettled) throw new Error(`expected an answer within ${delayMs} ms`);
  return promise;
}

/** How many were allowed. */
export function allowedOf(decisions: readonly Decision[]): number {
  return decisions.filter(({ allowed }) => allowed).length;
}
