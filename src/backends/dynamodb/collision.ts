import type { Failure } from "./failure.ts";
import type { RetryLimits } from "./retry.ts";

/** How a transaction that collided with others is tried again. */
export const collisionRetries: RetryLimits = { retriesMax: 8, firstMs: 20, maxMs: 500 };

const collisionCodes = new Set([
  "None",
  "TransactionConflict",
  "ProvisionedThroughputExceeded",
  "ThrottlingError",
]);

/** Cancelled only because others were at work on the same items, or because of their throughput. */
export function isCollision({ reasons }: Failure): boolean {
  return reasons.length > 0 && reasons.every(({ Code = "None" }) => collisionCodes.has(Code));
}
