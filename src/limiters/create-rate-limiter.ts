import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { AbortedError, InvalidArgumentError } from "../core/errors.ts";
import { checkName, digest, encodeName, recordKey } from "../core/names.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import { TurnSharing } from "../core/turn-sharing.ts";
import type { RecordHost } from "../records/record-host.ts";
import { algorithmOf } from "./algorithms/algorithm-of.ts";
import type { Decision } from "./decision.ts";
import { KeyLimiter } from "./key-limiter.ts";
import type { LimiterCommand } from "./limiter-commands.ts";
import type { Rule } from "./limiter-state.ts";
import { blindDecision } from "./local-limiter.ts";
import { type Policy, parsePolicies, parseTokens, type ResolvedPolicy } from "./policy.ts";
import type { RateLimiter, Reservation, ReserveOptions, TakeOptions } from "./rate-limiter.ts";
import { createReservation } from "./reservation.ts";
import { isAway, StoreGuard } from "./store-guard.ts";

/**
 * Options of {@link Coordinator.rateLimiter}.
 *
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * const limiter = coordinator.rateLimiter("api", {
 *   policies: [{ name: "hourly", limit: 1_000, per: "1h" }],
 *   mode: "exact",
 *   onUnavailable: "local",
 *   timeout: "250ms",
 * });
 * console.log((await limiter.take("user 7")).source); // store
 * ```
 */
export interface RateLimiterOptions {
  /**
   * 1 to 8 limits, each with a name of its own; a key must have room in all of them. They may change on a live key: what is
   * used goes on under the name of the policy, and processes with other policies keep theirs.
   */
  readonly policies: readonly Policy[];
  /**
   * `exact`: what is admitted is written first, and all of one moment share one write. `leased`: this process holds a few
   * tokens in advance, for at most 2.3 s, and decides most without a request. The fleet never admits more than the limit
   * either way; leased, it may admit less, by what others hold for a moment, and what a process held that died counts as
   * used. `auto` (default): `exact` until a key is asked for 200 times a second here, and `leased` while that lasts.
   */
  readonly mode?: "auto" | "exact" | "leased";
  /**
   * What `take` and `reserve` decide while the store is away, marked as `degraded`: `deny` (default), `allow`, or `local`,
   * this process's share of the limits, which begins unused. One decision in a second finds out whether the store is back.
   */
  readonly onUnavailable?: "deny" | "allow" | "local";
  /**
   * With `local`: the part of each limit that this process admits, more than 0 and at most 1. Default: one part for each
   * process that lately wrote to the same key, 16 at most.
   */
  readonly localShare?: number;
  /** How long a call waits for the store: 10 ms to 1 minute. Default 1 s. What has no answer by then may still be applied. */
  readonly timeout?: Duration;
  /** How many takes with a `wait` may wait for one key in this process; more are denied at once. Default 1,000. */
  readonly queueMax?: number;
}

const optionKeys = ["policies", "mode", "onUnavailable", "localShare", "timeout", "queueMax"];
const takeKeys = ["cost", "wait", "signal"];
const modes: readonly unknown[] = ["auto", "exact", "leased"];
const fallbacks: readonly unknown[] = ["deny", "allow", "local"];
const waitMaxMs = 366 * 86_400_000;
/** Decisions without a request, until timers and sockets get their turn. */
const decisionsPerTurn = 1_000;

/** Makes a {@link RateLimiter}. @throws InvalidArgumentError */
export function createRateLimiter(host: RecordHost, name: string, options: RateLimiterOptions): RateLimiter {
  checkName("the name of a rate limiter", name);
  if (options === undefined) {
    throw new InvalidArgumentError(
      `a rate limiter needs policies, as { policies: [{ limit: 100, per: "1m" }] }`,
    );
  }
  checkOptions("rateLimiter", options, optionKeys);
  return new SharedRateLimiter(host, name, options);
}

class SharedRateLimiter implements RateLimiter {
  readonly name: string;
  readonly policies: readonly ResolvedPolicy[];
  readonly #host: RecordHost;
  readonly #rules: readonly Rule[];
  readonly #guard: StoreGuard;
  readonly #turns: TurnSharing;
  readonly #options: Required<Pick<RateLimiterOptions, "mode" | "onUnavailable" | "queueMax">>;
  readonly #localShare: number | undefined;
  /** Begins what is kept in memory: another limiter with the same name and other policies is another. */
  readonly #poolPrefix: string;

  constructor(host: RecordHost, name: string, options: RateLimiterOptions) {
    const { mode = "auto", onUnavailable = "deny", queueMax = 1_000, localShare, timeout = "1s" } = options;
    checkChoice("mode", mode, modes);
    checkChoice("onUnavailable", onUnavailable, fallbacks);
    if (localShare !== undefined && !(typeof localShare === "number" && localShare > 0 && localShare <= 1)) {
      throw new InvalidArgumentError(
        `localShare must be more than 0 and at most 1; got ${describe(localShare)}`,
      );
    }
    const timeoutMs = parseDuration("timeout", timeout, { minMs: 10, maxMs: 60_000 });
    this.name = name;
    this.policies = parsePolicies(options.policies);
    this.#host = host;
    this.#rules = this.policies.map((policy) => ({ policy, algorithm: algorithmOf(policy) }));
    this.#guard = new StoreGuard(host.runtime, timeoutMs);
    this.#turns = new TurnSharing(host.runtime, decisionsPerTurn);
    this.#options = { mode, onUnavailable, queueMax: parseTokens("queueMax", queueMax, 0) };
    this.#localShare = localShare;
    const settings = JSON.stringify([name, this.policies, mode, queueMax, timeoutMs]);
    this.#poolPrefix = `rate-limit ${digest(settings)} `;
  }

