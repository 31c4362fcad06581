import { backoffMs } from "../core/backoff.ts";
import { type Duration, describe } from "../core/durations.ts";
import { AbortedError, InvalidArgumentError, LimitMismatchError } from "../core/errors.ts";
import { invariant } from "../core/invariant.ts";
import { checkName, recordKey } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { sleep } from "../core/runtime.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  checkWork,
  holdGrant,
  type TryAcquireOptions,
  tryOptionNames,
} from "../roster/acquirer.ts";
import type { AcquireRequest } from "../roster/acquisition.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import { parseTtl } from "../sessions/ttl.ts";
import { type IdGenerator, ReservedIds } from "./id-generator.ts";
import { formatId, type IdParts, parseId } from "./id-layout.ts";
import { TimeReservations } from "./reserved-time.ts";
import type { SequenceHost } from "./sequence.ts";
import { assign, joinIfFree, joinNumbered, numberOf, unnumbered } from "./worker-number.ts";

/** Options of `coordinator.workerIds`. */
export interface WorkerIdsOptions {
  /** How many bits a worker's number has: from 1 to 14, which allows for 2 to 16,384 of them. Default: 10. */
  readonly bits?: number;
  /** How long a number outlives a worker that dies, from 100 ms to 1 day. Default: the coordinator's. */
  readonly ttl?: Duration;
}

/** A worker's number, for as long as it is held, and ids made with it. A {@link Grant} like that of a lock. */
export interface WorkerId extends Grant {
  /** The number: from 0 to 2^bits - 1. */
  readonly id: number;
  /**
   * What makes ids with this number. Reserves time for them: two writes and a read the first time; every later call
   * answers the same generator.
   *
   * @throws UnavailableError, LeaseLostError as {@link IdGenerator.nextAsync} does.
   */
  ids(): Promise<IdGenerator>;
}

/**
 * Small numbers for processes: each has one of its own for as long as it lives, the smallest that is free. Nobody else
 * has it meanwhile, as far as holders obey their `signal`; ids that are made with it are unique in any case.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const workers = coordinator.workerIds("rows");
 * await using worker = await workers.acquire();
 * const ids = await worker.ids();
 * const [first, second] = [ids.next(), ids.next()];
 * console.log(worker.id, second > first, workers.parse(first).worker); // 0 true 0
 * ```
 */
export interface WorkerIds {
  readonly name: string;
  /**
   * Waits for a number: one write, and one read the first time, where one is free. Looks after those who have died, too,
   * for two TTLs: at most six reads.
   *
   * @throws LimitMismatchError (`LIMIT_MISMATCH`) where others use the name with another number of bits.
   * @throws AcquireTimeoutError, AbortedError and the rest as `Lock.acquire` does.
   */
  acquire(options?: AcquireOptions): Promise<WorkerId>;
  /** A number, or `null` when all are taken. Throws as `Lock.tryAcquire` does. */
  tryAcquire(options?: TryAcquireOptions): Promise<WorkerId | null>;
  /** Acquires, runs `work`, and releases, as `Lock.hold` does. */
  hold<R>(work: (worker: WorkerId) => Promise<R> | R, options?: AcquireOptions): Promise<R>;
  /** Who has which number, as `metadata.id`, and who waits; `null` if nobody ever asked. May be stale. */
  inspect(): Promise<Inspection | null>;
  /** What an id was made of. @throws InvalidArgumentError for what is no id. */
  parse(id: bigint | string): IdParts;
  /** An id as 13 characters that sort as ids do. @throws InvalidArgumentError for what is no id. */
  format(id: bigint): string;
}

const bitsMax = 14;
const defaultBits = 10;
const tendTtls = 2;

