import type { Decision } from "./decision.ts";
import type { LimiterAnswer, LimiterCommand } from "./limiter-commands.ts";
import { parseTokens } from "./policy.ts";
import type { Reservation } from "./rate-limiter.ts";

/** What a reservation is made of. */
export interface ReservationParts {
  readonly decision: Decision;
  readonly cost: number;
  /** When its lease ends, on the store's clock; 0: the tokens count as spent already. */
  readonly expiresAtMs: number;
  readonly run: (command: LimiterCommand) => Promise<LimiterAnswer>;
}

/** Makes a {@link Reservation}: of nothing where it was denied, or decided without the store. */
export function createReservation(parts: ReservationParts): Reservation {
  const { decision, cost, expiresAtMs, run } = parts;
  const { allowed } = decision;
  let end: Promise<Decision> | undefined;
  const settleAt = (spent: number): Promise<Decision> => {
    end ??= allowed && !decision.degraded ? settle(spent) : Promise.resolve(decision);
    return end;
  };
  const settle = async (spent: number): Promise<Decision> => {
    const unspent = Math.max(0, cost - spent);
    const more = Math.max(0, spent - cost);
    // Nothing goes back of what counts as spent: its time may be over, and somebody else's is not to be given back.
    const returned = expiresAtMs === 0 ? [] : [{ expiresAtMs, spent: cost - unspent, unspent }];
    const settled = run({ kind: "lease", returned, atLeast: 0, wanted: 0, ttlMs: 1_000 });
    // In the same turn, so that both are one write.
    const charged = more > 0 ? run({ kind: "charge", tokens: more }) : settled;
    return (await Promise.all([charged, settled]))[0].decision;
  };
  return {
    allowed,
    decision,
    cost,
    settle: async (spent) => settleAt(parseTokens("the cost to settle at", spent, 0)),
    cancel: async () => settleAt(0),
    [Symbol.asyncDispose]: async () => {
      // A store that does not answer leaves it to the end of its time.
      await settleAt(0).catch(() => undefined);
    },
  };
}
