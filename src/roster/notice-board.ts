import type { LeaseholdError } from "../core/errors.ts";
import { lookOut } from "./lookout.ts";
import { type Patience, PendingAnswer } from "./pending-answer.ts";
import type { Roster } from "./roster.ts";
import type { RosterChange } from "./roster-change.ts";
import type { RosterView } from "./roster-view.ts";
import { type Expected, RosterWait, type RosterWaitContext } from "./roster-wait.ts";
import { SparseMap, SparseSet } from "./sparse.ts";

/**
 * What one client does with a roster beside standing in it: reads it, changes what the primitive remembers there, and
 * waits for what it is to show. What one of those who wait reads, all of them see.
 */
export class NoticeBoard {
  readonly #context: RosterWaitContext;
  readonly #onQuiet: () => void;
  readonly #changes = new SparseSet<PendingAnswer<Roster>>();
  readonly #waits = new SparseMap<RosterWait<unknown>, Promise<void>>();

  /** `onQuiet` is called when somebody waits no more. */
  constructor(context: RosterWaitContext, onQuiet: () => void) {
    this.#context = context;
    this.#onQuiet = onQuiet;
  }

  /** How many wait here. */
  get size(): number {
    return this.#waits.size;
  }

  /** The newest roster that this client has, without asking the store. */
  get known(): Roster | undefined {
    return this.#context.driver.known?.roster;
  }

  /** Forgets the roster, where it is large and not soon needed again. */
  forget(): void {
    void this.#context.driver.forget();
  }

  /** The roster as one read shows it. */
  async read(): Promise<Roster> {
    return (await this.#context.driver.read()).view.roster;
  }

  /** As one read shows it together with the sessions of all who hold it, without those who are dead by now. */
  async look(): Promise<Roster> {
    const { driver } = this.#context;
    const known = driver.known ?? (await driver.read()).view;
    const { view, heal } = await lookOut(this.#context, driver, known.roster.holders, []);
    if (heal === undefined) return view.roster;
    return (await driver.submit({ apply: heal, isWanted: (failure) => failure === undefined })).roster;
  }

  /**
   * Commits a change, again after failures as long as the caller is patient. Answers what it led to. The outcome is
   * unknown where the error says so, and after an abort.
   */
  change(
    {
      onFailure,
      ...steps
    }: Pick<RosterChange, "apply" | "isSettledIn"> & {
      /** Told of each attempt that failed: what was applied last may stand there, where the outcome is unknown. */
      onFailure?(failure: LeaseholdError): void;
    },
    patience: Patience,
  ): Promise<Roster> {
    const answer = new PendingAnswer<Roster>(this.#context.runtime, patience, true);
    if (!answer.isOpen) return answer.promise;
    this.#changes.add(answer);
    answer.onAnswered(() => this.#changes.delete(answer));
    const isWanted = (failure?: LeaseholdError): boolean => {
      if (failure !== undefined) onFailure?.(failure);
      return answer.isWanted(failure);
    };
    this.#context.driver.submit({ ...steps, isWanted }).then(
      ({ roster }) => answer.resolve(roster),
      (error: unknown) => answer.reject(error),
    );
    return answer.promise;
  }

  /** Waits until the roster shows something. */
  until<T>(expected: Expected<T>): Promise<T> {
    const wait: RosterWait<T> = new RosterWait(this.#context, expected, (view) => this.onChange(view, wait));
    const key = wait as RosterWait<unknown>;
    // Known before it runs: it may end at once.
    this.#waits.set(key, Promise.resolve());
    const following = wait.follow().finally(() => {
      this.#waits.delete(key);
      this.#onQuiet();
    });
    this.#waits.set(key, following);
    return wait.answer.promise;
  }

  /** Something changed, with the roster it led to where that is known. `from`: who told, and knows already. */
  onChange(view: RosterView | undefined, from?: object): void {
    for (const wait of this.#waits.keys()) if (wait !== from) wait.onChange(view);
  }

  /** Answers everybody who waits here with `error`. */
  rejectWaiting(error: unknown): void {
    for (const { answer } of this.#waits.keys()) answer.reject(error);
    for (const answer of this.#changes) answer.reject(error);
  }

  /** Resolves when nothing of those who wait is in flight. Only after everybody was answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#waits.values());
  }
}
