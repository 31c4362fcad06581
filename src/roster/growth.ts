import { type LeaseholdError, LeaseLostError } from "../core/errors.ts";
import { type AcquireRequest, Acquisition } from "./acquisition.ts";
import type { HeldGrant } from "./grant.ts";
import { type Holder, type Roster, reweigh, standing } from "./roster.ts";
import type { RosterView } from "./roster-view.ts";
import { Turn, type TurnContext } from "./turn.ts";

/** One holder's way to a larger weight, in front of everybody who waits. */
export class Growth {
  readonly acquisition: Acquisition;
  readonly #context: TurnContext;
  readonly #grant: HeldGrant;
  #turn: Turn | undefined;

  constructor(context: TurnContext, grant: HeldGrant, request: AcquireRequest) {
    this.#context = context;
    this.#grant = grant;
    this.acquisition = new Acquisition(context.runtime, request);
  }

  poke(): void {
    this.#turn?.poke();
  }

  onChange(view: RosterView | undefined): void {
    this.#turn?.onChange(view);
  }

  /** Resolves when it has the weight. Rejects, with the grant as it was, when the caller gives up or the time is over. */
  async wait(): Promise<void> {
    const { acquisition } = this;
    const grant = this.#grant;
    const { session, holder } = grant;
    const { driver } = this.#context;
    const { weight } = acquisition.request;
    if (!acquisition.isOpen) return acquisition.answer.then(() => undefined);
    const unfollow = follow(grant, (reason) => acquisition.reject(reason));
    const growing = async (): Promise<void> => {
      const view = await driver.submit({
        apply: (roster) => this.#standing(reweigh(roster, holder, weight)),
        isWanted: (failure) => acquisition.isWanted(failure),
      });
      const entry = {
        entrant: holder,
        join: () => Promise.reject(this.#gone()),
        // It comes with a larger fence; the weight alone may be that of an earlier time.
        isServed: ({ fence }: Holder) => fence > holder.fence,
      };
      this.#turn = new Turn(this.#context, acquisition, entry, session);
      const grown = await this.#turn.wait(view);
      if (grown === undefined || !acquisition.resolve(grant)) return;
      grant.regrant(grown);
    };
    growing().catch((error: unknown) => acquisition.reject(error));
    try {
      await acquisition.answer;
    } catch (error) {
      // Also where it was granted on the way: nobody will act on that.
      driver
        .insist({
          apply: (roster) => reweigh(roster, holder, holder.weight),
          isWanted: () => grant.state !== "released" && grant.state !== "lost",
        })
        .catch(leavingTakesItBack);
      throw error;
    } finally {
      unfollow();
    }
  }

  #standing(roster: Roster): Roster {
    if (standing(roster, this.#grant.holder).place === "absent") throw this.#gone();
    return roster;
  }

  #gone(): LeaseholdError {
    const { name } = this.#grant;
    return new LeaseLostError(
      `the grant of ${JSON.stringify(name)} was not there any more when it should grow`,
    );
  }
}

function follow({ signal }: HeldGrant, onLost: (reason: unknown) => void): () => void {
  const tell = (): void => onLost(signal.reason);
  if (signal.aborted) tell();
  else signal.addEventListener("abort", tell, { once: true });
  return () => signal.removeEventListener("abort", tell);
}

/** Nothing stands there any more that could grow. */
function leavingTakesItBack(): void {}
