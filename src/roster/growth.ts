import { type LeaseholdError, LeaseLostError } from "../core/errors.ts";
import { type AcquireRequest, Acquisition } from "./acquisition.ts";
import type { HeldGrant } from "./grant.ts";
import { type Holder, reweigh, standing } from "./roster.ts";
import type { RosterView } from "./roster-view.ts";
import { Turn, type TurnContext } from "./turn.ts";

/** What a growth goes back to. */
export interface GrowthRetreat {
  /** The weight that its holder counts on now, which it keeps when it gives up. */
  weight(): number;
  /** Whether the holder has asked for no more since: a later growth stands by itself. */
  isLatest(): boolean;
}

/** One holder's way to a larger weight, in front of everybody who waits. */
export class Growth {
  readonly acquisition: Acquisition;
  readonly #context: TurnContext;
  readonly #grant: HeldGrant;
  readonly #retreat: GrowthRetreat;
  #turn: Turn | undefined;

  constructor(context: TurnContext, grant: HeldGrant, request: AcquireRequest, retreat: GrowthRetreat) {
    this.#context = context;
    this.#grant = grant;
    this.#retreat = retreat;
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
    if (!acquisition.isOpen) return acquisition.answer.then(() => undefined);
    const unfollow = follow(grant, (reason) => acquisition.reject(reason));
    const growing = async (): Promise<void> => {
      const grown = await this.#grown();
      if (grown !== undefined && acquisition.resolve(grant)) grant.regrant(grown);
    };
    growing().catch((error: unknown) => acquisition.reject(error));
    try {
      await acquisition.answer;
    } catch (error) {
      this.#giveUp().catch(leavingTakesItBack);
      throw error;
    } finally {
      unfollow();
    }
  }

  async #grown(): Promise<Holder | undefined> {
    const { acquisition } = this;
    const { holder, session } = this.#grant;
    const view = await this.#ask();
    const place = standing(view.roster, holder);
    // Its own write had room for it, or found it with that weight already.
    if (place.place === "holder") return place.holder;
    const { fence: askedAtFence } = view.roster;
    const entry = {
      entrant: holder,
      // An old read may show it as it was before it came.
      join: () => this.#ask(),
      // What comes from now on has a larger fence than anything before. An old read may show an earlier growth.
      isServed: ({ fence }: Holder) => fence > askedAtFence,
    };
    this.#turn = new Turn(this.#context, acquisition, entry, session);
    return this.#turn.wait(view);
  }

  /** Only the roster that was committed tells whether it stands there: what it was made from may be an old one. */
  async #ask(): Promise<RosterView> {
    const { holder } = this.#grant;
    const { weight } = this.acquisition.request;
    const view = await this.#context.driver.submit({
      apply: (roster) => reweigh(roster, holder, weight),
      isWanted: (failure) => this.acquisition.isWanted(failure),
    });
    if (standing(view.roster, holder).place === "absent") throw this.#gone();
    return view;
  }

  /** Also where it was granted on the way: nobody will act on that, and only its fence stays. */
  async #giveUp(): Promise<void> {
    const grant = this.#grant;
    const { holder } = grant;
    const isHeld = (): boolean => grant.state !== "released" && grant.state !== "lost";
    const isWanted = (): boolean => this.#retreat.isLatest() && isHeld();
    const { roster } = await this.#context.driver.insist({
      apply: (before) => reweigh(before, holder, this.#retreat.weight()),
      isWanted,
    });
    const place = standing(roster, holder);
    // By this fence others name the grant. An old read may show an earlier one.
    if (isWanted() && place.place === "holder" && place.holder.fence > grant.fence)
      grant.regrant(place.holder);
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

/** Nothing stands there any more that could grow, or a later change stands there instead. */
function leavingTakesItBack(): void {}