  async take(key: string, options?: TakeOptions): Promise<Decision> {
    const { cost, waitMs, signal } = options === undefined ? oneToken : parseTake("take", options, takeKeys);
    const limiter = this.#keyLimiter(key);
    const decision = limiter.decideHere(cost);
    if (decision !== undefined && (decision.allowed || waitMs === 0)) {
      const turn = this.#turns.take(1);
      if (turn !== undefined) await turn;
      return decision;
    }
    if (limiter.shouldSkip()) return this.#decideWithout(limiter, cost);
    try {
      return await limiter.take(cost, waitMs, signal);
    } catch (error) {
      if (!isAway(error)) throw error;
      return this.#decideWithout(limiter, cost);
    }
  }

  async peek(key: string, options: { readonly cost?: number } = {}): Promise<Decision> {
    checkOptions("peek", options, ["cost"]);
    const { cost = 1 } = options;
    return this.#keyLimiter(key).peek(parseTokens("cost", cost, 0));
  }

  async reserve(key: string, options: ReserveOptions = {}): Promise<Reservation> {
    const { cost, waitMs, signal } = parseTake("reserve", options, [...takeKeys, "ttl"]);
    const { ttl = "1m" } = options;
    const ttlMs = parseDuration("ttl", ttl, { minMs: 100, maxMs: waitMaxMs });
    const limiter = this.#keyLimiter(key);
    const run = (command: LimiterCommand) => limiter.run(command);
    if (!limiter.shouldSkip()) {
      try {
        return createReservation({ ...(await limiter.reserve(cost, ttlMs, waitMs, signal)), cost, run });
      } catch (error) {
        if (!isAway(error)) throw error;
      }
    }
    const decision = this.#decideWithout(limiter, cost);
    return createReservation({ decision, cost, expiresAtMs: 0, run });
  }

  async penalty(key: string, points = 1): Promise<Decision> {
    const tokens = parseTokens("the points of a penalty", points, 0);
    return (await this.#keyLimiter(key).run({ kind: "charge", tokens })).decision;
  }

  async reward(key: string, points = 1): Promise<Decision> {
    const tokens = parseTokens("the points of a reward", points, 0);
    return (await this.#keyLimiter(key).run({ kind: "charge", tokens: -tokens })).decision;
  }

  async block(key: string, duration: Duration): Promise<void> {
    const durationMs = Math.ceil(parseDuration("duration", duration, { minMs: 1, maxMs: waitMaxMs }));
    await this.#keyLimiter(key).run({ kind: "block", durationMs });
  }

  async reset(key: string): Promise<void> {
    await this.#keyLimiter(key).run({ kind: "reset" });
  }

  async set(key: string, used: number): Promise<Decision> {
    const tokens = parseTokens("used", used, 0);
    return (await this.#keyLimiter(key).run({ kind: "set", tokens })).decision;
  }

  #keyLimiter(key: string): KeyLimiter {
    if (typeof key !== "string") checkName("the key of a rate limit", key);
    return this.#host.pooled(`${this.#poolPrefix}${key}`, () => {
      checkName("the key of a rate limit", key);
      const storeKey = recordKey(this.#host.namespace, "rate-limit", `${encodeName(this.name)}/${key}`);
      const { mode, queueMax } = this.#options;
      const subject = `rate limiter ${JSON.stringify(this.name)}, key ${describe(key)}`;
      const settings = { rules: this.#rules, mode, queueMax, guard: this.#guard };
      return new KeyLimiter(this.#host, settings, storeKey, subject);
    });
  }

  /** What `onUnavailable` says. */
  #decideWithout(limiter: KeyLimiter, cost: number): Decision {
    const { onUnavailable } = this.#options;
    if (onUnavailable !== "local") return blindDecision(this.#rules, cost, onUnavailable === "allow");
    return limiter.takeLocally(cost, this.#localShare);
  }
}

/** What a take is without options. */
const oneToken = { cost: 1, waitMs: 0, signal: undefined };

function parseTake(
  what: string,
  options: TakeOptions,
  known: readonly string[],
): { readonly cost: number; readonly waitMs: number; readonly signal: AbortSignal | undefined } {
  checkOptions(what, options, known);
  const { cost = 1, wait, signal } = options;
  checkSignal(signal);
  if (signal?.aborted === true) {
    throw new AbortedError("the signal had fired before anything was taken", { cause: signal.reason });
  }
  const waitMs = wait === undefined ? 0 : parseDuration("wait", wait, { maxMs: waitMaxMs, infinite: true });
  return { cost: parseTokens("cost", cost, 0), waitMs, signal };
}

function checkChoice(option: string, value: unknown, choices: readonly unknown[]): void {
  if (choices.includes(value)) return;
  throw new InvalidArgumentError(`${option} must be one of ${choices.join(", ")}; got ${describe(value)}`);
}
