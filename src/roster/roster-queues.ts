import type { Backend } from "../core/backend.ts";
import type { Events } from "../core/events.ts";
import { TurnSharing } from "../core/turn-sharing.ts";
import type { SessionPool } from "../sessions/session-pool.ts";
import type { HeldGrant } from "./grant.ts";
import type { LookoutContext } from "./lookout.ts";
import { RosterQueue } from "./roster-queue.ts";
import type { IdleTtl } from "./roster-view.ts";

/** What all queues of one coordinator share. */
export interface QueuesContext extends LookoutContext {
  readonly backend: Backend;
  readonly sessions: SessionPool;
  readonly events: Events;
}

/** The record that a queue is about. */
export interface QueueTarget {
  readonly key: string;
  readonly kind: string;
  readonly name: string;
  /** Whether several may hold it at a time. */
  readonly isShared: boolean;
  readonly idleTtlMs?: IdleTtl;
}

/** Names whose roster is remembered after the last use, for an acquire without a read. */
const idleQueuesMax = 1_024;
/** A fraction of a millisecond of work; then timers and I/O get their turn. */
const localAnswersPerTurn = 1_000;

/** The queues of one coordinator, by key. Those in use are all kept, of the idle ones the newest. */
export class RosterQueues {
  readonly #context: QueuesContext;
  readonly #queues = new Map<string, RosterQueue>();
  readonly #localAnswers: TurnSharing;
  #sweepAt = 2 * idleQueuesMax;
  #hasForgotten = false;

  constructor(context: QueuesContext) {
    this.#context = context;
    this.#localAnswers = new TurnSharing(context.runtime, localAnswersPerTurn);
  }

  /** The queue of a key: the same one as long as anything is held or waited for there. */
  get(target: QueueTarget): RosterQueue {
    const known = this.#queues.get(target.key);
    if (known !== undefined) return known;
    const queue = new RosterQueue({
      ...{ ...this.#context, ...target, localAnswers: this.#localAnswers },
      mayBeForgotten: this.#hasForgotten,
    });
    this.#queues.set(target.key, queue);
    if (this.#queues.size > this.#sweepAt) this.#sweep();
    return queue;
  }

  /** The queue of a key for somebody who only looks after it: nothing is remembered of one that nobody uses. */
  visit(target: QueueTarget): RosterQueue {
    const known = this.#queues.get(target.key);
    if (known !== undefined) return known;
    const context = { ...this.#context, ...target, localAnswers: this.#localAnswers };
    return new RosterQueue({ ...context, mayBeForgotten: true });
  }

  /** Everything that is held now. */
  *grants(): Iterable<HeldGrant> {
    for (const queue of this.#queues.values()) yield* queue.grants;
  }

  rejectWaiting(error: unknown): void {
    for (const queue of this.#queues.values()) queue.rejectWaiting(error);
  }

  /** Resolves when nothing is in flight any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.settled()));
  }

  /** Forgets idle queues, the oldest first. Runs once in a thousand new names, so it costs next to nothing. */
  #sweep(): void {
    const idle = [...this.#queues].filter(([, queue]) => queue.isIdle);
    for (const [key] of idle.slice(0, Math.max(0, idle.length - idleQueuesMax))) this.#queues.delete(key);
    this.#hasForgotten ||= idle.length > idleQueuesMax;
    this.#sweepAt = this.#queues.size + idleQueuesMax;
  }
}
