import { backoffMs } from "../core/backoff.ts";
import type { Duration } from "../core/durations.ts";
import { AcquireTimeoutError, OutcomeUnknownError } from "../core/errors.ts";
import { invariant } from "../core/invariant.ts";
import type { Json } from "../core/json.ts";
import { sleep } from "../core/runtime.ts";
import { checkAcquireOptions } from "../roster/acquirer.ts";
import type { AcquireRequest } from "../roster/acquisition.ts";
import type { NoticeBoard } from "../roster/notice-board.ts";
import type { Roster } from "../roster/roster.ts";
import { failureBackoff, isTransient } from "../roster/roster-change.ts";
import type { RosterHost, RosterName } from "../roster/roster-host.ts";
import type { ScheduleSettings } from "./schedule-options.ts";
import { Sightings } from "./sightings.ts";
import {
  decodeSlot,
  encodeSlot,
  judge,
  type Refusal,
  type SlotNote,
  type SlotWish,
  undoRun,
} from "./slot-note.ts";
import { SlotRun } from "./slot-run.ts";

/** Options of `schedule.run`. */
export interface SlotRunOptions {
  /**
   * How long to wait while somebody else runs. Default: not at all; with `attempts` of 2 or more as long as it takes, so
   * that there is somebody who takes over.
   */
  readonly wait?: Duration;
  /** Gives up waiting with an `AbortedError` when it fires. Does not stop work that has begun. */
  readonly signal?: AbortSignal;
  /** Shown to those who inspect it. JSON of at most 1,024 bytes. */
  readonly metadata?: Json;
}

/**
 * Why a slot was not run. `taken`: it was begun already, by whomever. `older`: a newer slot was begun already. `running`:
 * somebody runs it, or another slot, right now. `closed`: the `atLeast` of the last run is not over.
 */
export type SlotRefusal = Refusal | "running";

/** Where a beginner gets everything it needs. */
export interface SlotBeginnerContext {
  readonly host: RosterHost;
  readonly name: string;
  readonly settings: ScheduleSettings;
  readonly target: RosterName;
}

/** One call of `run`. */
interface Wanted {
  readonly run: string;
  readonly slotMs: number | null;
  /** What stood there before the write that may have begun it; left out: there was none. */
  begun?: { readonly before: SlotNote | undefined };
}

type Asked = Pick<AcquireRequest, "waitMs" | "signal" | "metadata" | "maxHoldMs">;

/** What each coordinator has seen. */
const sightings = new WeakMap<RosterHost, Sightings>();

/** Finds out who runs a slot. */
export class SlotBeginner {
  readonly #context: SlotBeginnerContext;

  constructor(context: SlotBeginnerContext) {
    this.#context = context;
  }

