// One worker that asks a model: `node worker.ts URL NAMESPACE NAME [hang]`. It ends when the budget has no room for a call.
import { connect } from "../../src/index.ts";
import { askModel, budget, callMax, reservationTtlMs } from "./model.ts";

/** What a worker tells. `hangs`: it has reserved tokens, and its call does not end. */
export interface Told {
  readonly what: "settled" | "hangs";
  readonly reserved: number;
  readonly used: number;
  /** It came too late, so that nothing went back. */
  readonly isLate: boolean;
}

const [, , url = "", namespace = "", name = "", fate = ""] = process.argv;
const tell = (told: Told): void => {
  process.send?.(told, undefined, undefined, () => undefined);
};

await using coordinator = await connect(url, { namespace, clientName: name });
const tokens = coordinator.rateLimiter("model tokens", { policies: [budget], timeout: "10s" });
for (let call = 1; ; call += 1) {
  const startedAt = performance.now();
  // What the call may cost at most is set apart before, so no call can lead beyond the budget.
  await using reservation = await tokens.reserve("team-a", { cost: callMax, ttl: reservationTtlMs });
  if (!reservation.allowed) break;
  if (fate === "hang") {
    tell({ what: "hangs", reserved: callMax, used: 0, isLate: false });
    // Killed here: nobody will ever say what the call has cost.
    await new Promise(() => setInterval(() => undefined, 1_000));
  }
  const { tokensUsed } = await askModel(`${name}, question ${call}`);
  await reservation.settle(tokensUsed);
  const isLate = performance.now() - startedAt >= reservationTtlMs;
  tell({ what: "settled", reserved: callMax, used: tokensUsed, isLate });
}
process.disconnect();
