import { hostname } from "node:os";
import { type Administration, createAdministration } from "./administration/administration.ts";
import { type Barrier, createBarrier } from "./barriers/barrier.ts";
import { createLatch, type Latch } from "./barriers/latch.ts";
import type { Coordinator, CoordinatorOptions } from "./coordinator.ts";
import type { Backend, Unsubscribe } from "./core/backend.ts";
import { ClosedError, InvalidArgumentError } from "./core/errors.ts";
import { type CoordinatorEvent, type CoordinatorEvents, Events, type HoldWrapper } from "./core/events.ts";
import { checkName, recordKey } from "./core/names.ts";
import { type Runtime, startSleep, systemRuntime } from "./core/runtime.ts";
import type { Counter } from "./counters/counter.ts";
import type { BigintCounterOptions, CounterOptions } from "./counters/counter-options.ts";
import { createBigintCounter, createCounter } from "./counters/create-counter.ts";
import { createElection, type Election, type ElectionOptions } from "./elections/election.ts";
import { createGroup, type Group, type GroupOptions } from "./groups/group.ts";
import { createKeyValue } from "./kv/create-key-value.ts";
import type { Entry, Leave, Updated, UpdateOptions } from "./kv/entry.ts";
import type { KeyValue, KeyValueOptions } from "./kv/key-value.ts";
import type { KeyValueHost } from "./kv/typed-entries.ts";
import {
  type ConcurrencyLimiter,
  type ConcurrencyLimiterOptions,
  createConcurrencyLimiter,
} from "./limiters/concurrency-limiter.ts";
import { createRateLimiter, type RateLimiterOptions } from "./limiters/create-rate-limiter.ts";
import type { RateLimiter } from "./limiters/rate-limiter.ts";
import { createLock, type Lock, type LockOptions } from "./locks/lock.ts";
import { createMultiLock, type MultiLock } from "./locks/multi-lock.ts";
import { createReadWriteLock, type ReadWriteLock } from "./locks/read-write-lock.ts";
import { createSemaphore, type Semaphore, type SemaphoreOptions } from "./locks/semaphore.ts";
import { type OnceOptions, type OnceWork, once } from "./once/once.ts";
import type { RecordHost } from "./records/record-host.ts";
import { RecordPool } from "./records/record-pool.ts";
import { StoreClock } from "./records/store-clock.ts";
import type { HeldGrant } from "./roster/grant.ts";
import type { RosterHost, RosterName } from "./roster/roster-host.ts";
import { RosterQueues } from "./roster/roster-queues.ts";
import { createSchedule, type Schedule } from "./schedules/schedule.ts";
import type { ScheduleOptions } from "./schedules/schedule-options.ts";
import { createSequence, type GapFreeSequence, type SequenceOptions } from "./sequences/sequence.ts";
import { createWorkerIds, type WorkerIds, type WorkerIdsOptions } from "./sequences/worker-ids.ts";
import type { Owned } from "./sessions/renewal-loop.ts";
import { SessionObserver } from "./sessions/session-observer.ts";
import { SessionPool } from "./sessions/session-pool.ts";
import { parseTtl } from "./sessions/ttl.ts";
import { runTransaction } from "./transactions/run-transaction.ts";
import type { Transaction, TransactionOptions } from "./transactions/transaction.ts";
import { createLockManager, type LockManager } from "./web-locks/lock-manager.ts";

/** The key-value namespace of keys that are given to the coordinator itself. */
const defaultStore = "default";
const inspectCustom = Symbol.for("nodejs.util.inspect.custom");

/** The {@link Coordinator} over a backend. What it owns is closed with it. */
export class OpenCoordinator implements Coordinator {
  readonly lockManager: LockManager;
  readonly inspect: Administration["inspect"];
  readonly list: Administration["list"];
  readonly forceRelease: Administration["forceRelease"];
  readonly requestRevoke: Administration["requestRevoke"];
  readonly backend: Backend;
  readonly #runtime: Runtime;
  readonly #ttlMs: number;
  readonly #host: RosterHost;
  readonly #sessions: SessionPool;
  readonly #queues: RosterQueues;
  readonly #recordHost: RecordHost;
  readonly #records = new RecordPool();
  readonly #keyValueHost: KeyValueHost;
  readonly #events = new Events();
  readonly #work = new Map<HeldGrant, Promise<unknown>>();
  readonly #owned: Owned;
  #closing: Promise<void> | undefined;

