import type { AddressInfo } from "node:net";
import { memoryBackend } from "../../src/backends/memory/index.ts";
import { UnavailableError } from "../../src/core/errors.ts";
import { systemRuntime } from "../../src/core/runtime.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { type ObservedBackend, observeBackend } from "../../src/testing/observed-backend.ts";

/** One store, as several instances of a service see it. */
export interface SharedStore extends AsyncDisposable {
  /** The store as the first instance sees it: counts its requests. */
  readonly backend: ObservedBackend;
  /** One for each instance. */
  readonly coordinators: readonly [Coordinator, Coordinator];
  /** Lets time pass on the clocks of everybody, the store's too. */
  pass(milliseconds: number): void;
  /** Whether the store is away from now on. */
  setAway(isAway: boolean): void;
}

/**
 * Makes a store in memory and two coordinators of it. Their time passes only by `pass`, so that a slow machine changes
 * nothing; timers run as ever.
 */
export function sharedStore(options: { readonly runsByItself?: boolean } = {}): SharedStore {
  let passedMs = 0;
  let isAway = false;
  const startedAtMs = systemRuntime.monotonicMs();
  const wallStartedAtMs = systemRuntime.wallMs();
  const elapsedMs = (): number =>
    passedMs + (options.runsByItself === true ? systemRuntime.monotonicMs() - startedAtMs : 0);
  const runtime = {
    ...systemRuntime,
    monotonicMs: () => startedAtMs + elapsedMs(),
    wallMs: () => wallStartedAtMs + elapsedMs(),
  };
  const store = memoryBackend({ runtime });
  const view = (): ObservedBackend => {
    const backend = observeBackend(store);
    backend.intercept((_request, send) =>
      isAway ? Promise.reject(new UnavailableError("the store is away")) : send(),
    );
    return backend;
  };
  const backend = view();
  const coordinators = [
    createCoordinator(backend, { runtime }),
    createCoordinator(view(), { runtime }),
  ] as const;
  return {
    backend,
    coordinators,
    pass(milliseconds) {
      passedMs += milliseconds;
    },
    setAway(next) {
      isAway = next;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(coordinators.map((coordinator) => coordinator.close()));
    },
  };
}

/** The address of a server that listens. */
export function urlOf(server: { address(): AddressInfo | string | null }): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends this many requests at once, in turn to each of the addresses. Answers how often each status came. */
export async function storm(urls: readonly string[], count: number): Promise<Record<number, number>> {
  const requests = Array.from({ length: count }, async (_, index) => {
    const response = await fetch(urls[index % urls.length] as string);
    await response.arrayBuffer();
    return response.status;
  });
  const statuses: Record<number, number> = {};
  for (const status of await Promise.all(requests)) statuses[status] = (statuses[status] ?? 0) + 1;
  return statuses;
}

/** The statuses of requests that are sent one after another. */
export async function oneByOne(url: string, count: number): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const response = await fetch(url);
    await response.arrayBuffer();
    statuses.push(response.status);
  }
  return statuses;
}
