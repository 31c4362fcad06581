import type { WebLockMode } from "./lock-manager.ts";

const sharedMax = 2 ** 20;
const weights = { shared: 1, exclusive: sharedMax } as const;

/** All of it: one who holds exclusively, or about a million who share. */
export const capacity = weights.exclusive;

/** How much of the capacity a mode takes. */
export function weightOf(mode: WebLockMode): number {
  return weights[mode];
}

/** The mode that somebody of this weight has. */
export function modeOf(weight: number): WebLockMode {
  return weight === weights.exclusive ? "exclusive" : "shared";
}
