import { type Duration, describe } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkName } from "../core/names.ts";
import { checkOptions } from "../core/options.ts";
import { checkAcquireOptions, checkMetadata } from "../roster/acquirer.ts";

/** Options of {@link Election.campaign}. */
export interface CampaignOptions {
  /** Published while it leads, for everybody to read: JSON of at most 1,024 bytes. Default: `null`. */
  readonly value?: Json;
  /** Under which it can be handed over to, and resumes: text of 1 to 256 bytes. Default: random. */
  readonly identity?: string;
  /** How long to wait at most. `0`: try once. Default: `Infinity`, as long as it takes. */
  readonly wait?: Duration;
  /** Gives up with an `AbortedError` when it fires. A term that was already on its way is given back. */
  readonly signal?: AbortSignal;
  /**
   * Takes over at once from what an earlier life of this process left behind under the same `identity`, instead of
   * waiting for its TTL. You promise that at most one process has this identity at a time: whoever has it, its whole
   * session is declared dead, with all that it holds through it. Needs `identity`, and a `wait` of more than 0.
   */
  readonly resume?: boolean;
}

/** Options of {@link Election.lead}. */
export interface LeadOptions extends CampaignOptions {
  /** After a loss, when the work has ended, campaigns again, until `signal` fires or the work ends by itself. */
  readonly again?: boolean;
}

/** What a campaign asks for, checked. */
export interface Campaign {
  readonly value: Json | undefined;
  readonly identity: string | undefined;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly isResumed: boolean;
}

/** The names of {@link CampaignOptions}. */
export const campaignOptionNames: readonly string[] = ["value", "identity", "wait", "signal", "resume"];

const identityBytesMax = 256;

/** @throws InvalidArgumentError for options that nobody knows, or that cannot be used. */
export function checkCampaign(
  what: string,
  options: LeadOptions | undefined,
  known: readonly string[],
): Campaign {
  checkOptions(what, options, known);
  const { value, identity, wait, signal, resume = false, again = false } = options ?? {};
  const { waitMs } = checkAcquireOptions(
    what,
    { ...(wait !== undefined && { wait }), ...(signal !== undefined && { signal }) },
    ["wait", "signal"],
  );
  if (identity !== undefined) checkIdentity("identity", identity);
  for (const [name, flag] of Object.entries({ resume, again })) {
    if (typeof flag !== "boolean") throw new InvalidArgumentError(`${name} must be true or false`);
  }
  if (resume && identity === undefined) {
    throw new InvalidArgumentError(
      "resume needs an identity, by which the earlier life is known: give the one that it had",
    );
  }
  if (resume && waitMs === 0) {
    throw new InvalidArgumentError(
      "resume takes a few requests, so it needs a wait of more than 0: leave wait out, or give some seconds",
    );
  }
  const published = value === undefined ? undefined : checkValue("value", value);
  return { value: published, identity, waitMs, signal, isResumed: resume };
}

/** @throws InvalidArgumentError for what cannot be an identity. */
export function checkIdentity(what: string, identity: string): void {
  checkName(what, identity);
  const bytes = Buffer.byteLength(identity);
  if (bytes > identityBytesMax) {
    throw new InvalidArgumentError(
      `${what} must be at most ${identityBytesMax} bytes of UTF-8; got ${bytes}`,
    );
  }
}

/**
 * A value as it will be published: what is changed afterwards does not change it.
 *
 * @throws InvalidArgumentError when it is no JSON, or too long.
 */
export function checkValue(what: string, value: Json): Json {
  if (value === undefined) throw new InvalidArgumentError(`${what} must be JSON; got ${describe(value)}`);
  checkMetadata(what, value);
  return JSON.parse(JSON.stringify(value)) as Json;
}
