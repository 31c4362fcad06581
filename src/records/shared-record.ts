import type { Backend, CommitResult, Operation, StoredRecord, Version } from "../core/backend.ts";
import { backoffMs, conflictPauseMs } from "../core/backoff.ts";
import { OutcomeUnknownError } from "../core/errors.ts";
import { ForgottenError } from "../core/forgotten-error.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { type Doubt, findApplied, type Outcome } from "./doubt.ts";
import { aborted, giveUp, unresolved } from "./record-failures.ts";
import type { Pooled } from "./record-pool.ts";
import type { RecordRules } from "./record-rules.ts";

/** What a {@link SharedRecord} works on. */
export interface RecordTarget<State, Command, Answer> {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly key: string;
  /** For messages: `rate limiter "api"`. */
  readonly subject: string;
  readonly rules: RecordRules<State, Command, Answer>;
}

/** The state of a record as it once was. */
export interface SeenState<State> {
  readonly state: State;
  readonly version: Version | null;
  /** The newest command that had been given when the request that showed it was sent. */
  readonly asOf: number;
  /** When that was, on the monotonic clock. */
  readonly seenAtMs: number;
}

interface Waiting<Command, Answer> {
  readonly command: Command;
  readonly ticket: number;
  readonly signal: AbortSignal | undefined;
  onAbort: () => void;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

const nothing = (): void => undefined;
/** For how long commands are tried again while others keep changing the record. */
const patienceMs = 10_000;
/** Times that one write is sent while no answer comes. */
const copiesMax = 3;
const copyPause = { firstMs: 10, maxMs: 250 };

/**
 * All that one client does with one record by compare-and-set. One write is in flight at a time, and the next one
 * carries every command that came meanwhile, in order: k commands at once cost one write, for every k.
 *
 * A write whose answer was lost is sent again as it was: whichever copy comes first shuts the others out, and the mark
 * in the record says whether it was one of them. What a command is told without a write comes from a read that began
 * after the command was given.
 */
export class SharedRecord<State, Command, Answer> implements Pooled {
  readonly #target: RecordTarget<State, Command, Answer>;
  readonly #writer: string;
  #sequence = 0;
  #tickets = 0;
  #seen: SeenState<State> | undefined;
  #waiting: Waiting<Command, Answer>[] = [];
  #isRunning = false;
  #onIdle: (() => void)[] = [];

  constructor(target: RecordTarget<State, Command, Answer>) {
    this.#target = target;
    this.#writer = target.runtime.id();
  }

  /** The newest state that this client has seen; others may have changed it since. */
  get seen(): SeenState<State> | undefined {
    return this.#seen;
  }

  /** Whether a command is queued or in flight. */
  get isBusy(): boolean {
    return this.#isRunning;
  }

