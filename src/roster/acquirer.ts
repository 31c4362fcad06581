import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { AcquireRequest } from "./acquisition.ts";
import type { Grant, HeldGrant } from "./grant.ts";
import type { Inspection } from "./inspection.ts";
import type { InterventionOptions } from "./intervention.ts";
import type { RosterHost, RosterName } from "./roster-host.ts";

/** Options of every `tryAcquire`. */
export interface TryAcquireOptions {
  /** Gives up with an `AbortedError` when it fires. A grant that was already on its way is given back. */
  readonly signal?: AbortSignal;
  /** Shown to those who inspect it. JSON of at most 1,024 bytes. */
  readonly metadata?: Json;
  /**
   * How long it is held at most, from 1 ms on. Then it is given back, whatever its holder does: `signal` aborts with a
   * `LeaseLostError` that says so. Default: as long as it is not released.
   */
  readonly maxHold?: Duration;
}

/** Options of every `acquire` and `hold`. */
export interface AcquireOptions extends TryAcquireOptions {
  /** How long to wait at most. `0`: try once. Default: `Infinity`, as long as it takes, outages of the store included. */
  readonly wait?: Duration;
}

/** What differs between the things that can be acquired. */
export interface AcquirerTarget<O extends AcquireOptions> extends RosterName {
  readonly ttlMs: number;
  /** Options beyond those that all have. */
  readonly options?: readonly string[];
  /** What the roster is asked for. Throws an InvalidArgumentError for options that make no sense. */
  share(options: O | undefined): Pick<AcquireRequest, "weight" | "capacity" | "identity" | "claim">;
}

/** The four ways to come to a grant, the same for all that stands on a roster. */
export interface Acquirer<O extends AcquireOptions> {
  acquire(options?: O): Promise<HeldGrant>;
  tryAcquire(options?: Omit<O, "wait">): Promise<HeldGrant | null>;
  hold<R>(work: (grant: HeldGrant) => Promise<R> | R, options?: O): Promise<R>;
  inspect(): Promise<Inspection | null>;
  forceRelease(options: InterventionOptions): Promise<boolean>;
  requestRevoke(options: InterventionOptions): Promise<boolean>;
}

const forever = Number.POSITIVE_INFINITY;
const metadataBytesMax = 1_024;
/** The options that every `tryAcquire` has. */
export const tryOptionNames: readonly string[] = ["signal", "metadata", "maxHold"];

/** Makes an {@link Acquirer}. It holds no state: two of the same target are the same. */
export function createAcquirer<O extends AcquireOptions>(
  host: RosterHost,
  target: AcquirerTarget<O>,
): Acquirer<O> {
  const { name, ttlMs, options: more = [] } = target;
  const toRequest = (what: string, options: O | undefined, known: readonly string[]): AcquireRequest => {
    const checked = checkAcquireOptions(what, options, [...known, ...more]);
    return { name, ttlMs, ...checked, ...target.share(options) };
  };
  const acquire = async (what: string, options: O | undefined): Promise<HeldGrant> =>
    host.queue(target).acquire(toRequest(what, options, [...tryOptionNames, "wait"]));
  return {
    acquire: (options) => acquire("acquire", options),
    async tryAcquire(options) {
      const request = toRequest("tryAcquire", options as O | undefined, tryOptionNames);
      return host.queue(target).tryAcquire({ ...request, waitMs: 0 });
    },
    async hold(work, options) {
      checkWork(work);
      const grant = await acquire("hold", options);
      return holdGrant(host, { grant, parts: [grant] }, work);
    },
    inspect: () => host.inspect(target),
    forceRelease: (options) => host.forceRelease(target, options),
    requestRevoke: (options) => host.requestRevoke(target, options),
  };
}

/**
 * What a caller asks for, as far as it is the same for everything that can be acquired.
 *
 * @throws InvalidArgumentError for options that nobody knows, or that cannot be used.
 */
export function checkAcquireOptions(
  what: string,
  options: AcquireOptions | undefined,
  known: readonly string[],
): Pick<AcquireRequest, "waitMs" | "signal" | "metadata" | "maxHoldMs"> {
  checkOptions(what, options, known);
  const { signal, metadata, maxHold, wait } = options ?? {};
  const waitMs = wait === undefined ? forever : parseDuration("wait", wait, { infinite: true });
  checkSignal(signal);
  checkMetadata("metadata", metadata);
  const maxHoldMs = maxHold === undefined ? undefined : parseDuration("maxHold", maxHold, { minMs: 1 });
  return { waitMs, signal, metadata, ...(maxHoldMs !== undefined && { maxHoldMs }) };
}

/** Runs work under a grant and gives it back, whatever the work does. `parts`: what it stands for, if it is several. */
export async function holdGrant<R, G extends Grant>(
  host: Pick<RosterHost, "whileHolding">,
  { grant, parts }: { readonly grant: G; readonly parts: readonly HeldGrant[] },
  work: (grant: G) => Promise<R> | R,
): Promise<R> {
  let hasBegun = false;
  const working = host.whileHolding(parts, async () => {
    hasBegun = true;
    try {
      const result = await work(grant);
      // Work that released early, by itself, has lost nothing.
      if (grant.state === "lost") grant.assertHeld();
      return result;
    } finally {
      await grant[Symbol.asyncDispose]();
    }
  });
  try {
    return await working;
  } finally {
    // The coordinator was closed in between, or a wrapper failed before it called the work.
    if (!hasBegun) await grant[Symbol.asyncDispose]();
  }
}

/** @throws InvalidArgumentError for what is no function. */
export function checkWork(work: unknown): void {
  if (typeof work === "function") return;
  throw new InvalidArgumentError(
    `hold needs a function to run first, and options second; got ${describe(work)}`,
  );
}

/** Refuses what cannot stand in a roster's record for people to see. */
export function checkMetadata(what: string, metadata: Json | undefined): void {
  if (metadata === undefined) return;
  let text: string | undefined;
  try {
    text = JSON.stringify(metadata);
  } catch (error) {
    throw new InvalidArgumentError(`${what} must be JSON: it could not be encoded`, { cause: error });
  }
  if (text === undefined) throw new InvalidArgumentError(`${what} must be JSON: a function or symbol is not`);
  const bytes = Buffer.byteLength(text);
  if (bytes > metadataBytesMax) {
    throw new InvalidArgumentError(`${what} must be at most ${metadataBytesMax} bytes of JSON; got ${bytes}`);
  }
}
