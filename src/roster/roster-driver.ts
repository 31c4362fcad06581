import type { Backend, CommitResult, StoredRecord, Unsubscribe } from "../core/backend.ts";
import { backoffMs, conflictPauseMs } from "../core/backoff.ts";
import { type LeaseholdError, OutcomeUnknownError } from "../core/errors.ts";
import { isForgotten } from "../core/forgotten-error.ts";
import { type Runtime, sleep } from "../core/runtime.ts";
import { admit, emptyRoster, type Roster } from "./roster.ts";
import { failureBackoff, isTransient, type RosterChange, WithdrawnError } from "./roster-change.ts";
import { type IdleTtl, putRoster, type RosterView, viewIn, viewOf } from "./roster-view.ts";

/** What a driver needs to know about the record it drives. */
export interface RosterTarget {
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly key: string;
  readonly name: string;
  /** When the store may collect the record once nobody stands in it. `Infinity`: never. */
  readonly idleTtlMs?: IdleTtl;
}

/** Who is told what happens to the roster. Neither call may throw. */
export interface RosterListener {
  /** A commit of this client led from one roster to the next. */
  onCommitted(before: Roster, after: Roster): void;
  /** A hint told of a change, with the roster it led to if it carried that. Only while watching. */
  onChange(view: RosterView | undefined): void;
}

interface Pending {
  readonly change: RosterChange;
  readonly resolve: (view: RosterView) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads and writes one roster for all that one client does with it. One write is in flight at a time; what comes
 * meanwhile rides together in the next one. A change is applied again after a conflict or an unknown outcome,
 * which its idempotence makes safe: entrants are unique, so the record itself tells what was applied.
 */
export class RosterDriver {
  readonly #target: RosterTarget;
  #known: RosterView | undefined;
  #pending: Pending[] = [];
  #running = false;
  #idleListeners: (() => void)[] = [];
  #commits = 0;
  #fenceFloor = 0;
  /** What an earlier write began with whose outcome is unknown: whoever it admitted was not woken. */
  #unconfirmedBase: Roster | undefined;
  readonly #listener: RosterListener;
  #unwatch: Unsubscribe | undefined;

  constructor(target: RosterTarget, listener: RosterListener) {
    this.#target = target;
    this.#listener = listener;
  }

  /** The newest view this client has, without asking the store. */
  get known(): RosterView | undefined {
    return this.#known;
  }

  /** Takes in what a read beside this driver showed. */
  see(record: StoredRecord | null): void {
    const view = this.#decode(record);
    if (!this.#running) this.#known = view;
  }

  /** Forgets what is known, once nothing is in flight: it costs the next one a read. */
  async forget(): Promise<void> {
    await this.settled();
    if (!this.#running) this.#known = undefined;
  }

  /** Resolves when nothing is queued or in flight any more. Never rejects. */
  settled(): Promise<void> {
    return new Promise((resolve) => (this.#running ? this.#idleListeners.push(resolve) : resolve()));
  }

  /** Whether something is queued or in flight. */
  get busy(): boolean {
    return this.#running;
  }

  /** Reads the roster, and other records along with it in the same request. */
  async read(
    otherKeys: readonly string[] = [],
  ): Promise<{ readonly view: RosterView; readonly others: readonly (StoredRecord | null)[] }> {
    const commitsBefore = this.#commits;
    const [record, ...others] = await this.#target.backend.get([this.#target.key, ...otherKeys]);
    const view = this.#decode(record ?? null);
    // A commit of ours that came between is newer than what this read may show.
    if (commitsBefore === this.#commits && !this.#running) this.#known = view;
    return { view, others };
  }

  /**
   * Follows the record by the backend's hints, where it gives any, so that the next write knows the newest version.
   * Answers whether that began just now.
   */
  watch(): boolean {
    const { backend, key } = this.#target;
    if (this.#unwatch !== undefined || backend.capabilities.watch === "none") return false;
    this.#unwatch = backend.watch(key, (hint) => {
      if (hint.key === key) this.#onHint(hint.record);
    });
    return true;
  }

  /** Ends what {@link RosterDriver.watch} began. */
  unwatch(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  /** Commits a change. Resolves with the roster that the commit made, rejects when it is given up. */
  submit(change: RosterChange): Promise<RosterView> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ change, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      // Deferred, so that what is submitted in the same turn rides in the same write.
      queueMicrotask(() => void this.#run());
    });
  }

  /** As {@link RosterDriver.submit}, and again after a refusal, as long as it is wanted. */
  async insist(change: RosterChange): Promise<RosterView> {
    const { runtime } = this.#target;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.submit(change);
      } catch (error) {
        if (!change.isWanted(error as LeaseholdError)) throw error;
        await sleep(runtime, backoffMs(runtime, attempt, failureBackoff));
      }
    }
  }

  async #run(): Promise<void> {
    const { runtime } = this.#target;
    let conflicts = 0;
    let failures = 0;
    let alone = 0;
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, alone > 0 ? 1 : this.#pending.length).filter(keepWanted);
      alone -= 1;
      if (batch.length === 0) continue;
      const startedAtMs = runtime.monotonicMs();
      let delayMs = 0;
      try {
        const committed = await this.#attempt(batch, conflicts + failures > 0);
        conflicts = committed ? 0 : conflicts + 1;
        failures = 0;
        if (!committed) {
          this.#pending.unshift(...batch);
          const roundTripMs = runtime.monotonicMs() - startedAtMs;
          if (conflicts % 2 === 0) delayMs = conflictPauseMs(runtime, conflicts, roundTripMs);
        }
      } catch (error) {
        this.#known = undefined;
        if (batch.length > 1 && (!isTransient(error) || isForgotten(error))) {
          // What is refused for the sake of one must not take the others with it: a release least of all.
          this.#pending.unshift(...batch);
          alone = batch.length;
          continue;
        }
        this.#pending.unshift(...batch.filter((pending) => keepAfterFailure(pending, error)));
        delayMs = backoffMs(runtime, failures, failureBackoff);
        failures += 1;
      }
      if (delayMs > 0 && this.#pending.length > 0) {
        await sleep(runtime, delayMs, { holdsProcessOpen: true });
        // Who writes over a view that is older than the pause loses for ever against one busy client.
        if (conflicts > 0) this.#known = undefined;
      }
    }
    this.#running = false;
    for (const resolve of this.#idleListeners.splice(0)) resolve();
  }

