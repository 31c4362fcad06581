import type { BarrierNote } from "../../../src/barriers/barrier-note.ts";
import type { History, HistoryEvent } from "../history.ts";
import { type Checker, exclusiveUntilMs, firstDisasterMs, stepsIn } from "./checker.ts";

/** Follows a history, and knows who stood at the barrier when each round began. */
class Rounds {
  readonly #barrier: string;
  readonly #parties = new Map<number, ReadonlySet<number>>();
  #lastFence = 0;

  constructor({ plan }: History) {
    this.#barrier = plan.stage.barrier;
  }

  see(event: HistoryEvent): void {
    for (const { name, before, after } of stepsIn(event)) {
      if (name !== this.#barrier) continue;
      const [last, note] = [before.note, after.note] as unknown as (BarrierNote | undefined)[];
      if (note === undefined || note.round === (last?.round ?? 0)) continue;
      // Those of the round before who have not left yet are none of them.
      const fences = after.holders.map(({ fence }) => fence);
      this.#parties.set(
        note.round,
        new Set(fences.filter((fence) => fence > this.#lastFence && fence <= note.fence)),
      );
      this.#lastFence = note.fence;
    }
  }

  /** The fences of those who stood there. */
  partiesOf(round: number): ReadonlySet<number> {
    return this.#parties.get(round) ?? new Set();
  }
}

/** Who comes through stood there when as many as the barrier has parties stood there, and all hear of the same round. */
export const nobodyPassesAlone: Checker = {
  name: "a barrier lets nobody through before all are there",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const { parties } = history.plan.stage;
    const violations: string[] = [];
    const rounds = new Rounds(history);
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      rounds.see(event);
      if (event.what !== "barrier entered") continue;
      const { by, round, fence, atMs } = event;
      const there = rounds.partiesOf(round);
      if (there.has(fence) && there.size >= parties) continue;
      violations.push(
        `${by} entered round ${round} with fence ${fence} at ${atMs}; [${[...there]}] were there`,
      );
    }
    return violations;
  },
};

/** Who leaves with the others does so when none of them works any more that runs and obeys its signal. */
export const partiesLeaveTogether: Checker = {
  name: "who leaves a barrier waits for all the others",
  check(history) {
    const untilMs = exclusiveUntilMs(history);
    const violations: string[] = [];
    const inside = new Map<number, { readonly round: number; readonly by: string }>();
    const halted = new Set<string>();
    const over = new Set<number>();
    for (const event of history.events) {
      if (event.atMs >= untilMs) break;
      if (event.what === "process") {
        if (event.state === "stopped" || event.state === "crashed") halted.add(event.by);
        if (event.state === "resumed") halted.delete(event.by);
      }
      if (event.what === "acted" || event.what === "lost") halted.delete(event.by);
      if (event.what === "finished") over.add(event.call);
      // Lost before it was told that all are there.
      if (event.what === "barrier entered" && !over.has(event.call)) inside.set(event.call, event);
      if (event.what === "finished") inside.delete(event.call);
      if (event.what !== "barrier left") continue;
      for (const [call, { round, by }] of inside) {
        if (round !== event.round || halted.has(by)) continue;
        violations.push(
          `call ${event.call} left round ${round} at ${event.atMs}, and call ${call} of ${by} was still in`,
        );
      }
    }
    return violations;
  },
};

/** What has been counted of a latch: what was asked for, and what was acknowledged. */
interface Counts {
  readonly asked: Set<string>;
  readonly done: Set<string>;
}

/** Each count counts once; as many as the latch takes open it, and fewer do not. */
export const latchesOpenAtTheirCount: Checker = {
  name: "a latch opens at its last count, and not before",
  check(history) {
    const disasterMs = firstDisasterMs(history);
    const { count: total } = history.plan.stage;
    const violations: string[] = [];
    const latches = new Map<string, Counts>();
    const calls = new Map<number, { readonly id: string; readonly done: number }>();
    for (const event of history.events) {
      if (event.atMs >= disasterMs) break;
      if (event.what !== "counting" && event.what !== "counted" && event.what !== "latch passed") continue;
      const counts = latches.get(event.name) ?? { asked: new Set(), done: new Set() };
      latches.set(event.name, counts);
      const { asked, done } = counts;
      if (event.what === "counting") {
        asked.add(event.id);
        calls.set(event.call, { id: event.id, done: new Set([...done, event.id]).size });
      }
      if (event.what === "latch passed" && asked.size < total) {
        violations.push(
          `${event.name}: call ${event.call} came through at ${event.atMs}, after ${asked.size} counts of ${total}`,
        );
      }
      const call = event.what === "counted" ? calls.get(event.call) : undefined;
      if (event.what !== "counted" || call === undefined) continue;
      done.add(call.id);
      const [least, most] = [total - asked.size, total - call.done];
      if (event.missing >= Math.max(0, least) && event.missing <= Math.max(0, most)) continue;
      violations.push(
        `${event.name}: call ${event.call} was told ${event.missing} are missing at ${event.atMs}: from ${least} to ${most} were`,
      );
    }
    return violations;
  },
};
