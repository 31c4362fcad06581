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
    const more = spent - cost;
    if (expiresAtMs === 0) return (await run({ kind: "charge", tokens: more })).decision;
    const returned = [{ expiresAtMs, spent: cost - unspent, unspent }];
    const settled = await run({ kind: "lease", returned, atLeast: 0, wanted: 0, ttlMs: 1_000 });
    return more > 0 ? (await run({ kind: "charge", tokens: more })).decision : settled.decision;
  };
  return {
    allowed,
    decision,
    cost,
    settle: async (spent) => settleAt(parseTokens("the cost to settle at", spent, 0)),
    cancel: async () => settleAt(0),
    [Symbol.asyncDispose]: async () => {
      await settleAt(0);
    },
  };
}
