import type { ResolvedPolicy } from "../policy.ts";
import type { Algorithm } from "./algorithm.ts";
import { calendarWindow } from "./calendar-window.ts";
import { fixedWindow } from "./fixed-window.ts";
import { slidingWindow } from "./sliding-window.ts";
import { tokenBucket } from "./token-bucket.ts";

const algorithms: Readonly<Record<ResolvedPolicy["algorithm"], (policy: ResolvedPolicy) => Algorithm>> = {
  "token-bucket": tokenBucket,
  "fixed-window": fixedWindow,
  "sliding-window": slidingWindow,
  "calendar-window": calendarWindow,
};

/** The algorithm of a policy, with its numbers. */
export function algorithmOf(policy: ResolvedPolicy): Algorithm {
  return algorithms[policy.algorithm](policy);
}
