import type { Administration } from "./administration/administration.ts";
import type { Barrier } from "./barriers/barrier.ts";
import type { Latch } from "./barriers/latch.ts";
import type { Backend, Unsubscribe } from "./core/backend.ts";
import { type Duration, describe } from "./core/durations.ts";
import { InvalidArgumentError } from "./core/errors.ts";
import type { CoordinatorEvent, CoordinatorEvents, HoldWrapper } from "./core/events.ts";
import { checkOptions } from "./core/options.ts";
import type { Runtime } from "./core/runtime.ts";
import type { Counter } from "./counters/counter.ts";
import type { BigintCounterOptions, CounterOptions } from "./counters/counter-options.ts";
import type { Election, ElectionOptions } from "./elections/election.ts";
import type { Group, GroupOptions } from "./groups/group.ts";
import type { Entry, Leave, Updated, UpdateOptions } from "./kv/entry.ts";
import type {
  KeyValue,
  KeyValueCodecOptions,
  KeyValueOptions,
  KeyValueSchemaOptions,
} from "./kv/key-value.ts";
import type { ConcurrencyLimiter, ConcurrencyLimiterOptions } from "./limiters/concurrency-limiter.ts";
import type { RateLimiterOptions } from "./limiters/create-rate-limiter.ts";
import type { RateLimiter } from "./limiters/rate-limiter.ts";
import type { Lock, LockOptions } from "./locks/lock.ts";
import type { MultiLock } from "./locks/multi-lock.ts";
import type { ReadWriteLock } from "./locks/read-write-lock.ts";
import type { Semaphore, SemaphoreOptions } from "./locks/semaphore.ts";
import type { OnceOptions, OnceWork } from "./once/once.ts";
import { OpenCoordinator } from "./open-coordinator.ts";
import type { Schedule } from "./schedules/schedule.ts";
import type { ScheduleOptions } from "./schedules/schedule-options.ts";
import type { GapFreeSequence, Sequence, SequenceOptions } from "./sequences/sequence.ts";
import type { WorkerIds, WorkerIdsOptions } from "./sequences/worker-ids.ts";
import type { Owned } from "./sessions/renewal-loop.ts";
import type { Transaction, TransactionOptions } from "./transactions/transaction.ts";
import type { LockManager } from "./web-locks/lock-manager.ts";

/** Options of {@link createCoordinator}. */
export interface CoordinatorOptions {
  /**
   * The default TTL of leases: how long what this process holds outlives it when it dies. From 100 ms to 1 day;
   * default 15 s. A heartbeat is sent every third of it.
   */
  readonly ttl?: Duration;
  /** Keeps the names of one application apart from another's in the same store. Default: `default`. */
  readonly namespace?: string;
  /** Shown to those who inspect what this process holds, next to its host and process id. */
  readonly clientName?: string;
  /**
   * By how much the clock rates of two machines may differ, as a fraction: an observer waits this much longer than
   * a TTL before it declares a silent session dead. From 0 to 1; default 0.1.
   */
  readonly driftTolerance?: number;
  /** Clocks, timers and randomness; for tests. */
  readonly runtime?: Runtime;
}

/**
 * The entry point: one backend, the liveness of this process in it, and factories for the primitives.
 *
 * Use one for each process and store. All that it holds shares one heartbeat for each TTL.
 */
