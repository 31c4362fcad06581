import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { tokenUnits } from "./algorithms/token-bucket.ts";
import { type CalendarUnit, calendarOf, unitMaxMs } from "./calendar.ts";

/**
 * One limit. All count in whole numbers, on the store's clock, and never admit more than they say.
 *
 * @example
 * ```ts
 * import { connect, type Policy } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const policies: readonly Policy[] = [
 *   { limit: 10, per: "1s", burst: 20 },
 *   { limit: 100, per: "1h", algorithm: "sliding-window" },
 *   { limit: 1_000, per: "month", algorithm: "calendar-window", timeZone: "Europe/Berlin" },
 * ];
 * const limiter = coordinator.rateLimiter("api", { policies });
 * console.log(limiter.policies.map(({ name }) => name).join(" ")); // 10/1s 100/1h 1000/month
 * ```
 */
export type Policy = WindowPolicy | CalendarPolicy;

/** A limit for each window of one length. */
export interface WindowPolicy {
  /**
   * Shown in decisions and headers, and kept in the store: a policy whose numbers change keeps what was used if it keeps its
   * name. Any Unicode of 1 to 1,024 bytes. Default: limit and window, as `100/1m`.
   */
  readonly name?: string;
  /** How many tokens in one `per`: a whole number from 1 to 2^40. */
  readonly limit: number;
  /** Over how long: 10 ms to 366 days. */
  readonly per: Duration;
  /**
   * - `token-bucket` (default): tokens come back evenly, one every `per / limit`, and at most `burst` are had at once; in any
   *   stretch of T at most `burst + T * limit / per`. The same as the generic cell rate algorithm (GCRA, ITU-T I.371).
   * - `sliding-window`: never more than the limit in any stretch of `per`. A token counts for up to a tenth of `per` longer.
   * - `fixed-window`: the limit is had anew once `per` has passed since the first token of the window; so up to twice the
   *   limit in a stretch of `per`.
   */
  readonly algorithm?: "token-bucket" | "fixed-window" | "sliding-window";
  /** For a `token-bucket`: the most that is had at once, from 1 to 2^40. Default: the limit. */
  readonly burst?: number;
}

/** A limit for each minute, hour, day, week (from Monday) or month of the calendar of a time zone. */
export interface CalendarPolicy {
  /** As that of a {@link WindowPolicy}. Default: limit and unit, as `1000/day`. */
  readonly name?: string;
  /** How many tokens in one unit: a whole number from 1 to 2^40. */
  readonly limit: number;
  /** The limit is had anew when the next one begins. */
  readonly per: CalendarUnit;
  readonly algorithm: "calendar-window";
  /** An IANA time zone, as `Europe/Berlin`. Default: `UTC`. */
  readonly timeZone?: string;
}

/** A {@link Policy} with its defaults, as {@link RateLimiter.policies} shows it. */
export interface ResolvedPolicy {
  readonly name: string;
  readonly algorithm: "token-bucket" | "fixed-window" | "sliding-window" | "calendar-window";
  readonly limit: number;
  /** The most at once: the `burst` of a token bucket, else the limit. */
  readonly burst: number;
  /** The window in milliseconds; that of a calendar at its longest, with the change from summer time. */
  readonly windowMs: number;
  /** For a calendar window; else `undefined`. */
  readonly per: CalendarUnit | undefined;
  /** As `per`. */
  readonly timeZone: string | undefined;
}

/** The most tokens that a limit, a burst or a cost may be. */
export const tokensMax = 2 ** 40;
/** The most policies of one limiter. */
export const policiesMax = 8;

const windowMinMs = 10;
const windowMaxMs = 366 * 86_400_000;
const windowKeys = ["name", "limit", "per", "algorithm", "burst"];
const calendarKeys = ["name", "limit", "per", "algorithm", "timeZone"];
const windowAlgorithms = ["token-bucket", "fixed-window", "sliding-window"] as const;

