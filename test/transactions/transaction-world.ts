import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend, Capabilities, Operation } from "../../src/core/backend.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { pass } from "../counters/counter-world.ts";
import { pausableProcess } from "../locks/pausable-process.ts";

export { pass };

/** A request of a client: what it asks for, and how often it has asked for that before. */
export interface Request {
  readonly kind: "commit" | "get" | "time";
  readonly operations: readonly Operation[];
  readonly keys: readonly string[];
}

/** Called instead of a request, with the real thing to call. */
export type Spoiler = (request: Request, send: () => Promise<unknown>) => Promise<unknown>;

/** One process: what it asks for is counted, and can be spoilt. It can be stopped. */
export interface Client {
  readonly coordinator: Coordinator;
  readonly counts: Record<Request["kind"], number>;
  resetCounts(): void;
  /** Replaces the spoiler; `undefined` lets requests through. */
  spoil(spoiler: Spoiler | undefined): void;
  pause(): void;
  resume(first?: "timers" | "answers"): void;
}

/** Clients of one store in memory, which reads several keys one after the other, on one virtual time. */
export interface World {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  readonly clients: readonly Client[];
  client(index: number): Client;
}

/** What differs from a world of one client. */
export interface WorldOptions {
  readonly clients?: number;
  readonly seed?: number;
  readonly tripMs?: number;
  readonly capabilities?: Partial<Capabilities>;
}

/** Makes a {@link World}. */
export function createWorld(options: WorldOptions = {}): World {
  const runtime = createVirtualRuntime({ seed: options.seed ?? 1 });
  const store = memoryBackend({ runtime });
  const oneWayMs = (options.tripMs ?? 1) / 2;
  const makeClient = (): Client => {
    const counts = { commit: 0, get: 0, time: 0 };
    let spoiler: Spoiler | undefined;
    const travel = <T>(request: Request, work: () => Promise<T>): Promise<T> => {
      counts[request.kind] += 1;
      const send = async (): Promise<T> => {
        await pass(runtime, oneWayMs);
        try {
          return await work();
        } finally {
          await pass(runtime, oneWayMs);
        }
      };
      return (spoiler === undefined ? send() : spoiler(request, send)) as Promise<T>;
    };
    const none = { operations: [], keys: [] };
    const link: Backend = {
      kind: store.kind,
      capabilities: { ...store.capabilities, ...options.capabilities },
      setup: (how) => store.setup(how),
      // As over NATS and DynamoDB: each key for itself, at a moment of its own.
      get: (keys) =>
        travel({ ...none, kind: "get", keys }, () =>
          Promise.all(
            keys.map(async (key) => {
              if (keys.length > 1) await pass(runtime, 2 * oneWayMs * runtime.random());
              const [record = null] = await store.get([key]);
              return record;
            }),
          ),
        ),
      scan: (prefix, page) => store.scan(prefix, page),
      commit: (operations, how) =>
        travel({ ...none, kind: "commit", operations }, () => store.commit(operations, how)),
      add: (key, delta, operation) => store.add(key, delta, operation),
      time: () => travel({ ...none, kind: "time" }, () => store.time()),
      watch: (prefix, listener) => store.watch(prefix, listener),
      wake: (to, hint) => store.wake(to, hint),
      onWake: (to, listener) => store.onWake(to, listener),
      close: () => store.close(),
    };
    const { process, backend } = pausableProcess(runtime, link);
    return {
      coordinator: createCoordinator(backend, { runtime: process }),
      counts,
      resetCounts: () => void Object.assign(counts, { commit: 0, get: 0, time: 0 }),
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

/** Lets virtual time pass until the work is over, and answers what it answers. */
export async function toEnd<T>({ runtime }: World, work: Promise<T>): Promise<T> {
  let isOver = false;
  const mark = (): void => {
    isOver = true;
  };
  work.then(mark, mark);
  for (let step = 0; step < 20_000 && !isOver; step += 1) await runtime.advance(20);
  if (!isOver) throw new Error("expected the work to end");
  return work;
}

/** How it ends: with its value, or with the code of its error. */
export async function ending<T>(world: World, work: Promise<T>): Promise<T | string> {
  const ended = work.catch((error: { readonly code?: string }) => error.code ?? String(error));
  return toEnd(world, ended);
}