/** Makes {@link WorkerIds}. They hold no state. @throws InvalidArgumentError for an illegal name or option. */
export function createWorkerIds(
  { rosters, records }: SequenceHost,
  name: string,
  options: WorkerIdsOptions = {},
): WorkerIds {
  checkName("the name of worker ids", name);
  checkOptions("workerIds", options, ["bits", "ttl"]);
  const { bits = defaultBits, ttl } = options;
  if (!Number.isSafeInteger(bits) || bits < 1 || bits > bitsMax) {
    throw new InvalidArgumentError(`bits must be a whole number from 1 to ${bitsMax}; got ${describe(bits)}`);
  }
  checkName("the name of worker ids with a number", timeName(name, 2 ** bits));
  const ttlMs = ttl === undefined ? rosters.ttlMs : parseTtl(ttl);
  const { runtime, namespace } = records;
  const target = {
    ...({ kind: "worker-id", name, isShared: true } as const),
    idleTtlMs: Number.POSITIVE_INFINITY,
  };

  const request = (what: string, asked: AcquireOptions | undefined): AcquireRequest => {
    const known = what === "tryAcquire" ? tryOptionNames : [...tryOptionNames, "wait"];
    const checked = checkAcquireOptions(what, asked, known);
    const isTry = what === "tryAcquire" || checked.waitMs === 0;
    const enter = isTry ? joinIfFree : joinNumbered;
    const metadata = unnumbered(checked.metadata);
    return { name, ttlMs, weight: 1, capacity: 2 ** bits, ...checked, metadata, enter };
  };

  /** Whoever had to wait was let in by somebody else, without a number. */
  const number = async (grant: HeldGrant, signal: AbortSignal | undefined): Promise<number> => {
    for (let attempt = 0; numberOf(grant.holder) === undefined; attempt += 1) {
      try {
        await grant.change(assign);
      } catch (error) {
        if (!isTransient(error)) throw error;
        await sleep(runtime, backoffMs(runtime, attempt, failureBackoff), { holdsProcessOpen: true, signal });
      }
      grant.assertHeld();
      if (signal?.aborted === true) {
        throw new AbortedError("the caller aborted the acquire", { cause: signal.reason });
      }
    }
    const id = numberOf(grant.holder);
    invariant(id !== undefined && id < 2 ** bits, "there are as many numbers as can be held");
    return id;
  };

  /** Takes out those who died before, so that their numbers are free: nobody else looks while there are free ones. */
  const tend = (grant: HeldGrant): void => {
    const queue = rosters.queue(target);
    const isAlone = queue.board.known?.holders.every(({ session }) => session === grant.session.id);
    if (isAlone === true) return;
    const stop = new AbortController();
    for (const end of ["lost", "released"] as const) grant.on(end, () => stop.abort());
    queue.board
      .until<never>({
        ...{ failing: "nobody looks after the dead", ttlMs, waitMs: tendTtls * ttlMs, signal: stop.signal },
        find: () => undefined,
        watched: ({ holders }) => ({
          near: holders.filter(({ session }) => session !== grant.session.id),
          further: [],
        }),
      })
      .catch(isOver);
  };

  const dress = async (grant: HeldGrant, signal: AbortSignal | undefined): Promise<WorkerId & HeldGrant> => {
    try {
      const id = await number(grant, signal);
      tend(grant);
      const subject = `worker ${id} of ${JSON.stringify(name)}`;
      const key = recordKey(namespace, "worker-time", timeName(name, id));
      const reservations = new TimeReservations(records, key, subject);
      const ids = new ReservedIds({ runtime, grant, reservations, worker: id, bits, subject });
      return Object.assign(grant, {
        id,
        async ids() {
          await ids.open();
          return ids;
        },
      });
    } catch (error) {
      await grant[Symbol.asyncDispose]();
      throw error;
    }
  };

  const acquire = async (what: string, asked: AcquireOptions | undefined): Promise<WorkerId & HeldGrant> => {
    const asking = rosters.queue(target).acquire(request(what, asked));
    return dress(await asking.catch(rejectOtherBits), asked?.signal);
  };

  const rejectOtherBits = (error: unknown): never => {
    if (!(error instanceof LimitMismatchError)) throw error;
    const { limit, expected } = error;
    throw new LimitMismatchError(
      `the worker ids ${JSON.stringify(name)} have ${Math.log2(limit)} bits, and were opened with ${bits}. All who use them ` +
        `open them with { bits: ${Math.log2(limit)} }, or use another name`,
      { limit, expected, cause: error },
    );
  };

  return {
    name,
    acquire: (asked) => acquire("acquire", asked),
    async tryAcquire(asked) {
      const asking = rosters.queue(target).tryAcquire({ ...request("tryAcquire", asked), waitMs: 0 });
      const grant = await asking.catch(rejectOtherBits);
      return grant === null ? null : dress(grant, asked?.signal);
    },
    async hold(work, asked) {
      checkWork(work);
      const grant = await acquire("hold", asked);
      return holdGrant(rosters, { grant, parts: [grant] }, work);
    },
    inspect: () => rosters.inspect(target),
    parse: (id) => parseId(id, bits),
    format: formatId,
  };
}

function timeName(name: string, id: number): string {
  return `${name}/${id}`;
}

/** Released, lost, closed, or long enough. */
function isOver(): void {}
