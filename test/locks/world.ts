import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend, Capabilities } from "../../src/core/backend.ts";
import { recordKey } from "../../src/core/names.ts";
import { type Coordinator, createCoordinator, type Lock } from "../../src/index.ts";
import { emptyRoster, type Roster } from "../../src/roster/roster.ts";
import { decodeRoster } from "../../src/roster/roster-record.ts";
import { decodeSession, type SessionRecord } from "../../src/sessions/session-record.ts";
import { type ObservedBackend, observeBackend } from "../../src/testing/observed-backend.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { pausableProcess } from "./pausable-process.ts";

/** One process of a world: it can be stopped, and its requests counted and spoilt. */
export interface Client {
  /** Counts what the process asks for; an interceptor spoils it. */
  readonly backend: ObservedBackend;
  readonly coordinator: Coordinator;
  /** The lock that the tests are about. */
  readonly lock: Lock;
  /** Stops the process: no timer fires, no answer and no hint reaches it. Clocks and the store go on. */
  pause(): void;
  /** Lets it go on: what came meanwhile reaches it, timers first or answers first, as the event loop happens to. */
  resume(first?: "timers" | "answers"): void;
}

/** Clients of one store in memory, on one virtual time. */
export interface World {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  readonly clients: readonly Client[];
  /** Client number `index`. */
  client(index: number): Client;
  /** The roster of the tests' lock as it stands in the store. */
  roster(): Promise<Roster>;
  /** All session records as they stand in the store. */
  sessions(): Promise<readonly SessionRecord[]>;
}

/** What differs from a world of two clients. */
export interface WorldOptions {
  readonly clients?: number;
  /** The TTL of client number `index`. */
  readonly ttlMs?: number | ((index: number) => number);
  readonly capabilities?: Partial<Capabilities>;
  readonly driftTolerance?: number;
}

/** The TTL of most tests. */
export const ttlMs = 9_000;
/** How long a session stands still until an observer may declare it dead. */
export const deathMs = ttlMs * 1.1;
/** The name of the lock that the tests are about. */
export const lockName = "job";

/** Makes a {@link World}. */
export function createWorld(options: WorldOptions = {}): World {
  const runtime = createVirtualRuntime();
  const memory = memoryBackend({ runtime });
  const store: Backend =
    options.capabilities === undefined ? memory : withCapabilities(memory, options.capabilities);
  const makeClient = (index: number): Client => {
    const backend = observeBackend(store);
    const { process, backend: reachable } = pausableProcess(runtime, backend);
    const ttl = typeof options.ttlMs === "function" ? options.ttlMs(index) : (options.ttlMs ?? ttlMs);
    const { driftTolerance } = options;
    const coordinator = createCoordinator(reachable, {
      ...{ runtime: process, ttl },
      ...(driftTolerance !== undefined && { driftTolerance }),
    });
    const { pause, resume } = process;
    return { backend, coordinator, lock: coordinator.lock(lockName), pause, resume };
  };
  const clients = Array.from({ length: options.clients ?? 2 }, (_, index) => makeClient(index));
  return {
    runtime,
    store,
    clients,
    client: (index) => clients[index] as Client,
    async roster() {
      const [record] = await store.get([lockKey]);
      return record == null ? emptyRoster(1) : decodeRoster(record.key, record.value).roster;
    },
    async sessions() {
      const { records } = await store.scan("default.session.", { limit: 1_000 });
      return records.map((record) => decodeSession(record.key, record.value));
    },
  };
}

/** The key of the record behind the tests' lock. */
export const lockKey = recordKey("default", "lock", lockName);

/** The same store, which declares something else, and keeps what it declares not to have from its clients. */
export function withCapabilities(backend: Backend, changes: Partial<Capabilities>): Backend {
  const capabilities = { ...backend.capabilities, ...changes };
  const without = () => () => undefined;
  return {
    kind: backend.kind,
    capabilities,
    setup: (options) => backend.setup(options),
    get: (keys, options) => backend.get(keys, options),
    scan: (prefix, page) => backend.scan(prefix, page),
    commit: (operations, options) => backend.commit(operations, options),
    add: (key, delta, operation) => backend.add(key, delta, operation),
    time: () => backend.time(),
    watch: capabilities.watch === "push" ? (prefix, listener) => backend.watch(prefix, listener) : without,
    wake: (client, hint) => (capabilities.wake ? backend.wake(client, hint) : undefined),
    onWake: capabilities.wake ? (client, listener) => backend.onWake(client, listener) : without,
    close: () => backend.close(),
  };
}

/** What became of a promise, and when. Never rejects, and keeps rejections from being unhandled. */
export interface Outcome<T> {
  state: "pending" | "resolved" | "rejected";
  value: T | undefined;
  error: unknown;
  atMs: number;
}

/** Follows a promise while virtual time passes. */
export function track<T>(runtime: VirtualRuntime, promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = { state: "pending", value: undefined, error: undefined, atMs: Number.NaN };
  promise.then(
    (value) => Object.assign(outcome, { state: "resolved", value, atMs: runtime.monotonicMs() }),
    (error: unknown) => Object.assign(outcome, { state: "rejected", error, atMs: runtime.monotonicMs() }),
  );
  return outcome;
}

/** The value of a promise that must be resolved by now. */
export async function now<T>(runtime: VirtualRuntime, promise: Promise<T>): Promise<T> {
  const outcome = track(runtime, promise);
  await runtime.settle();
  if (outcome.state === "pending") throw new Error("expected an answer without any time passing");
  return promise;
}