  /** Resolves when nothing is queued or in flight. Never rejects. */
  close(): Promise<void> {
    return new Promise((resolve) => (this.#isRunning ? this.#onIdle.push(resolve) : resolve()));
  }

  /** Forgets what was seen, so that the next command reads: somebody said that it is over. */
  forget(): void {
    if (!this.#isRunning) this.#seen = undefined;
  }

  /**
   * Applies a command once, and answers what the rules say.
   *
   * @throws AbortedError when the signal fires before the command was sent.
   * @throws OutcomeUnknownError when no answer came to its write, which may have been applied, or may still be.
   * @throws UnavailableError when it was not applied: the store is away, or others kept changing the record.
   */
  run(command: Command, signal?: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#tickets += 1;
      const waiting = { command, ticket: this.#tickets, signal, onAbort: nothing, resolve, reject };
      if (signal !== undefined && !this.#heed(waiting, signal)) return;
      this.#waiting.push(waiting);
      if (this.#isRunning) return;
      this.#isRunning = true;
      // Deferred, so that what is given in the same turn rides in the same write.
      queueMicrotask(() => void this.#work());
    });
  }

  /** Lets the signal take a command away as long as it waits. Answers whether it has not yet. */
  #heed(waiting: Waiting<Command, Answer>, signal: AbortSignal): boolean {
    waiting.onAbort = () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      waiting.reject(aborted(this.#target.subject, signal.reason));
    };
    if (signal.aborted) waiting.onAbort();
    else signal.addEventListener("abort", waiting.onAbort, { once: true });
    return !signal.aborted;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch: Waiting<Command, Answer>[] = [];
      try {
        await this.#settle(batch);
      } catch (error) {
        this.#seen = undefined;
        for (const { reject } of batch) reject(error);
      }
    }
    if (this.#seen !== undefined && this.#target.rules.isLarge?.(this.#seen.state)) this.#seen = undefined;
    this.#isRunning = false;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Takes what waits into `batch`, and brings it to its end; what comes meanwhile joins as long as nothing was sent. */
  async #settle(batch: Waiting<Command, Answer>[]): Promise<void> {
    const { runtime, subject } = this.#target;
    const startedAtMs = runtime.monotonicMs();
    const doubts: Doubt<Answer>[] = [];
    for (let conflicts = 0; ; conflicts += 1) {
      if (doubts.length === 0) this.#fill(batch);
      if (batch.length === 0) return;
      const attemptedAtMs = runtime.monotonicMs();
      try {
        if (await this.#attempt(batch, doubts)) return;
      } catch (error) {
        throw doubts.length > 0 ? unresolved(subject, error) : error;
      }
      const nowMs = runtime.monotonicMs();
      if (nowMs - startedAtMs > patienceMs) throw giveUp(subject, patienceMs, doubts.length > 0);
      if (conflicts % 2 === 1) {
        await sleep(runtime, conflictPauseMs(runtime, conflicts, nowMs - attemptedAtMs), {
          holdsProcessOpen: true,
        });
        // Who writes over a view that is older than the pause loses for ever against one busy client.
        this.#seen = undefined;
      }
    }
  }

  /** Answers whether the batch is done; after a conflict it is not. */
  async #attempt(batch: Waiting<Command, Answer>[], doubts: Doubt<Answer>[]): Promise<boolean> {
    const { rules } = this.#target;
    const newest = batch.at(-1)?.ticket ?? 0;
    for (;;) {
      const base = this.#seen ?? (await this.#read());
      const done = findApplied(rules, base.state, doubts);
      if (done === "forgotten") this.#defuse(batch);
      else if (done !== undefined) {
        deliver(batch, done.outcomes);
        return true;
      }
      const { state, outcomes } = this.#applyAll(base.state, batch);
      // A write that is in doubt is over only when another one came before it.
      if (state === base.state && doubts.length === 0) {
        if (base.asOf < newest) {
          await this.#read();
          continue;
        }
        deliver(batch, outcomes);
        return true;
      }
      return this.#write(base, state, batch, outcomes, doubts);
    }
  }

  /** Lets nothing of it count twice. @throws OutcomeUnknownError where that would not do. */
  #defuse(batch: Waiting<Command, Answer>[]): void {
    const { rules, subject } = this.#target;
    const commands = batch.map(({ command }) => rules.again?.(command));
    for (const [index, waiting] of batch.entries()) {
      const command = commands[index];
      if (command === undefined) throw new ForgottenError(subject);
      batch[index] = { ...waiting, command };
    }
  }

  async #write(
    base: SeenState<State>,
    state: State,
    batch: readonly Waiting<Command, Answer>[],
    outcomes: readonly Outcome<Answer>[],
    doubts: Doubt<Answer>[],
  ): Promise<boolean> {
    const { key, rules } = this.#target;
    this.#sequence += 1;
    const write = [this.#writer, this.#sequence] as const;
    const stamped = rules.stamp(state, write);
    const ttlMs = rules.ttlMs(stamped);
    const value = rules.encode(stamped);
    const expiry = ttlMs === undefined ? {} : { ttlMs };
    const put = { kind: "put", key, value, expect: base.version, ...expiry } as const;
    const sent = this.#now();
    const { result, copies } = await this.#commit(put);
    if (result.committed) {
      this.#seen = { ...sent, state: stamped, version: result.versions[0] ?? null };
      deliver(batch, outcomes);
      return true;
    }
    if (copies > 1) doubts.push({ write, before: rules.stamps(base.state), outcomes });
    const current = result.conflicts[0]?.current;
    this.#seen = current === undefined ? undefined : this.#decode(current, sent);
    return false;
  }

  /** Sends a write until an answer comes, at most a few times. */
  async #commit(put: Operation): Promise<{ readonly result: CommitResult; readonly copies: number }> {
    const { backend, runtime, subject } = this.#target;
    for (let copies = 1; ; copies += 1) {
      try {
        return { result: await backend.commit([put]), copies };
      } catch (error) {
        if (!(error instanceof OutcomeUnknownError)) throw copies > 1 ? unresolved(subject, error) : error;
        if (copies >= copiesMax) throw error;
        await sleep(runtime, backoffMs(runtime, copies, copyPause), { holdsProcessOpen: true });
      }
    }
  }

  #applyAll(
    before: State,
    batch: readonly Waiting<Command, Answer>[],
  ): { readonly state: State; readonly outcomes: readonly Outcome<Answer>[] } {
    const { rules } = this.#target;
    const ready = rules.ready?.(before) ?? before;
    let state = ready;
    const outcomes = batch.map(({ command }): Outcome<Answer> => {
      try {
        const applied = rules.apply(state, command);
        state = applied.state;
        return applied;
      } catch (error) {
        return { error };
      }
    });
    return { state: state === ready ? before : state, outcomes };
  }

  #fill(batch: Waiting<Command, Answer>[]): void {
    const all = [...batch.splice(0), ...this.#waiting];
    this.#waiting = [];
    for (const waiting of all) {
      waiting.signal?.removeEventListener("abort", waiting.onAbort);
      if (waiting.signal?.aborted === true) waiting.onAbort();
      else batch.push(waiting);
    }
  }

  async #read(): Promise<SeenState<State>> {
    const { backend, key } = this.#target;
    const sent = this.#now();
    const [record] = await backend.get([key]);
    this.#seen = this.#decode(record ?? null, sent);
    return this.#seen;
  }

  #now(): { readonly asOf: number; readonly seenAtMs: number } {
    return { asOf: this.#tickets, seenAtMs: this.#target.runtime.monotonicMs() };
  }

  #decode(
    record: StoredRecord | null,
    sent: { readonly asOf: number; readonly seenAtMs: number },
  ): SeenState<State> {
    const { key, rules } = this.#target;
    return { ...sent, state: rules.decode(key, record?.value ?? null), version: record?.version ?? null };
  }
}

function deliver<Command, Answer>(
  batch: readonly Waiting<Command, Answer>[],
  outcomes: readonly Outcome<Answer>[],
): void {
  for (const [index, waiting] of batch.entries()) {
    const outcome = outcomes[index] as Outcome<Answer>;
    if ("error" in outcome) waiting.reject(outcome.error);
    else waiting.resolve(outcome.answer);
  }
}
