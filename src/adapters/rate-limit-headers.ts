import { checkOptions } from "../core/options.ts";
import type { Decision, PolicyStanding } from "../limiters/decision.ts";
import type { ResolvedPolicy } from "../limiters/policy.ts";

/** What {@link rateLimitHeaders} may tell besides the decision. */
export interface RateLimitHeadersOptions {
  /**
   * `limiter.policies`: tells a token bucket from a window, so that `t` and `w` are as short as they may be. Without them
   * every policy is shown as a window.
   */
  readonly policies?: readonly ResolvedPolicy[];
  /**
   * Shown to the client as `pk`, so that it can tell its quotas apart: text or bytes. Never put a secret or an address in
   * it. Default: none.
   */
  readonly partitionKey?: string | Uint8Array;
  /** What the limits count, shown as `qu`. Default: `requests`, which is not shown. */
  readonly unit?: "requests" | "content-bytes" | "concurrent-requests";
}

/** Header fields by their names. */
export interface RateLimitHeaders {
  readonly "RateLimit-Policy"?: string;
  readonly RateLimit?: string;
  readonly "Retry-After"?: string;
}

/** A body of RFC 9457, to be sent as `application/problem+json`. */
export interface RateLimitProblem {
  readonly type: string;
  readonly title: string;
  readonly status: 429 | 503;
  readonly detail: string;
  /** The policies that have too little left, named as in the header fields. */
  readonly "violated-policies": readonly string[];
}

const headersOptions = ["policies", "partitionKey", "unit"];
const problemTypes = "https://iana.org/assignments/http-problem-types";
/** The most that an integer of a structured field may be. */
const integerMax = 999_999_999_999_999;
/** What `windowMs` of a calendar's window is beyond its usual length. */
const summerTimeMs = 3_600_000;

/**
 * The header fields that tell a client how it stands: `RateLimit-Policy` and `RateLimit` of
 * draft-ietf-httpapi-ratelimit-headers (10 and 11), as structured fields (RFC 9651), and `Retry-After` (RFC 9110) where it
 * was denied and may come back.
 *
 * `Retry-After` is never earlier than a `t`. Names of policies that are not plain ASCII are percent-encoded, `%` included.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an unknown option.
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * import { rateLimitHeaders } from "leasehold/http";
 * await using coordinator = await connect("memory:");
 * const limiter = coordinator.rateLimiter("api", {
 *   policies: [{ name: "burst", limit: 10, per: "1m", algorithm: "fixed-window" }],
 * });
 * const { policies } = limiter;
 * const headers = rateLimitHeaders(await limiter.take("user 7"), { policies });
 * console.log(headers["RateLimit-Policy"]); // "burst";q=10;w=60
 * console.log(headers.RateLimit); // "burst";r=9;t=60
 * ```
 */
export function rateLimitHeaders(
  decision: Decision,
  options: RateLimitHeadersOptions = {},
): RateLimitHeaders {
  checkOptions("rateLimitHeaders", options, headersOptions);
  const { policies = [], partitionKey, unit = "requests" } = options;
  const key = partitionKey === undefined ? "" : `;pk=:${Buffer.from(partitionKey).toString("base64")}:`;
  const quotaUnit = unit === "requests" ? "" : `;qu=${quoted(unit)}`;
  const retryAfterS = retryAfterSeconds(decision);
  const isBlocked = isBlock(decision);
  const quotas: string[] = [];
  const limits: string[] = [];
  for (const standing of decision.policies) {
    const policy = policies.find(({ name }) => name === standing.policy);
    const name = quoted(rateLimitPolicyName(standing.policy));
    const quota = integer(policy?.limit ?? standing.limit);
    quotas.push(
      `${name};q=${quota}${quotaUnit};w=${Math.max(1, seconds(windowMsOf(standing, policy)))}${key}`,
    );
    const untilS = seconds(effectiveMs(standing, policy));
    const t = isBlocked ? (retryAfterS ?? untilS) : Math.min(untilS, retryAfterS ?? untilS);
    const remaining = isBlocked ? 0 : integer(standing.remaining);
    limits.push(`${name};r=${remaining}${t === 0 ? "" : `;t=${t}`}${key}`);
  }
  return {
    ...(quotas.length === 0 ? {} : { "RateLimit-Policy": quotas.join(", ") }),
    // What remains is not known while the store is away.
    ...(limits.length === 0 || decision.degraded ? {} : { RateLimit: limits.join(", ") }),
    ...(retryAfterS === undefined ? {} : { "Retry-After": String(retryAfterS) }),
  };
}

