import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend } from "../../src/core/backend.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { pausableProcess } from "../locks/pausable-process.ts";

/** What a client asks of the store. */
export type Request = "add" | "commit" | "get" | "time";

type Send = () => Promise<unknown>;

/** Called instead of a request, with the real thing to call. */
export type Spoiler = (request: Request, send: Send, nth: number) => Promise<unknown>;

/** One process: what it asks for is counted, and can be spoilt. It can be stopped. */
export interface Client {
  readonly coordinator: Coordinator;
  /** Requests since the beginning, or the last `reset`. */
  readonly counts: Record<Request, number>;
  resetCounts(): void;
  /** Replaces the spoiler; `undefined` lets requests through. */
  spoil(spoiler: Spoiler | undefined): void;
  pause(): void;
  resume(first?: "timers" | "answers"): void;
  /** Sets its wall clock, and no other, forward or back. */
  jumpWall(milliseconds: number): void;
}

/** Clients of one store in memory, on one virtual time. */
export interface World {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  readonly clients: readonly Client[];
  client(index: number): Client;
}

/** How long a request to the store takes, if not said otherwise. */
export const tripMs = 1;

/** Makes a {@link World}. */
export function createWorld(
  options: { readonly clients?: number; readonly seed?: number; readonly tripMs?: number } = {},
): World {
  const runtime = createVirtualRuntime({ seed: options.seed ?? 1 });
  const store = memoryBackend({ runtime });
  const oneWayMs = (options.tripMs ?? tripMs) / 2;
  const makeClient = (): Client => {
    const counts = { add: 0, commit: 0, get: 0, time: 0 };
    let spoiler: Spoiler | undefined;
    const travel = <T>(request: Request, work: () => Promise<T>): Promise<T> => {
      counts[request] += 1;
      const send = async (): Promise<T> => {
        await pass(runtime, oneWayMs);
        try {
          return await work();
        } finally {
          await pass(runtime, oneWayMs);
        }
      };
      return (spoiler === undefined ? send() : spoiler(request, send, counts[request])) as Promise<T>;
    };
    const link: Backend = {
      kind: store.kind,
      capabilities: store.capabilities,
      setup: (how) => store.setup(how),
      get: (keys) => travel("get", () => store.get(keys)),
      scan: (prefix, page) => store.scan(prefix, page),
      commit: (operations) => travel("commit", () => store.commit(operations)),
      add: (key, delta, operation) => travel("add", () => store.add(key, delta, operation)),
      time: () => travel("time", () => store.time()),
      watch: (prefix, listener) => store.watch(prefix, listener),
      wake: (to, hint) => store.wake(to, hint),
      onWake: (to, listener) => store.onWake(to, listener),
      close: () => store.close(),
    };
    const { process, backend } = pausableProcess(runtime, link);
    let skewMs = 0;
    const ownRuntime = { ...process, wallMs: () => process.wallMs() + skewMs };
    return {
      coordinator: createCoordinator(backend, { runtime: ownRuntime }),
      jumpWall(milliseconds) {
        skewMs += milliseconds;
      },
      counts,
      resetCounts: () => void Object.assign(counts, { add: 0, commit: 0, get: 0, time: 0 }),
      spoil(next) {
        spoiler = next;
      },
      pause: process.pause,
      resume: process.resume,
    };
  };
  const clients = Array.from({ length: options.clients ?? 1 }, makeClient);
  return { runtime, store, clients, client: (index) => clients[index] as Client };
}

/** Lets virtual time pass within the world. */
export function pass(runtime: VirtualRuntime, delayMs: number): Promise<void> {
  return new Promise((resolve) => runtime.schedule(delayMs, resolve));
}

/** The value of a promise that settles within so much virtual time. */
export async function within<T>(runtime: VirtualRuntime, promise: Promise<T>, delayMs = 10): Promise<T> {
  let isSettled = false;
  const mark = (): void => {
    isSettled = true;
  };
  promise.then(mark, mark);
  await runtime.advance(delayMs);
  if (!isSettled) throw new Error(`expected an answer within ${delayMs} ms`);
  return promise;
}

/** How a promise ends: with its value, or with the code of its error. */
export async function ending<T>(promise: Promise<T>): Promise<T | string> {
  return promise.catch((error: { readonly code?: string }) => error.code ?? String(error));
}

/** Spoils the first `times` requests of one kind. */
export function first(kind: Request, times: number, spoiler: Spoiler): Spoiler {
  let left = times;
  return (request, send, nth) => {
    if (request !== kind || left === 0) return send();
    left -= 1;
    return spoiler(request, send, nth);
  };
}
