import type { Entrant } from "../../../src/roster/roster.ts";
import type { HistoryEvent } from "../history.ts";
import { isOwnSession } from "../network.ts";
import { idOf, type RosterStep } from "./checker.ts";

interface HandOver {
  readonly name: string;
  readonly by: string;
  readonly fence: number;
  readonly to: string;
}

/** Somebody who came back, and what its earlier life left behind. */
export interface Return {
  readonly entrant: Entrant;
  readonly earlier: Entrant;
}

/**
 * Follows a history, and knows who was allowed to go before others: a candidate that a leader named, one that came back
 * where its earlier life stood, a thief.
 */
export class Liberties {
  readonly #handOvers = new Map<number, HandOver>();
  readonly #thieves = new Map<string, Set<number>>();
  readonly #resuming = new Map<string, Set<number>>();
  readonly #asking = new Map<string, Set<number>>();

  see(event: HistoryEvent): void {
    if (event.what === "handing over") this.#handOvers.set(event.call, event);
    if (event.what === "released") this.#handOvers.delete(event.call);
    if (event.what === "asked") {
      const calls = event.how === "steal" ? this.#thieves : event.resumes ? this.#resuming : this.#asking;
      const key = `${event.by} ${event.name}`;
      calls.set(key, (calls.get(key) ?? new Set()).add(event.call));
    }
    if (event.what === "granted" || event.what === "not granted") {
      const key = `${event.by} ${event.name}`;
      for (const calls of [this.#thieves, this.#resuming, this.#asking]) calls.get(key)?.delete(event.call);
    }
  }

  /** Those who waited, in the orders in which they may be served from this step on instead of their own. */
  ordersOf(step: RosterStep): readonly (readonly Entrant[])[] {
    const { name, by, before, after } = step;
    const orders: (readonly Entrant[])[] = [];
    const isNew = newcomersIn(step);
    for (const { fence, to, ...handOver } of this.#handOvers.values()) {
      const isOver = handOver.name === name && !after.holders.some((holder) => holder.fence === fence);
      const wasThere = before.holders.some((holder) => holder.fence === fence);
      if (!isOver || !wasThere || handOver.by !== by) continue;
      const named = [...before.waiters, ...isNew].filter(({ identity }) => identity === to);
      for (const candidate of named) orders.push(inFront(candidate, before.waiters));
    }
    const thief = after.holders.find((holder) => isNew.some((it) => idOf(it) === idOf(holder)));
    if (thief !== undefined && this.#isOpen(this.#thieves, by, name))
      orders.push(inFront(thief, before.waiters));
    for (const back of this.#returnsIn(step)) orders.push(orderWith(back, step));
    return orders;
  }

  /** Whether everybody of a process who asks for a name comes back to it. */
  areAllBack({ by, name }: RosterStep): boolean {
    return !this.#isOpen(this.#asking, by, name);
  }

  /** Who came back in this step, after an earlier process of its machine. */
  returnsIn(step: RosterStep): readonly Return[] {
    return this.#returnsIn(step).filter(({ earlier }) => !isOwnSession(step.by, earlier.session));
  }

  /** The same, and who may have done so after a session of the same process that was lost. */
  #returnsIn(step: RosterStep): readonly Return[] {
    const { name, by, before, after } = step;
    if (!this.#isOpen(this.#resuming, by, name)) return [];
    const stands = new Set([...after.holders, ...after.waiters].map(idOf));
    const gone = [...before.holders, ...before.waiters].filter((entrant) => !stands.has(idOf(entrant)));
    return newcomersIn(step).flatMap((entrant) => {
      const earlier = gone.find(
        ({ identity, session }) => identity === entrant.identity && session !== entrant.session,
      );
      const isOwn = isOwnSession(by, entrant.session) && entrant.identity !== undefined;
      return isOwn && earlier !== undefined ? [{ entrant, earlier }] : [];
    });
  }

  #isOpen(calls: ReadonlyMap<string, ReadonlySet<number>>, by: string, name: string): boolean {
    return (calls.get(`${by} ${name}`)?.size ?? 0) > 0;
  }
}

/** Who waited before a step, with the one that came back where its earlier life stood. */
export function orderWith({ entrant, earlier }: Return, { before }: RosterStep): readonly Entrant[] {
  const stoodAt = before.waiters.findIndex((waiter) => idOf(waiter) === idOf(earlier));
  return stoodAt < 0 ? [entrant, ...before.waiters] : before.waiters.toSpliced(stoodAt, 1, entrant);
}

function newcomersIn({ before, after }: RosterStep): readonly Entrant[] {
  const stood = new Set([...before.holders, ...before.waiters].map(idOf));
  return [...after.holders, ...after.waiters].filter((entrant) => !stood.has(idOf(entrant)));
}

function inFront(entrant: Entrant, waiters: readonly Entrant[]): readonly Entrant[] {
  return [entrant, ...waiters.filter((waiter) => idOf(waiter) !== idOf(entrant))];
}
