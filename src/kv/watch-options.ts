import { describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import type { WatchOptions } from "./change.ts";
import { decodeCursor } from "./cursor.ts";
import type { EntryStore } from "./entry-store.ts";
import { type KeyFilter, parseKeyFilter, scanPrefix } from "./listing.ts";
import type { Covered } from "./watch-queue.ts";

/** What a feed is asked for. */
export interface FeedOptions {
  readonly filter: KeyFilter;
  /** Go on from there. */
  readonly since: Covered | undefined;
  readonly updatesOnly: boolean;
  readonly removals: boolean;
  readonly resyncMs: number | undefined;
}

/**
 * What was written this long before a reading began may not have been met by it: a writer's view of the store's clock is
 * up to 2 s late, a write is tried for some 10 s, and a NATS server that was deposed answers for some 6 s with what was.
 */
export const slackMs = 60_000;

const optionNames = [
  ...["prefix", "match", "updatesOnly", "since", "removals", "onReady", "resync", "signal"],
];
const resyncMinMs = 100;

/** What a watch needs to know. */
export interface WatchRequest extends FeedOptions {
  /** What its cursors are good for. */
  readonly identity: readonly string[];
  readonly onReady: (() => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What the first reading tells: all that can be seen, and what changed later than this. */
export interface TellsFirst {
  readonly all: boolean;
  readonly afterMs: number;
}

/** What a watch tells first. */
export function tellsFirst({ since, updatesOnly }: Pick<FeedOptions, "since" | "updatesOnly">): TellsFirst {
  if (since === undefined) return { all: !updatesOnly, afterMs: Number.POSITIVE_INFINITY };
  return { all: !since.isComplete, afterMs: since.atMs - slackMs };
}

/** @throws InvalidArgumentError */
export function parseWatchOptions(store: EntryStore, options: WatchOptions = {}): WatchRequest {
  checkOptions("kv.watch", options, optionNames);
  const { updatesOnly = false, removals = true, since, onReady, resync, signal } = options;
  checkSignal(signal);
  for (const [option, value] of Object.entries({ updatesOnly, removals })) {
    if (typeof value !== "boolean")
      throw new InvalidArgumentError(`${option} must be true or false; got ${describe(value)}`);
  }
  if (onReady !== undefined && typeof onReady !== "function")
    throw new InvalidArgumentError(`onReady must be a function; got ${describe(onReady)}`);
  const filter = parseKeyFilter(options);
  const identity = ["watch", scanPrefix(store, filter), filter.prefix, filter.match ?? ""];
  return {
    ...{ identity, filter, updatesOnly, removals, onReady, signal },
    since: since === undefined ? undefined : parsePosition(decodeCursor("watch", identity, since)),
    resyncMs: resync === undefined ? undefined : parseDuration("resync", resync, { minMs: resyncMinMs }),
  };
}

/** Everything up to this time, `+`: initial values included. */
function parsePosition(position: string): Covered {
  return { atMs: Number.parseInt(position, 36), isComplete: position.endsWith("+") };
}