  /**
   * Answers whether the batch is done; on a conflict it is not. What is known from earlier is good enough to write
   * over, for a conflict corrects it, but not to leave a write out: nothing would ever correct that.
   */
  async #attempt(batch: readonly Pending[], isKnownFresh: boolean): Promise<boolean> {
    const { backend, runtime, key, name, idleTtlMs } = this.#target;
    let base = this.#known;
    if (base === undefined || (!isKnownFresh && settlesAny(batch, base.roster))) base = await this.#refresh();
    let changed = this.lifted(base.roster);
    let isSettled = true;
    for (const { change } of batch) {
      if (change.isSettledIn?.(base.roster) === true) continue;
      changed = change.apply(changed);
      isSettled = false;
    }
    if (!isSettled) {
      const roster = admit(changed, runtime.wallMs());
      let result: CommitResult;
      try {
        result = await backend.commit([putRoster(key, name, roster, base.version, idleTtlMs)]);
      } catch (error) {
        if (error instanceof OutcomeUnknownError) this.#unconfirmedBase ??= base.roster;
        throw error;
      }
      if (!result.committed) {
        const current = result.conflicts[0]?.current;
        this.#known = current === undefined ? undefined : this.#decode(current);
        return false;
      }
      this.adopt({ version: result.versions[0] ?? null, roster }, base.roster);
    } else if (this.#unconfirmedBase !== undefined) this.#tellCommitted(base.roster, base.roster);
    const view = this.#known ?? base;
    for (const pending of batch) pending.resolve(view);
    return true;
  }

  /** Takes in a commit of this client that led from one roster to the next. */
  adopt(view: RosterView, before: Roster): void {
    this.#known = view;
    this.#commits += 1;
    this.#fenceFloor = Math.max(this.#fenceFloor, view.roster.fence);
    this.#tellCommitted(before, view.roster);
  }

  #tellCommitted(before: Roster, after: Roster): void {
    const base = this.#unconfirmedBase ?? before;
    this.#unconfirmedBase = undefined;
    this.#listener.onCommitted(base, after);
  }

  async #refresh(): Promise<RosterView> {
    const [record] = await this.#target.backend.get([this.#target.key]);
    this.#known = this.#decode(record ?? null);
    return this.#known;
  }

  /** A record that was wiped or rolled back must not lead to a fence that this client has already seen. */
  lifted(roster: Roster): Roster {
    this.#fenceFloor = Math.max(this.#fenceFloor, roster.fence);
    return roster.fence === this.#fenceFloor ? roster : { ...roster, fence: this.#fenceFloor };
  }

  #onHint(record: StoredRecord | null | undefined): void {
    const view = record == null ? undefined : viewIn(record);
    // An older view than the known one costs a conflict, no more.
    if (view !== undefined && !this.#running) this.#known = view;
    this.#listener.onChange(view);
  }

  #decode(record: StoredRecord | null): RosterView {
    // Whoever comes first sets the capacity.
    return record === null ? { version: null, roster: emptyRoster(0) } : viewOf(record);
  }
}

function settlesAny(batch: readonly Pending[], roster: Roster): boolean {
  return batch.some(({ change }) => change.isSettledIn?.(roster) === true);
}

function keepWanted(pending: Pending): boolean {
  const wanted = pending.change.isWanted();
  if (!wanted) pending.reject(new WithdrawnError());
  return wanted;
}

function keepAfterFailure(pending: Pending, error: unknown): boolean {
  const keep = isTransient(error) && pending.change.isWanted(error);
  if (!keep) pending.reject(error);
  return keep;
}