/**
 * The body that tells a client why it was denied (RFC 9457), with the types that the draft registers:
 * `quota-exceeded`; `abnormal-usage-detected` while the key is blocked; and, with status 503, `temporary-reduced-capacity`
 * where the limiter denies because its store is away.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * import { rateLimitProblem } from "leasehold/http";
 * await using coordinator = await connect("memory:");
 * const limiter = coordinator.rateLimiter("api", { policies: [{ limit: 1, per: "1h" }] });
 * await limiter.take("user 7");
 * const problem = rateLimitProblem(await limiter.take("user 7"));
 * console.log(problem.status, problem["violated-policies"]); // 429 [ '1/1h' ]
 * ```
 */
export function rateLimitProblem(decision: Decision): RateLimitProblem {
  const violated =
    decision.allowed || decision.degraded
      ? []
      : decision.policies.filter(({ remaining }) => remaining < decision.cost);
  const problem = (type: string, title: string, status: 429 | 503, detail: string): RateLimitProblem => ({
    type: `${problemTypes}#${type}`,
    ...{ title, status, detail },
    "violated-policies": violated.map(({ policy }) => rateLimitPolicyName(policy)),
  });
  const retryAfterS = retryAfterSeconds(decision);
  const advice = retryAfterS === undefined ? "" : ` Try again in ${retryAfterS} s.`;
  if (decision.degraded) {
    const title = "Request cannot be satisfied due to temporary server capacity constraints";
    return problem(
      "temporary-reduced-capacity",
      title,
      503,
      `Limits cannot be looked up at present.${advice}`,
    );
  }
  if (isBlock(decision)) {
    const title = "Request not satisfied due to detection of abnormal request pattern";
    return problem("abnormal-usage-detected", title, 429, `Requests are blocked for a time.${advice}`);
  }
  const title = "Request cannot be satisfied as assigned quota has been exceeded";
  const { cost, limit, policy } = decision;
  const detail =
    decision.retryAfterMs === null
      ? `The request costs ${cost}, and the policy ${policy} never admits more than ${limit} at once.`
      : `The policy ${policy} has ${decision.remaining} of ${limit} left, and the request costs ${cost}.${advice}`;
  return problem("quota-exceeded", title, 429, detail);
}

/**
 * A whole response to a request that was denied, for what speaks in standard `Response` objects: the fields of
 * {@link rateLimitHeaders} and the body of {@link rateLimitProblem}.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an unknown option.
 */
export function rateLimitResponse(decision: Decision, options?: RateLimitHeadersOptions): Response {
  const problem = rateLimitProblem(decision);
  const headers = { ...rateLimitHeaders(decision, options), "Content-Type": "application/problem+json" };
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/** Whole seconds for `Retry-After`; `undefined` where it was allowed, or never will be. */
function retryAfterSeconds({ allowed, retryAfterMs }: Decision): number | undefined {
  return allowed || retryAfterMs === null ? undefined : Math.max(1, seconds(retryAfterMs));
}

/** Whether the key is blocked: no policy denies then. */
function isBlock({ allowed, policies, policy }: Decision): boolean {
  return !allowed && policies.every((standing) => standing.policy !== policy);
}

/**
 * Within this time the client should use no more than what remains. A window begins anew then. A bucket fills all the
 * time: what remains and what comes back is had at its rate, and nothing before the next token.
 */
function effectiveMs(standing: PolicyStanding, policy: ResolvedPolicy | undefined): number {
  const { remaining, resetMs } = standing;
  // Where the time is not known to the millisecond, a window may seem longer than it is.
  if (policy?.algorithm !== "token-bucket") return Math.min(resetMs, standing.windowMs);
  const msPerToken = policy.windowMs / policy.limit;
  const nextMs = Math.min(resetMs, Math.max(1, resetMs - (policy.burst - remaining - 1) * msPerToken));
  return Math.max(nextMs, remaining * msPerToken);
}

function windowMsOf(standing: PolicyStanding, policy: ResolvedPolicy | undefined): number {
  const isOfDays = policy?.per === "day" || policy?.per === "week" || policy?.per === "month";
  return isOfDays ? policy.windowMs - summerTimeMs : (policy?.windowMs ?? standing.windowMs);
}

const seconds = (ms: number): number => integer(Math.ceil(ms / 1_000));

const integer = (value: number): number => Math.min(integerMax, Math.max(0, Math.floor(value)));

/**
 * A String of RFC 9651, of characters that may stand in one. With integers and bytes that is all of the standard that is
 * written here: a library for the rest of it would be a dependency of everybody who only wants a lock. The tests read
 * the fields with one.
 */
const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** The name of a policy as it stands in header fields: no two names become the same. */
export function rateLimitPolicyName(policy: string): string {
  return policy.replace(/[^ -$&-~]/gu, encodeURIComponent);
}
