import { memoryBackend } from "../../src/backends/memory/index.ts";
import type { Backend, CommitResult, StoredRecord } from "../../src/core/backend.ts";
import { OutcomeUnknownError, UnavailableError } from "../../src/core/errors.ts";
import { type Coordinator, createCoordinator } from "../../src/index.ts";
import { createVirtualRuntime, type VirtualRuntime } from "../../src/testing/virtual-runtime.ts";
import { type PausableRuntime, pausableProcess } from "../locks/pausable-process.ts";

/** What happens to a request. Held back: until the fault ends. */
export type Accident = "lost before" | "lost after" | "applied late" | "held back" | undefined;

/** A request of a process. */
export interface Request {
  readonly kind: "get" | "commit" | "add" | "time";
  readonly keys: readonly string[];
  readonly delta?: number;
}

/** One process of a world. */
export interface Client {
  readonly coordinator: Coordinator;
  readonly process: PausableRuntime;
  /** What it asked for, but for sessions, since the last time that this was emptied. */
  readonly requests: Request[];
  /** Decides what happens to each request, but for sessions. */
  strike(choose: ((request: Request) => Accident) | undefined): void;
  /** Lets what is held back, or late, through now. */
  letThrough(): Promise<void>;
  /** It dies: nothing of it runs or reaches the store any more. */
  crash(): void;
}

/** Processes over one store in memory, on one virtual time. */
export interface World {
  readonly runtime: VirtualRuntime;
  readonly store: Backend;
  /** One more process. */
  client(options?: { readonly wallOffsetMs?: number; readonly ttlMs?: number }): Client;
}

/** The TTL of leases in these tests. */
export const ttlMs = 9_000;

/** Makes a {@link World}. */
export function createWorld(seed = 1): World {
  const runtime = createVirtualRuntime({ seed });
  const store = memoryBackend({ runtime });
  return { runtime, store, client: (options = {}) => makeClient(runtime, store, options) };
}

function makeClient(
  runtime: VirtualRuntime,
  store: Backend,
  options: { readonly wallOffsetMs?: number; readonly ttlMs?: number },
): Client {
  const requests: Request[] = [];
  const held: (() => Promise<unknown>)[] = [];
  let choose: ((request: Request) => Accident) | undefined;
  let isDead = false;
  const send = async <R>(request: Request, go: () => Promise<R>): Promise<R> => {
    if (isDead) return new Promise(() => undefined);
    if (request.keys.every((key) => key.includes(".session."))) return go();
    requests.push(request);
    const accident = choose?.(request);
    if (accident === undefined) return go();
    if (accident === "lost before") throw new UnavailableError("a test lost the request");
    if (accident === "applied late") {
      held.push(() => go().catch(() => undefined));
      throw new OutcomeUnknownError("a test keeps the request on its way");
    }
    if (accident === "held back") {
      return new Promise((resolve, reject) => held.push(() => go().then(resolve, reject)));
    }
    await go();
    throw new OutcomeUnknownError("a test lost the answer");
  };
  const struck: Backend = {
    kind: store.kind,
    capabilities: store.capabilities,
    setup: (how) => store.setup(how),
    get: (keys, how) =>
      send<readonly (StoredRecord | null)[]>({ kind: "get", keys }, () => store.get(keys, how)),
    scan: (prefix, page) => store.scan(prefix, page),
    commit: (operations, how) =>
      send<CommitResult>({ kind: "commit", keys: operations.map(({ key }) => key) }, () =>
        store.commit(operations, how),
      ),
    add: (key, delta, operation) =>
      send({ kind: "add", keys: [key], delta }, () => store.add(key, delta, operation)),
    time: () => send({ kind: "time", keys: [""] }, () => store.time()),
    watch: (prefix, listener) => store.watch(prefix, (hint) => (isDead ? undefined : listener(hint))),
    wake: (client, hint) => (isDead ? undefined : store.wake(client, hint)),
    onWake: (client, listener) => store.onWake(client, (hint) => (isDead ? undefined : listener(hint))),
    close: async () => undefined,
  };
  const { process, backend } = pausableProcess(runtime, struck);
  const skewed: PausableRuntime = {
    ...process,
    wallMs: () => process.wallMs() + (options.wallOffsetMs ?? 0),
  };
  const coordinator = createCoordinator(backend, { runtime: skewed, ttl: options.ttlMs ?? ttlMs });
  return {
    ...{ coordinator, process: skewed, requests },
    strike(next) {
      choose = next;
    },
    async letThrough() {
      choose = undefined;
      for (const go of held.splice(0)) await go();
    },
    crash() {
      isDead = true;
      process.pause();
    },
  };
}