  /** Begins a slot, or says why not. A store that fails is asked again for one TTL. */
  async begin(slotMs: number | null, options: SlotRunOptions | undefined): Promise<SlotRun | SlotRefusal> {
    const { host, settings } = this.#context;
    const { runtime } = host;
    const asked = checkAcquireOptions("run", options, ["wait", "signal", "metadata"]);
    const waitMs = options?.wait === undefined && settings.attemptsMax === 1 ? 0 : asked.waitMs;
    const waitUntilMs = runtime.monotonicMs() + waitMs;
    const failUntilMs = runtime.monotonicMs() + settings.ttlMs;
    const { signal } = asked;
    const { board } = host.queue(this.#context.target);
    const wanted: Wanted = { run: runtime.id(), slotMs };
    let unclear: OutcomeUnknownError | undefined;
    for (let failures = 0; ; ) {
      try {
        if (unclear !== undefined) await this.#settle(unclear, failUntilMs - runtime.monotonicMs(), signal);
        unclear = undefined;
        const begun = await this.#try(wanted, asked);
        if (begun === "again" && runtime.monotonicMs() < failUntilMs) {
          failures += 1;
          await this.#pause(failures, signal);
          continue;
        }
        if (begun !== "busy" && begun !== "again") return begun;
        const restMs = waitUntilMs - runtime.monotonicMs();
        if (restMs > 0 && (await this.#waitUntilFree(restMs, signal))) continue;
        this.#takeBack(wanted, board);
        return "running";
      } catch (error) {
        if (!isTransient(error) || runtime.monotonicMs() >= failUntilMs) {
          this.#takeBack(wanted, board);
          throw error;
        }
        if (error instanceof OutcomeUnknownError) unclear = error;
        failures += 1;
        await this.#pause(failures, signal);
      }
    }
  }

  /**
   * Whoever gives up before the work began leaves the slot to others, in the background: always by a write, which also
   * stops one that is still on its way.
   */
  #takeBack({ run, begun }: Wanted, board: NoticeBoard): void {
    if (begun === undefined) return;
    const { name, settings } = this.#context;
    const failing = `the beginning of ${JSON.stringify(name)} was not taken back`;
    const apply = (roster: Roster): Roster => undoRun(roster, name, run, begun.before);
    board.change({ apply }, { failing, waitMs: settings.ttlMs, signal: undefined }).catch(staysBegun);
  }

  #pause(failures: number, signal: AbortSignal | undefined): Promise<void> {
    const { runtime } = this.#context.host;
    const delayMs = backoffMs(runtime, failures, failureBackoff);
    return sleep(runtime, delayMs, { holdsProcessOpen: true, signal });
  }

  /**
   * One try. `busy`: somebody else is in it. `again`: nobody is; another caller of this process tried at the same time, or
   * the session was lost on the way.
   */
  async #try(wanted: Wanted, asked: Asked): Promise<SlotRun | SlotRefusal | "busy" | "again"> {
    const { host, name, settings, target } = this.#context;
    const { ttlMs, atMostMs, atLeastMs, attemptsMax } = settings;
    const { run, slotMs } = wanted;
    const queue = host.queue(target);
    const wallMs = host.runtime.wallMs();
    const wish: SlotWish = { run, slotMs, attemptsMax, closedForMs: atLeastMs, wallMs };
    const { board } = queue;
    const known = board.known && this.#refusal(board.known, wish);
    // A refusal is worth a read: what is known may be long ago. And no read without one, where something is known.
    const refusal =
      board.known === undefined || known !== undefined ? this.#refusal(await board.read(), wish) : known;
    if (refusal !== undefined) return refusal;
    let granted: SlotNote | undefined;
    const grant = await queue.tryAcquire({
      ...{ ...asked, name, ttlMs, weight: 1, capacity: 1, maxHoldMs: atMostMs },
      claim: (json) => {
        const verdict = this.#judge(json, wish);
        granted = typeof verdict === "string" ? undefined : verdict;
        const before = decodeSlot(name, json);
        if (before?.run !== run) wanted.begun = { before };
        return granted === undefined ? null : encodeSlot(granted);
      },
    });
    if (grant !== null) {
      invariant(granted !== undefined, "who is let in was judged before");
      this.#sightings.see(name, granted);
      return new SlotRun({ host, target, board, ttlMs }, grant, granted);
    }
    if (board.known === undefined) return "again";
    // Refused, and by a roster that shows it: nothing is left to take back.
    if (decodeSlot(name, board.known.note)?.run !== run) delete wanted.begun;
    return this.#refusal(board.known, wish) ?? (board.known.holders.length > 0 ? "busy" : "again");
  }

  /** Why a roster lets nobody in, whatever becomes of whom it holds. */
  #refusal({ note, holders }: Roster, wish: SlotWish): SlotRefusal | undefined {
    const verdict = this.#judge(note, wish);
    const isHeld = holders.length > 0;
    if (verdict === "taken" && isHeld) return "running";
    if (verdict === "older" || verdict === "taken" || (verdict === "closed" && !isHeld)) return verdict;
    return undefined;
  }

  #judge(json: Json | undefined, wish: SlotWish): SlotNote | Refusal {
    const { name, settings } = this.#context;
    const note = decodeSlot(name, json);
    if (note !== undefined) this.#sightings.see(name, note);
    return judge(note, wish, (last) => this.#sightings.isOpen(name, last, settings.clockDifferenceMs));
  }

  get #sightings(): Sightings {
    const { host } = this.#context;
    const known = sightings.get(host) ?? new Sightings(host.runtime);
    sightings.set(host, known);
    return known;
  }

  /** A write that took effect is being taken back: its note still says that we began, and a later try goes on with it. */
  async #settle(
    unclear: OutcomeUnknownError,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { host, name, target } = this.#context;
    const failing = `what became of the beginning of ${JSON.stringify(name)} was not found out`;
    try {
      await host.queue(target).board.change({ apply: (roster) => roster }, { failing, waitMs, signal });
    } catch (error) {
      throw error instanceof AcquireTimeoutError ? unclear : error;
    }
  }

  async #waitUntilFree(waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { host, name, settings, target } = this.#context;
    try {
      return await host.queue(target).board.until<true>({
        ...{ failing: `${JSON.stringify(name)} was run by others`, ttlMs: settings.ttlMs, waitMs, signal },
        find: ({ holders }) => (holders.length === 0 ? true : undefined),
        watched: ({ holders }) => ({ near: holders, further: [] }),
      });
    } catch (error) {
      if (error instanceof AcquireTimeoutError) return false;
      throw error;
    }
  }
}

/** Nobody runs it, or once more where several attempts are allowed: as if its runner had died. */
function staysBegun(): void {}