  constructor(backend: Backend, options: CoordinatorOptions, owned: Owned) {
    const { namespace = "default", clientName, driftTolerance = 0.1, runtime = systemRuntime } = options;
    checkName("namespace", namespace);
    if (clientName !== undefined) checkName("clientName", clientName);
    if (!(driftTolerance >= 0 && driftTolerance <= 1)) {
      throw new InvalidArgumentError(
        `driftTolerance must be a number from 0 to 1; got ${String(driftTolerance)}`,
      );
    }
    const name = clientName === undefined ? {} : { name: clientName };
    const client = { host: hostname(), pid: process.pid, ...name };
    const events = this.#events;
    this.backend = backend;
    this.#owned = owned;
    const pooled: RecordHost["pooled"] = (key, make) => this.#records.get(key, make);
    const clock = new StoreClock({ backend, runtime });
    this.#recordHost = { backend, runtime, namespace, clock, pooled };
    this.#runtime = runtime;
    this.#ttlMs = parseTtl(options.ttl ?? "15s");
    const makeRenewal = owned.renewal?.makeRenewal;
    this.#sessions = new SessionPool({ backend, runtime, namespace, client, events, makeRenewal });
    const observer = new SessionObserver({ backend, runtime, namespace, driftTolerance, events });
    const self = `${client.host}/${client.pid}`;
    const sessions = this.#sessions;
    this.#queues = new RosterQueues({ backend, runtime, sessions, observer, self, events });
    const by = clientName === undefined ? self : `${clientName.slice(0, 100)} (${self})`;
    const queues = (): RosterQueues => this.#open();
    const administration = createAdministration({ backend, runtime, namespace, sessions, by, queues });
    ({ inspect: this.inspect, list: this.list } = administration);
    ({ forceRelease: this.forceRelease, requestRevoke: this.requestRevoke } = administration);
    const keyOf = ({ kind, name }: RosterName): string => recordKey(namespace, kind, name);
    this.#host = {
      ...{ backend, runtime, namespace, ttlMs: this.#ttlMs },
      queue: (target) => this.#open().get({ ...target, key: keyOf(target) }),
      inspect: ({ name, kind }) => this.inspect(name, { kind }),
      forceRelease: ({ name, kind }, how) => this.forceRelease(name, { ...how, kind }),
      requestRevoke: ({ name, kind }, how) => this.requestRevoke(name, { ...how, kind }),
      whileHolding: (grants, work) => this.#whileHolding(grants, work),
    };
    this.lockManager = createLockManager(this.#host);
    this.#keyValueHost = {
      records: this.#recordHost,
      inLine: (name, work, signal) =>
        this.lock(name).hold(work, { wait: Number.POSITIVE_INFINITY, ...(signal && { signal }) }),
    };
  }