export interface Coordinator extends Administration, AsyncDisposable {
  /**
   * The lock of this name: any Unicode string of 1 to 1,024 bytes. Costs nothing; asks nobody.
   *
   * @throws InvalidArgumentError for an illegal name or TTL.
   */
  lock(name: string, options?: LockOptions): Lock;
  /** The semaphore of this name. @throws InvalidArgumentError for an illegal name, number of permits or TTL. */
  semaphore(name: string, options?: SemaphoreOptions): Semaphore;
  /** The read-write lock of this name. @throws InvalidArgumentError for an illegal name or TTL. */
  readWriteLock(name: string, options?: LockOptions): ReadWriteLock;
  /**
   * Several locks, which are had together or not at all. A name that stands there twice is taken once.
   *
   * @throws InvalidArgumentError for no names, more than 100, illegal ones, or an illegal TTL.
   */
  lockAll(names: readonly string[], options?: LockOptions): MultiLock;
  /** The locks of the Web Locks standard: what runs with `navigator.locks` runs with this, across machines. */
  readonly lockManager: LockManager;
  /** The store that this coordinator works on; `leasehold/nats` and `leasehold/dynamodb` get at its native client. */
  readonly backend: Backend;
  /** Values of a codec's type; see the last form. */
  kv<T, In = T>(namespace: string, options: KeyValueCodecOptions<T, In>): KeyValue<T, In>;
  /** Values of a schema's types, whatever the codec beneath it; see the last form. */
  kv<T, In = T>(namespace: string, options: KeyValueSchemaOptions<T, In>): KeyValue<T, In>;
  /**
   * Typed values under keys, in a namespace of their own; see {@link KeyValue}. Costs nothing; asks nobody.
   *
   * @throws InvalidArgumentError for an illegal name or option.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const sessions = coordinator.kv<{ user: string }>("sessions", { ttl: "30m" });
   * await sessions.set("s-1", { user: "ada" });
   * console.log((await sessions.get("s-1"))?.value.user); // ada
   * console.log((await sessions.setIfAbsent("s-1", { user: "bob" })).committed); // false
   * ```
   */
  kv<T = unknown, In = T>(namespace: string, options?: KeyValueOptions<T, In>): KeyValue<T, In>;
  /** `update` of the entry with this key in the key-value namespace `default`. */
  update<T = unknown>(
    key: string,
    change: (current: T | undefined, entry: Entry<T> | undefined) => T | Leave | Promise<T | Leave>,
    options?: UpdateOptions,
  ): Promise<Updated<T>>;
  /**
   * Runs `work` once for this key over all processes: the first result is stored, and everybody else gets that one. Who
   * comes meanwhile waits for it. A repeat costs one read, the first call one read and two writes. Work that throws
   * stores nothing. Only the result is stored once: work may begin again after a crash, see `docs/once.md`.
   *
   * @throws InProgressError (`IN_PROGRESS`) when somebody is at work and `wait` is over.
   * @throws FingerprintMismatchError (`FINGERPRINT_MISMATCH`) when the key was used with another `fingerprint`.
   * @throws LeaseLostError (`LEASE_LOST`) when the work ran, and its result is not the one that counts.
   * @throws LimitExceededError, InvalidValueError, to every caller of the key, when the work ran and its result cannot be
   * stored; InvalidArgumentError, AbortedError, and what the store and `work` throw.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const pay = () => coordinator.once("payment-42", async () => ({ receipt: Math.random() }));
   * console.log((await pay()).receipt === (await pay()).receipt); // true
   * ```
   */
  once<R>(key: string, work: OnceWork<R>, options?: OnceOptions<R>): Promise<R>;
  /**
   * Software transactional memory: runs the function, which reads and writes any entries of any namespaces, and then commits
   * what it wrote if nothing of what it read has changed meanwhile; else it runs it anew. So it may run more than once, and
   * what it does besides must be safe to repeat. All or nothing, exactly once, and as if one transaction came after the other,
   * in every process. Answers what the function answers; what it throws ends the transaction, and nothing is applied.
   *
   * @throws ContentionError when others came in between each time. LeaseLostError when a grant that guards it was lost.
   * @throws UnsupportedError, LimitExceededError for more than the store commits at once; nothing was sent. One key always works.
   * @throws AbortedError for `signal` and `timeout`. OutcomeUnknownError when it could not be found out whether it was applied.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const accounts = coordinator.kv<number>("accounts");
   * await accounts.set("ann", 10);
   * await coordinator.transaction(async (tx) => {
   *   await tx.kv(accounts).increment("ann", -3);
   *   await tx.kv(accounts).increment("bob", 3);
   * });
   * console.log((await accounts.getMany(["ann", "bob"])).map((entry) => entry?.value)); // [ 7, 3 ]
   * ```
   */
  transaction<R>(work: (tx: Transaction) => R | PromiseLike<R>, options?: TransactionOptions): Promise<R>;
  /**
   * Calls `listener` for every event of this name from now on. Nothing is measured while nobody listens, here or on
   * the `node:diagnostics_channel` of the same name with `leasehold:` before it.
   *
   * @throws InvalidArgumentError for an event that there is not.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * coordinator.on("acquired", ({ kind, name, isContended }) => console.log(kind, name, isContended));
   * await coordinator.lock("report").hold(() => undefined); // lock report false
   * ```
   */
  on<E extends CoordinatorEvent>(event: E, listener: (event: CoordinatorEvents[E]) => void): Unsubscribe;
  /**
   * Puts a wrapper around the work of every `hold` from now on, for a span or a log context. It must call and await
   * the work that it is given, once, and answer what that answers.
   */
  wrapHold(wrapper: HoldWrapper): Unsubscribe;
  /** The schedule of this name, each slot of which runs once in the whole fleet. @throws InvalidArgumentError */
  schedule(name: string, options?: ScheduleOptions): Schedule;
  /** The election of this name. Costs nothing; asks nobody. @throws InvalidArgumentError for an illegal name or TTL. */
  election(name: string, options?: ElectionOptions): Election;
  /** The latch of this name, which opens after `count` counts: 1 to 1,000. @throws InvalidArgumentError */
  latch(name: string, count: number): Latch;
  /** The barrier of this name, at which `parties` begin and end together: 1 to 100. @throws InvalidArgumentError */
  barrier(name: string, parties: number): Barrier;
  /** The group of this name, whose members see one another. @throws InvalidArgumentError for an illegal name or TTL. */
  group(name: string, options?: GroupOptions): Group;
  /** The sequence of this name, without gaps. @throws InvalidArgumentError for an illegal name or option. */
  sequence(name: string, options: SequenceOptions & { readonly gapFree: true }): GapFreeSequence;
  /** The sequence of this name: unique numbers, block by block. @throws InvalidArgumentError */
  sequence(name: string, options?: SequenceOptions): Sequence;
  /** Small numbers for live processes, and 64-bit ids that sort by time. @throws InvalidArgumentError */
  workerIds(name: string, options?: WorkerIdsOptions): WorkerIds;
  /** The counter of this name. Costs nothing; asks nobody. @throws InvalidArgumentError for an illegal name or option. */
  counter(name: string, options?: CounterOptions): Counter;
  /** The counter of this name, if it is one of bigints: up to 1,000 digits. @throws InvalidArgumentError as `counter` */
  bigintCounter(name: string, options?: BigintCounterOptions): Counter<bigint>;
  /**
   * The rate limiter of this name, over all processes together: how often something may be done for each key. Never more
   * than its policies say, on the store's clock. Costs nothing; asks nobody.
   *
   * @throws InvalidArgumentError for an illegal name, policy or option.
   * @example
   * ```ts
   * import { connect } from "leasehold";
   * await using coordinator = await connect("memory:");
   * const limiter = coordinator.rateLimiter("api", { policies: [{ limit: 100, per: "1m" }] });
   * const { allowed, remaining } = await limiter.take("user 7");
   * console.log(allowed, remaining); // true 99
   * ```
   */
  rateLimiter(name: string, options: RateLimiterOptions): RateLimiter;
  /**
   * The concurrency limiter of this name: how many may be at work at a time for each key, over all processes together.
   * Costs nothing; asks nobody.
   *
   * @throws InvalidArgumentError for an illegal name, limit or TTL.
   */
  concurrencyLimiter(name: string, options: ConcurrencyLimiterOptions): ConcurrencyLimiter;
  /** Creates the bucket, table or file if it is missing, and validates it. `connect` has done it already. */
  setup(): Promise<void>;
  /**
   * Ends it. Waiters get a `ClosedError`; the signals of what is held abort with one; work in `hold` is waited for,
   * at most one TTL, and everything else is released at once. Then the session's record is deleted, and a connection
   * that `connect` opened is closed; a backend that was handed in stays open. Work that does not end keeps its lock
   * until the lease expires: it is never released under it. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Makes a coordinator over a backend. `connect` is the short way for most uses.
 *
 * @throws InvalidArgumentError for options out of range.
 * @example
 * ```ts
 * import { createCoordinator } from "leasehold";
 * import { memoryBackend } from "leasehold/memory";
 * await using coordinator = createCoordinator(memoryBackend(), { ttl: "5s" });
 * console.log((await coordinator.lock("report").tryAcquire()) !== null); // true
 * ```
 */
export function createCoordinator(backend: Backend, options: CoordinatorOptions = {}): Coordinator {
  checkOptions("createCoordinator", options, coordinatorOptions);
  if (typeof (backend as Partial<Backend> | undefined)?.commit !== "function") {
    throw new InvalidArgumentError(
      `createCoordinator needs a backend, such as memoryBackend() or natsBackend({ connection, bucket }); got ${describe(backend)}. ` +
        "For a URL there is connect(url)",
    );
  }
  return new OpenCoordinator(backend, options, { close: async () => undefined });
}

/** As {@link createCoordinator}, with something that is closed with the coordinator: its backend for example. */
export function createOwningCoordinator(
  backend: Backend,
  options: CoordinatorOptions,
  owned: Owned,
): Coordinator {
  return new OpenCoordinator(backend, options, owned);
}

/** The names of {@link CoordinatorOptions}. */
export const coordinatorOptions = ["ttl", "namespace", "clientName", "driftTolerance", "runtime"];
