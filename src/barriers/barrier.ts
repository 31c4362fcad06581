import { AcquireTimeoutError, LeaseLostError, LimitMismatchError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { type AcquireOptions, createAcquirer } from "../roster/acquirer.ts";
import type { Grant, HeldGrant } from "../roster/grant.ts";
import type { Inspection } from "../roster/inspection.ts";
import { PendingAnswer } from "../roster/pending-answer.ts";
import { type Roster, standing } from "../roster/roster.ts";
import type { RosterHost } from "../roster/roster-host.ts";
import { barrierIn, begin, gathering, inside } from "./barrier-note.ts";
import { type BarrierWaitOptions, checkCount, mismatch, readPatience } from "./wait-options.ts";

/** Options of {@link Barrier.enter}. */
export interface BarrierEnterOptions extends BarrierWaitOptions {
  /** Shown to those who inspect it. JSON of at most 1,024 bytes. */
  readonly metadata?: Json;
}

/**
 * One party's stay in a round of a barrier. It dies with its session: the others then go on as if the party had left.
 * `release`, and the end of an `await using` block, leave without waiting for the others.
 */
export interface BarrierStay extends Grant {
  /** Which round it is, from 1. The same for all of its parties. */
  readonly round: number;
  /**
   * Leaves, and resolves when all parties of the round have left, or died. One write, and a read.
   *
   * @throws LeaseLostError (`LEASE_LOST`) when the stay was lost before, or the barrier's record vanished.
   * @throws AcquireTimeoutError (`ACQUIRE_TIMEOUT`) when `wait` is over, AbortedError (`ABORTED`) when `signal` fires: it
   * has left, or will when the store answers, and others may still be in. Call again to wait on.
   */
  leave(options?: BarrierWaitOptions): Promise<void>;
}

/**
 * Lets a number of parties begin together, and end together: a double barrier. May be used again, round after round.
 *
 * A party is one call of `enter`; they may be in one process or in many. Whoever dies while it waits counts no more, as
 * soon as the others have seen its session stand still for its TTL.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const barrier = coordinator.barrier("shuffle", 2);
 * const party = async () => {
 *   const stay = await barrier.enter({ wait: "10s" }); // until both are in
 *   stay.signal.throwIfAborted(); // the work
 *   await stay.leave({ wait: "10s" }); // until both have left
 *   return stay.round;
 * };
 * console.log(await Promise.all([party(), party()])); // [ 1, 1 ]
 * ```
 */
export interface Barrier {
  readonly name: string;
  /**
   * Resolves when all parties are in. One write to come in, one read; and one write of whoever came first when all are
   * there. More parties than the barrier has wait for the next round, first come, first served.
   *
   * @throws LimitMismatchError (`LIMIT_MISMATCH`) when the barrier was opened for another number of parties.
   * @throws AcquireTimeoutError (`ACQUIRE_TIMEOUT`) when `wait` is over, AbortedError (`ABORTED`) when `signal` fires. It
   * is taken out then. Where the last party came at that very moment, the others go on without it.
   * @throws LeaseLostError (`LEASE_LOST`) when its session was lost and the others may have begun with it. Lost before
   * that, it comes in again by itself.
   */
  enter(options?: BarrierEnterOptions): Promise<BarrierStay>;
  /** Who is in and who waits for a later round, or `null` if nobody ever asked. One or two reads; may be stale. */
  inspect(): Promise<Inspection | null>;
}

const partiesMax = 100;

/** Who stands there, whichever session it stands there with. */
interface PartyOptions extends AcquireOptions {
  readonly party: string;
}

/** A wait that ended because nothing of the party stands in the record. */
class GoneError extends Error {
  override readonly name = "GoneError";
}

/**
 * Makes a {@link Barrier}. It holds no state: two of the same name are the same barrier.
 *
 * @throws InvalidArgumentError for an illegal name or number of parties.
 */
export function createBarrier(host: RosterHost, name: string, parties: number): Barrier {
  checkName("a barrier's name", name);
  checkCount("the parties of a barrier", parties, partiesMax);
  const { runtime, ttlMs } = host;
  const target = { kind: "barrier", name, isShared: true, ttlMs } as const;
  const shown = `the barrier ${JSON.stringify(name)}`;
  const failing = `not all parties of ${shown} came`;
  const acquirer = createAcquirer<PartyOptions>(host, {
    ...{ ...target, options: ["party"] },
    share: (asked) => ({ weight: 1, capacity: parties, identity: asked?.party ?? runtime.id() }),
  });

  const comeIn = async (options: PartyOptions): Promise<HeldGrant> => {
    try {
      return await acquirer.acquire(options);
    } catch (error) {
      if (!(error instanceof LimitMismatchError)) throw error;
      throw mismatch(`${shown} is for`, "parties", error.limit, error.expected);
    }
  };

  /** Waits until all are in. `seen`: the last round that had begun while the party stood there. */
  const gather = async (
    grant: HeldGrant,
    waitMs: number,
    signal: AbortSignal | undefined,
    seen: { round?: number },
  ): Promise<BarrierStay> => {
    const isIn = (roster: Roster): boolean => standing(roster, grant.holder).place === "holder";
    const signals = signal === undefined ? [grant.signal] : [grant.signal, signal];
    const note = await host.queue(target).board.until({
      ...{ failing, ttlMs, waitMs, signal: AbortSignal.any(signals) },
      find(roster, source) {
        const found = barrierIn(name, roster);
        if (grant.fence <= found.fence) return found;
        if (!isIn(roster)) {
          if (source === "commit") throw new GoneError();
          return undefined;
        }
        // It stood there before, under an earlier grant, and the others may have begun with that.
        if (found.round > (seen.round ?? found.round)) throw lostInBetween(shown);
        seen.round = found.round;
        return undefined;
      },
      react(roster, source) {
        if (!isIn(roster)) return source === "read" ? (current) => current : undefined;
        const found = barrierIn(name, roster);
        const all = gathering(roster, found);
        // Whoever came first watches over all the others, so whom it counts was alive a short while ago.
        if (all[0]?.fence !== grant.fence || all.length < parties) return undefined;
        return (current) => begin(current, barrierIn(name, current), parties);
      },
      watched(roster) {
        const all = gathering(roster, barrierIn(name, roster));
        const position = all.findIndex(({ fence }) => fence === grant.fence);
        if (position === 0) {
          return { near: roster.holders.filter(({ fence }) => fence !== grant.fence), further: [] };
        }
        const ahead = all.slice(0, Math.max(0, position)).reverse();
        return { near: ahead.slice(0, 1), further: ahead };
      },
    });
    // Its process may have stood still until the others had long gone on without it.
    grant.assertHeld();
    return dress(grant, note.round, note.fence);
  };

  const dress = (grant: HeldGrant, round: number, lastFence: number): BarrierStay =>
    Object.assign(grant, {
      round,
      async leave(options?: BarrierWaitOptions): Promise<void> {
        const patience = readPatience("leave", `not all parties of ${shown} left`, options);
        const untilMs = runtime.monotonicMs() + patience.waitMs;
        const going = new PendingAnswer<void>(runtime, patience, false);
        // Goes on behind who gives up: until the store answers, or the lease ends.
        grant.release().then(
          () => going.resolve(),
          (error: unknown) => going.reject(error),
        );
        await going.promise;
        const waitMs = Math.max(0, untilMs - runtime.monotonicMs());
        await host.queue(target).board.until({
          ...{ ...patience, waitMs, ttlMs },
          find(roster, source) {
            const note = barrierIn(name, roster);
            if (note.round === round) return inside(roster, lastFence).length === 0 ? true : undefined;
            if (note.round > round) return true;
            if (source === "commit") throw vanished(shown);
            return undefined;
          },
          react: (roster, source) =>
            source === "read" && barrierIn(name, roster).round < round ? (current) => current : undefined,
          watched: (roster) => ({ near: inside(roster, lastFence), further: [] }),
        });
      },
    });

  return {
    name,
    async enter(options) {
      const { waitMs, signal } = readPatience("enter", "", options, ["metadata"]);
      const untilMs = runtime.monotonicMs() + waitMs;
      const remainingMs = (): number => Math.max(0, untilMs - runtime.monotonicMs());
      const { metadata } = options ?? {};
      const seen: { round?: number } = {};
      const party = runtime.id();
      const asked = { party, ...(signal && { signal }), ...(metadata !== undefined && { metadata }) };
      for (;;) {
        const grant = await comeIn({ ...asked, wait: remainingMs() });
        try {
          return await gather(grant, remainingMs(), signal, seen);
        } catch (error) {
          if (error instanceof GoneError) grant.lose(vanished(shown));
          const isLost = grant.state === "lost";
          // In the background: the caller has its answer.
          void grant[Symbol.asyncDispose]();
          if (!isLost || error instanceof LeaseLostError || signal?.aborted === true) throw error;
          if (seen.round === undefined) throw lostInBetween(shown);
          // Its process stood still until after that.
          if (remainingMs() === 0) throw new AcquireTimeoutError(`${failing} within ${waitMs} ms`);
        }
      }
    },
    inspect: () => acquirer.inspect(),
  };
}

function lostInBetween(shown: string): LeaseLostError {
  return new LeaseLostError(
    `the session was lost while waiting at ${shown}, and the others may have begun with this party. Enter again for ` +
      "another round",
  );
}

function vanished(shown: string): LeaseLostError {
  return new LeaseLostError(
    `the record of ${shown} vanished, or was rolled back: nobody knows who is still in. Somebody wiped the store`,
  );
}