  lock(name: string, options?: LockOptions): Lock {
    return createLock(this.#host, name, options);
  }

  semaphore(name: string, options?: SemaphoreOptions): Semaphore {
    return createSemaphore(this.#host, name, options);
  }

  readWriteLock(name: string, options?: LockOptions): ReadWriteLock {
    return createReadWriteLock(this.#host, name, options);
  }

  lockAll(names: readonly string[], options?: LockOptions): MultiLock {
    return createMultiLock(this.#host, names, options);
  }

  on<E extends CoordinatorEvent>(event: E, listener: (event: CoordinatorEvents[E]) => void): Unsubscribe {
    return this.#events.on(event, listener);
  }

  wrapHold(wrapper: HoldWrapper): Unsubscribe {
    return this.#events.wrap(wrapper);
  }

  schedule(name: string, options?: ScheduleOptions): Schedule {
    return createSchedule(this.#host, name, options);
  }

  election(name: string, options?: ElectionOptions): Election {
    return createElection(this.#host, name, options, (session) => this.#sessions.owns(session));
  }

  latch(name: string, count: number): Latch {
    return createLatch(this.#host, name, count);
  }

  barrier(name: string, parties: number): Barrier {
    return createBarrier(this.#host, name, parties);
  }

  group(name: string, options?: GroupOptions): Group {
    return createGroup(this.#host, name, options);
  }

  sequence(name: string, options?: SequenceOptions): GapFreeSequence {
    return createSequence(
      { rosters: this.#host, records: this.#recordHost },
      name,
      options,
    ) as GapFreeSequence;
  }

  workerIds(name: string, options?: WorkerIdsOptions): WorkerIds {
    return createWorkerIds({ rosters: this.#host, records: this.#recordHost }, name, options);
  }

  counter(name: string, options?: CounterOptions): Counter {
    return createCounter(this.#recordHost, name, options);
  }

  bigintCounter(name: string, options?: BigintCounterOptions): Counter<bigint> {
    return createBigintCounter(this.#recordHost, name, options);
  }

  rateLimiter(name: string, options: RateLimiterOptions): RateLimiter {
    return createRateLimiter(this.#recordHost, name, options);
  }

  concurrencyLimiter(name: string, options: ConcurrencyLimiterOptions): ConcurrencyLimiter {
    return createConcurrencyLimiter(this.#host, name, options);
  }

  kv<T = unknown, In = T>(namespace: string, options?: KeyValueOptions<T, In>): KeyValue<T, In> {
    return createKeyValue<T, In>(this.#keyValueHost, [namespace], options);
  }

  update<T = unknown>(
    key: string,
    change: (current: T | undefined, entry: Entry<T> | undefined) => T | Leave | Promise<T | Leave>,
    options?: UpdateOptions,
  ): Promise<Updated<T>> {
    return this.kv<T>(defaultStore).update(key, change, options);
  }

  once<R>(key: string, work: OnceWork<R>, options?: OnceOptions<R>): Promise<R> {
    return once({ rosters: this.#host, records: this.#recordHost }, key, work, options);
  }

  transaction<R>(work: (tx: Transaction) => R | PromiseLike<R>, options?: TransactionOptions): Promise<R> {
    const host = {
      ...{ records: this.#recordHost, keyValues: this.#keyValueHost },
      owns: (session: string) => this.#sessions.owns(session),
    };
    return runTransaction(host, work, options);
  }

  setup(): Promise<void> {
    return this.backend.setup();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [inspectCustom](
    _depth: number,
    options: object,
    inspect: (value: object, options: object) => string,
  ): string {
    const { namespace, ttlMs } = this.#host;
    const state = this.#closing === undefined ? "open" : "closed";
    return `Coordinator ${inspect({ backend: this.backend.kind, namespace, ttlMs, state }, options)}`;
  }

  #open(): RosterQueues {
    if (this.#closing !== undefined) throw new ClosedError("the coordinator is closed");
    return this.#queues;
  }

  async #whileHolding<R>(grants: readonly HeldGrant[], work: () => Promise<R>): Promise<R> {
    // Closed between the grant and its delivery: it is being released already.
    this.#open();
    const [first] = grants;
    const fence = Math.max(...grants.map((grant) => grant.fence));
    const subject = { kind: first?.kind ?? "lock", name: grants.map(({ name }) => name).join(", "), fence };
    const running = this.#events.run(subject, work);
    for (const grant of grants) this.#work.set(grant, running);
    try {
      return await running;
    } finally {
      for (const grant of grants) this.#work.delete(grant);
    }
  }

  async #close(): Promise<void> {
    const reason = new ClosedError(
      "the coordinator was closed: what it still held, and what still waited, ends here. Whoever needs it awaits it " +
        "before close(), or before the end of the block of await using",
    );
    this.#queues.rejectWaiting(reason);
    const grants = [...this.#queues.grants()];
    for (const grant of grants) grant.stop(reason);
    const released = grants.filter((grant) => !this.#work.has(grant)).map((grant) => grant.release());
    await this.#patiently([
      ...released,
      ...this.#work.values(),
      this.#queues.settled(),
      this.#records.close(),
    ]);
    await this.#patiently([this.#sessions.close()]);
    await this.#owned.close();
  }

  /** Bounded: a store that does not answer, or work that does not end, leaves the rest to expiry. */
  async #patiently(pending: readonly Promise<unknown>[]): Promise<void> {
    const patience = startSleep(this.#runtime, this.#ttlMs, { holdsProcessOpen: true });
    void Promise.allSettled(pending).then(patience.end);
    await patience.over;
  }
}
