import assert from "node:assert/strict";
import { type Coordinator, createCoordinator } from "../../coordinator.ts";
import type { Backend } from "../../core/backend.ts";
import { OutcomeUnknownError } from "../../core/errors.ts";
import { sleep, systemRuntime } from "../../core/runtime.ts";
import type { Lock } from "../../locks/lock.ts";
import { type ObservedBackend, observeBackend } from "../observed-backend.ts";
import type { ConformanceCase } from "./support.ts";

/** A store for one case of the lock suite. */
export interface LockConformanceStore {
  /**
   * Three clients of the same store, each with its own connection. The same object three times only where the store
   * lives in one object, as for `memory`.
   */
  readonly backends: readonly [Backend, Backend, Backend];
  /** Closes the clients and removes what `create` made. */
  destroy(): Promise<void>;
}

/** What the lock suite needs to know. */
export interface LockConformanceOptions {
  /** A store that is set up. It may be shared between cases: each case uses names of its own. */
  create(): Promise<LockConformanceStore>;
  /** The TTL of the leases, in milliseconds of real time. Default: 1,500. */
  readonly ttlMs?: number;
}

/** One process of a case. */
export interface LockClient {
  readonly backend: ObservedBackend;
  readonly coordinator: Coordinator;
  /** Cuts it off: no request of it is answered any more, as when its machine lost its network. */
  sever(): void;
}

/** What a case of the lock suite has at hand. */
export interface LockCaseContext {
  readonly clients: readonly [LockClient, LockClient, LockClient];
  readonly ttlMs: number;
  /** The namespace of the coordinators; no other case uses it. */
  readonly namespace: string;
  /** The lock `name` as each client sees it. */
  locks(name: string): readonly [Lock, Lock, Lock];
  /** Another coordinator over the backend of client number `index`. Closed with the others. */
  coordinator(index: 0 | 1 | 2, namespace: string): Coordinator;
  /** Resolves once so many stand in the lock's queue. */
  queued(lock: Lock, waiters: number): Promise<void>;
  /** Lets real time pass. */
  pass(delayMs: number): Promise<void>;
}

/** A case before it is bound to a store. */
export interface LockCaseDefinition {
  readonly title: string;
  check(context: LockCaseContext): Promise<void>;
}

const patienceMs = 10_000;
const pauseMs = 10;

/** Makes a case runnable: a store and three clients for it, and their clean-up whatever happens. */
export function bindLockCase(
  { title, check }: LockCaseDefinition,
  { create, ttlMs = 1_500 }: LockConformanceOptions,
): ConformanceCase {
  const run = async (): Promise<void> => {
    const store = await create();
    const namespace = `locks-${systemRuntime.id()}`;
    const reconnects: (() => void)[] = [];
    const others: Coordinator[] = [];
    const clientOf = (backend: Backend): LockClient => {
      const { observed, sever, reconnect } = severable(backend);
      reconnects.push(reconnect);
      return {
        backend: observed,
        coordinator: createCoordinator(observed, { ttl: ttlMs, namespace }),
        sever,
      };
    };
    const [first, second, third] = store.backends;
    const clients = [clientOf(first), clientOf(second), clientOf(third)] as const;
    const context: LockCaseContext = {
      ...{ clients, ttlMs, namespace, queued, pass },
      locks(name) {
        const [one, two, three] = clients;
        return [one.coordinator.lock(name), two.coordinator.lock(name), three.coordinator.lock(name)];
      },
      coordinator(index, ofNamespace) {
        const other = createCoordinator(clients[index].backend, { ttl: ttlMs, namespace: ofNamespace });
        others.push(other);
        return other;
      },
    };
    try {
      await check(context);
    } finally {
      for (const reconnect of reconnects) reconnect();
      await Promise.all(
        [...clients.map(({ coordinator }) => coordinator), ...others].map((one) => one.close()),
      );
      await store.destroy();
    }
  };
  return { title, run };
}

/** A backend that can be cut off from its store. */
function severable(backend: Backend): {
  readonly observed: ObservedBackend;
  readonly sever: () => void;
  readonly reconnect: () => void;
} {
  let isSevered = false;
  const observed = observeBackend({
    kind: backend.kind,
    get capabilities() {
      return backend.capabilities;
    },
    setup: (options) => backend.setup(options),
    get: (keys, options) => backend.get(keys, options),
    scan: (prefix, page) => backend.scan(prefix, page),
    commit: (operations, options) => backend.commit(operations, options),
    add: (key, delta, operation) => backend.add(key, delta, operation),
    time: () => backend.time(),
    watch: (prefix, listener) => backend.watch(prefix, (hint) => (isSevered ? undefined : listener(hint))),
    wake: (client, hint) => (isSevered ? undefined : backend.wake(client, hint)),
    onWake: (client, listener) => backend.onWake(client, (hint) => (isSevered ? undefined : listener(hint))),
    close: () => backend.close(),
  });
  const waiting: ((error: Error) => void)[] = [];
  return {
    observed,
    sever() {
      isSevered = true;
      observed.intercept(() => new Promise((_resolve, reject) => waiting.push(reject)));
    },
    reconnect() {
      isSevered = false;
      observed.intercept(undefined);
      for (const reject of waiting) reject(new OutcomeUnknownError("the connection was cut"));
    },
  };
}

async function queued(lock: Lock, waiters: number): Promise<void> {
  await until(
    async () => (await lock.inspect())?.waiters.length === waiters,
    () => `${waiters} stand in the queue`,
  );
}

function pass(delayMs: number): Promise<void> {
  return sleep(systemRuntime, delayMs, { holdsProcessOpen: true });
}

/** Repeats `attempt` until it answers true. Rejects after ten seconds. */
export async function until(attempt: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const startMs = systemRuntime.monotonicMs();
  while (!(await attempt())) {
    assert.ok(systemRuntime.monotonicMs() - startMs < patienceMs, `waited in vain: ${what()}`);
    await pass(pauseMs);
  }
}

/** Rejects unless `promise` rejects with a leasehold error of this code. */
export async function assertCode(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal((error as { code?: unknown }).code, code, String(error));
    return true;
  });
}

/** Rejects unless nobody holds or waits for the lock, once what still runs in the background has ended. */
export async function assertEmpty(lock: Lock): Promise<void> {
  await until(
    async () => {
      const inspection = await lock.inspect();
      return inspection === null || inspection.holders.length + inspection.waiters.length === 0;
    },
    () => `nobody holds or waits for ${lock.name}`,
  );
}
