import { LeaseLostError, OutcomeUnknownError } from "../core/errors.ts";
import type { HeldGrant } from "./grant.ts";
import { takenMessage } from "./intervention.ts";
import { leave, type Roster, standing } from "./roster.ts";
import type { RosterDriver } from "./roster-driver.ts";

/**
 * Takes a holder out of its roster. The change is submitted before this function waits for anything, so that the next
 * local caller can join in the same write.
 *
 * @throws LeaseLostError when its session ended first, or when it did not stand there any more.
 */
export async function depart(
  driver: RosterDriver,
  { name, fence, session, holder }: HeldGrant,
): Promise<void> {
  const isStanding = (roster: Roster): boolean => standing(roster, holder).place !== "absent";
  if (session.lost !== undefined) {
    // Its holder says that it has stopped: the next one need not wait for the expiry. Not worth a second try.
    driver
      .submit({
        apply: (roster) => leave(roster, holder),
        isSettledIn: (roster) => !isStanding(roster),
        isWanted: (failure) => failure === undefined,
      })
      .catch(expiryFrees);
    return;
  }
  let wasTaken = false;
  let mayHaveLeft = false;
  const apply = (roster: Roster): Roster => {
    // Where an attempt may have been applied, only what the roster remembers tells that somebody was faster.
    wasTaken = !isStanding(roster) && (!mayHaveLeft || isTakenAway(roster, fence));
    return leave(roster, holder);
  };
  const isWanted = (failure?: Error): boolean => {
    mayHaveLeft ||= failure instanceof OutcomeUnknownError;
    return session.lost === undefined;
  };
  try {
    await driver.submit({ apply, isWanted });
    session.endTicket(holder.ticket);
  } catch (error) {
    if (session.lost !== undefined) throw session.lost;
    leaveBehind(driver, { session, holder });
    throw error;
  }
  if (wasTaken) throw new LeaseLostError(takenMessage({ name, fence }));
}

/** Whether the roster remembers that this grant was released by force. */
function isTakenAway({ removals = [] }: Roster, fence: number): boolean {
  return removals.some(({ fences }) => fences.includes(fence));
}

/** Takes a holder out in the background, for as long as its session lives: nobody else would ever do it. */
export function leaveBehind(
  driver: RosterDriver,
  { session, holder }: Pick<HeldGrant, "session" | "holder">,
): void {
  driver
    .insist({ apply: (roster) => leave(roster, holder), isWanted: () => session.lost === undefined })
    .then(() => session.endTicket(holder.ticket), expiryFrees);
}

/** The answer to a leave that failed for good: the session ends, and whoever waits evicts its entrants. */
function expiryFrees(): void {}
