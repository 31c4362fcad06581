import type { Codec } from "../codecs/codec.ts";
import { jsonCodec } from "../codecs/json-codec.ts";
import { type Duration, describe, parseDuration } from "../core/durations.ts";
import { InvalidArgumentError } from "../core/errors.ts";
import { checkName, recordKey } from "../core/names.ts";
import { checkOptions, checkSignal } from "../core/options.ts";
import { createValueCoder, type ValueCoder } from "../kv/value-coder.ts";
import { parseTtl } from "../sessions/ttl.ts";
import { type OnceHost, OnceRuns } from "./once-runs.ts";

/** Options of `coordinator.once`. */
export interface OnceOptions<R> {
  /**
   * How long to wait for the result while others are at work. `0`: not at all. Default: `Infinity`. Once the work of this
   * call has begun, it takes as long as it takes.
   */
  readonly wait?: Duration;
  /** Ends the waiting. Work that has begun goes on, and finds it in its own `signal`. */
  readonly signal?: AbortSignal;
  /**
   * How long the result is kept, on the store's clock, from when it is stored; then the key is new. `Infinity`: for ever.
   * Default: 24 hours.
   */
  readonly retention?: Duration;
  /** What the key stands for, such as a hash of the request: 1 to 256 bytes. The same key with another one is refused. */
  readonly fingerprint?: string;
  /** How the result is stored. `undefined` needs none. Default: `jsonCodec()`. */
  readonly codec?: Codec<R>;
  /** How long the lease of a run outlives its process. Default: the coordinator's. */
  readonly ttl?: Duration;
}

/** What the work of `coordinator.once` gets. */
export interface OnceRun {
  readonly key: string;
  /** Larger than that of every run of this key before: a resource that refuses smaller ones shuts out late runs. */
  readonly fence: number;
  /** From 1. More: a run before this one threw or died, and what it was to do may have been done, in part or whole. */
  readonly attempt: number;
  /** Aborts when the lease is lost, the coordinator closes, or the caller's own signal fires. */
  readonly signal: AbortSignal;
}

/** The work of `coordinator.once`. */
export type OnceWork<R> = (run: OnceRun) => Promise<R> | R;

/** One call, checked. */
export interface OnceCall {
  readonly key: string;
  readonly recordKey: string;
  readonly work: OnceWork<unknown>;
  readonly coder: ValueCoder<unknown>;
  readonly waitMs: number;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly retentionMs: number;
  readonly fingerprint: string | undefined;
  readonly ttlMs: number;
}

const dayMs = 86_400_000;
const fingerprintBytesMax = 256;

/** Runs the work unless its result is there. @throws InvalidArgumentError for an argument that cannot be used. */
export async function once<R>(
  host: OnceHost,
  key: string,
  work: OnceWork<R>,
  options: OnceOptions<R> = {},
): Promise<R> {
  checkName("the key of once", key);
  if (typeof work !== "function")
    throw new InvalidArgumentError(
      `once needs a key, a function to run, and then options; got ${describe(work)}`,
    );
  checkOptions("once", options, ["wait", "signal", "retention", "fingerprint", "codec", "ttl"]);
  const { wait, signal, retention, fingerprint, codec, ttl } = options;
  checkSignal(signal);
  checkFingerprint(fingerprint);
  if (codec !== undefined && typeof codec?.encode !== "function")
    throw new InvalidArgumentError(`codec must be one such as jsonCodec(); got ${describe(codec)}`);
  const { rosters, records } = host;
  const waitMs =
    wait === undefined ? Number.POSITIVE_INFINITY : parseDuration("wait", wait, { infinite: true });
  const call: OnceCall = {
    ...{ key, work, waitMs, signal, fingerprint },
    recordKey: recordKey(rosters.namespace, "once", key),
    coder: createValueCoder<unknown, unknown>((codec ?? jsonCodec()) as Codec<unknown>, undefined),
    deadlineMs: rosters.runtime.monotonicMs() + waitMs,
    retentionMs:
      retention === undefined ? dayMs : parseDuration("retention", retention, { minMs: 1, infinite: true }),
    ttlMs: ttl === undefined ? rosters.ttlMs : parseTtl(ttl),
  };
  const runs = records.pooled(`${recordKey(rosters.namespace, "once", "")}.`, () => new OnceRuns(host));
  return (await runs.answer(call)) as R;
}

function checkFingerprint(fingerprint: string | undefined): void {
  const isText = typeof fingerprint === "string" && fingerprint.length > 0 && fingerprint.isWellFormed();
  if (fingerprint === undefined || (isText && Buffer.byteLength(fingerprint) <= fingerprintBytesMax)) return;
  throw new InvalidArgumentError(
    `fingerprint must be text of 1 to ${fingerprintBytesMax} bytes, such as a hash of the request; got ${describe(fingerprint)}`,
  );
}