/** @throws InvalidArgumentError for what is not a list of policies with names of their own. */
export function parsePolicies(policies: readonly Policy[]): readonly ResolvedPolicy[] {
  if (!Array.isArray(policies) || policies.length === 0 || policies.length > policiesMax) {
    throw new InvalidArgumentError(
      `policies must be a list of 1 to ${policiesMax} policies, as [{ limit: 100, per: "1m" }]; got ${
        Array.isArray(policies) ? `${policies.length} of them` : describe(policies)
      }`,
    );
  }
  const resolved = policies.map((policy: Policy) => parsePolicy(policy));
  const names = new Set(resolved.map(({ name }) => name));
  if (names.size < resolved.length) {
    const text = resolved.map(({ name }) => describe(name)).join(", ");
    throw new InvalidArgumentError(`every policy of a limiter needs a name of its own; got ${text}`);
  }
  return resolved;
}

/** @throws InvalidArgumentError when it is not a whole number of tokens within the range. */
export function parseTokens(what: string, value: unknown, least: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= tokensMax) {
    return value as number;
  }
  throw new InvalidArgumentError(
    `${what} must be a whole number from ${least} to 2^40; got ${describe(value)}`,
  );
}

function parsePolicy(policy: Policy): ResolvedPolicy {
  if (typeof policy !== "object" || policy === null) {
    throw new InvalidArgumentError(
      `a policy is an object, as { limit: 100, per: "1m" }; got ${describe(policy)}`,
    );
  }
  if (policy.name !== undefined) checkName("the name of a policy", policy.name);
  const limit = parseTokens("the limit of a policy", policy.limit, 1);
  return policy.algorithm === "calendar-window"
    ? parseCalendarPolicy(policy, limit)
    : parseWindowPolicy(policy, limit);
}

function parseCalendarPolicy(policy: CalendarPolicy, limit: number): ResolvedPolicy {
  checkOptions("a calendar-window policy", policy, calendarKeys);
  const { per, timeZone = "UTC", algorithm } = policy;
  if (!Object.hasOwn(unitMaxMs, per)) {
    const units = Object.keys(unitMaxMs).join(", ");
    throw new InvalidArgumentError(`per of a calendar-window must be one of ${units}; got ${describe(per)}`);
  }
  try {
    calendarOf(per, timeZone);
  } catch (error) {
    throw new InvalidArgumentError(
      `timeZone must be an IANA time zone, as "Europe/Berlin"; got ${describe(timeZone)}`,
      { cause: error },
    );
  }
  const name = policy.name ?? `${limit}/${per}`;
  return { name, algorithm, limit, burst: limit, windowMs: unitMaxMs[per], per, timeZone };
}

function parseWindowPolicy(policy: WindowPolicy, limit: number): ResolvedPolicy {
  const { algorithm = "token-bucket" } = policy;
  if (!windowAlgorithms.includes(algorithm)) {
    const known = [...windowAlgorithms, "calendar-window"].join(", ");
    throw new InvalidArgumentError(`algorithm must be one of ${known}; got ${describe(algorithm)}`);
  }
  checkOptions(`a ${algorithm} policy`, policy, windowKeys);
  const windowMs = Math.round(
    parseDuration("per of a policy", policy.per, { minMs: windowMinMs, maxMs: windowMaxMs }),
  );
  if (policy.burst !== undefined && algorithm !== "token-bucket") {
    throw new InvalidArgumentError(`burst belongs to a token-bucket; a ${algorithm} has none`);
  }
  const burst = policy.burst === undefined ? limit : parseTokens("burst", policy.burst, 1);
  if (algorithm === "token-bucket" && burst * tokenUnits({ limit, windowMs }).unit > 2 ** 52) {
    throw new InvalidArgumentError(
      `a token bucket counts in whole numbers up to 2^52; ${burst} tokens at ${limit} per ${windowMs} ms are beyond ` +
        "that: use a rounder limit, a smaller burst or another window",
    );
  }
  const name = policy.name ?? `${limit}/${shortDuration(windowMs)}`;
  return { name, algorithm, limit, burst, windowMs, per: undefined, timeZone: undefined };
}

function shortDuration(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
  ] as const;
  const unit = units.find(([, unitMs]) => ms % unitMs === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`;
}
