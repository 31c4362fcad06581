import { backoffMs } from "../../core/backoff.ts";
import { type Duration, describe } from "../../core/durations.ts";
import {
  AbortedError,
  InvalidArgumentError,
  LimitExceededError,
  StoreMissingError,
  UnavailableError,
} from "../../core/errors.ts";
import { type Fenced, fenceOf, fenceRejected } from "../../core/fence.ts";
import { checkOptions } from "../../core/options.ts";
import { type Runtime, sleep, systemRuntime } from "../../core/runtime.ts";
import { headerBytesMax } from "./bucket-config.ts";
import { checkKeyOfBucket, type FencedState, readFenced } from "./fenced-entry.ts";
import type { NatsConnection } from "./nats-connection.ts";
import { checkNatsOptions } from "./nats-options.ts";
import { fencedPause, sendFenced } from "./send-fenced.ts";
import { StreamClient } from "./stream-client.ts";

/** Options of {@link natsFencedBucket}. */
export interface NatsFencedBucketOptions {
  /** An open connection of `nats` 2.x or `@nats-io/transport-node` 3.x. It stays yours. */
  readonly connection: NatsConnection;
  /** Name of a key-value bucket that exists. Not the one in which leasehold keeps its records. */
  readonly bucket: string;
  /** How long one request may take. From 50 ms. Default: 2 s. */
  readonly requestTimeout?: Duration;
  /** Clock, timers and randomness. Default: the system's. */
  readonly runtime?: Runtime;
}

/** What stands under a key. */
export interface NatsFencedEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The sequence of its message, as the clients' key-value stores call it. */
  readonly revision: number;
  /** The largest fence that was seen; 0 where none was. */
  readonly fence: number;
}

/** Options of every write. */
export interface NatsFencedWriteOptions {
  /** Gives up before the next attempt. Best the grant's own `signal`. */
  readonly signal?: AbortSignal;
}

/**
 * A key-value bucket of your own that refuses late holders. Made by {@link natsFencedBucket}.
 *
 * Every write expects the revision that it read, and carries its fence, so nothing comes between the comparison and the
 * write. All writes reject with a `FenceRejectedError` (`FENCE_REJECTED`) when the key has seen a larger fence, with an
 * `OutcomeUnknownError` (`OUTCOME_UNKNOWN`) when no answer came and reading did not tell either, with an
 * `UnavailableError` (`UNAVAILABLE`) when nothing was applied, and with an `AbortedError` (`ABORTED`) when `signal` fired
 * before anything was sent.
 */
export interface NatsFencedBucket {
  readonly bucket: string;
  /** What stands under a key, or null. A read, and as such a hint. */
  get(key: string): Promise<NatsFencedEntry | null>;
  /**
   * Shows the fence to a key without any other change, so that late writes of earlier holders are refused from now on:
   * the first act of a new holder. An absent key stays absent.
   */
  claim(grant: Fenced, key: string, options?: NatsFencedWriteOptions): Promise<void>;
  /** Writes a value, and answers its revision. Text is written as UTF-8. */
  put(
    grant: Fenced,
    key: string,
    value: Uint8Array | string,
    options?: NatsFencedWriteOptions,
  ): Promise<number>;
  /**
   * Writes what `change` makes of what stands there, and answers its revision. When somebody else writes in between,
   * `change` is called again with what stands there then.
   */
  update(
    grant: Fenced,
    key: string,
    change: (current: NatsFencedEntry | null) => Uint8Array | string | Promise<Uint8Array | string>,
    options?: NatsFencedWriteOptions,
  ): Promise<number>;
  /** Deletes a key; the marker that NATS leaves in its place remembers the fence. */
  delete(grant: Fenced, key: string, options?: NatsFencedWriteOptions): Promise<void>;
  /** Ends all further calls with a `ClosedError`. The connection stays open. */
  close(): void;
}

const attemptsMax = 32;

/**
 * Guards the keys of a bucket of your own with fences: the largest one that was seen stands in a header of each entry.
 * Values stay what they are, for every tool that reads the bucket. Works with both generations of clients.
 *
 * Limits: whoever writes past it, with `kv.put` or `nats kv put`, takes the fence away. So do `purge`, `purgeDeletes` and
 * a time to live of the bucket or the entry: what is collected is forgotten. Other headers of an entry are not kept.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for an option out of its range.
 *
 * @example
 * ```ts
 * import { connect as connectToNats } from "@nats-io/transport-node";
 * import { connect } from "leasehold";
 * import { natsBackend, natsFencedBucket } from "leasehold/nats";
 *
 * const connection = await connectToNats({ servers: "nats://127.0.0.1:4222" });
 * // Any bucket will do; here, a backend makes one.
 * await natsBackend({ connection, bucket: "reports" }).setup();
 * const reports = natsFencedBucket({ connection, bucket: "reports" });
 *
 * await using coordinator = await connect("memory:");
 * await coordinator.lock("report").hold(async (grant) => {
 *   await reports.claim(grant, "today");
 *   await reports.put(grant, "today", "All quiet.", { signal: grant.signal });
 *   const entry = await reports.get("today");
 *   console.log(Buffer.from(entry?.value ?? []).toString(), entry?.fence === grant.fence); // All quiet. true
 * });
 * await connection.close();
 * ```
 */
export function natsFencedBucket(options: NatsFencedBucketOptions): NatsFencedBucket {
  checkOptions("natsFencedBucket", options ?? null, ["connection", "bucket", "requestTimeout", "runtime"]);
  const { connection, bucket, requestTimeout } = options;
  const { requestTimeoutMs } = checkNatsOptions({
    bucket,
    ...(requestTimeout !== undefined && { requestTimeout }),
  });
  return new FencedBucket(
    new StreamClient(connection, bucket, requestTimeoutMs),
    options.runtime ?? systemRuntime,
  );
}

/** What to write over what stands there, null for a marker; undefined to leave it as it is. */
type Content = Uint8Array | null | undefined;

class FencedBucket implements NatsFencedBucket {
  readonly #client: StreamClient;
  readonly #runtime: Runtime;

  constructor(client: StreamClient, runtime: Runtime) {
    this.#client = client;
    this.#runtime = runtime;
  }

  get bucket(): string {
    return this.#client.bucket;
  }

  async get(key: string): Promise<NatsFencedEntry | null> {
    checkKeyOfBucket(key);
    return entryOf(key, await this.#read(key));
  }

  async claim(grant: Fenced, key: string, options?: NatsFencedWriteOptions): Promise<void> {
    // A key that has seen this fence has seen it for ever, however old the read was.
    await this.#write("claim", grant, key, options, ({ fence, value }) =>
      fence === grant.fence ? undefined : value,
    );
  }

  put(
    grant: Fenced,
    key: string,
    value: Uint8Array | string,
    options?: NatsFencedWriteOptions,
  ): Promise<number> {
    return this.#write("put", grant, key, options, () => bytesOf(value));
  }

  update(
    grant: Fenced,
    key: string,
    change: (current: NatsFencedEntry | null) => Uint8Array | string | Promise<Uint8Array | string>,
    options?: NatsFencedWriteOptions,
  ): Promise<number> {
    return this.#write("update", grant, key, options, async (state) =>
      bytesOf(await change(entryOf(key, state))),
    );
  }

  async delete(grant: Fenced, key: string, options?: NatsFencedWriteOptions): Promise<void> {
    await this.#write("delete", grant, key, options, ({ fence, value }) =>
      value === null && fence === grant.fence ? undefined : null,
    );
  }

  close(): void {
    this.#client.close();
  }

  async #write(
    what: string,
    grant: Fenced,
    key: string,
    options: NatsFencedWriteOptions | undefined,
    contentFor: (state: FencedState) => Content | Promise<Content>,
  ): Promise<number> {
    checkOptions(what, options, ["signal"]);
    const fence = fenceOf(what, grant);
    checkKeyOfBucket(key);
    const signal = options?.signal;
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      checkAborted(what, key, signal);
      const state = await this.#read(key);
      if (state.fence > fence) {
        throw fenceRejected(`key ${key} of bucket ${this.bucket}`, fence, state.fence);
      }
      const value = await contentFor(state);
      if (value === undefined) return state.sequence;
      this.#checkSize(key, value);
      checkAborted(what, key, signal);
      const content = { value, fence, writeId: this.#runtime.id() };
      const sequence = await sendFenced(this.#client, this.#runtime, key, content, state.sequence);
      if (sequence !== null) return sequence;
      const delayMs = backoffMs(this.#runtime, attempt, fencedPause);
      await sleep(this.#runtime, delayMs, { holdsProcessOpen: true, signal });
    }
    throw new UnavailableError(
      `others kept writing to key ${key} of bucket ${this.bucket} for ${attemptsMax} attempts; nothing was written`,
    );
  }

  async #read(key: string): Promise<FencedState> {
    try {
      return await readFenced(this.#client, key);
    } catch (error) {
      // Told once. A bucket that was made again is another one, and what is read from now on is of that.
      if (error instanceof StoreMissingError) this.#client.startOver();
      throw error;
    }
  }

  #checkSize(key: string, value: Uint8Array | null): void {
    const { max_payload: payloadMax = Number.POSITIVE_INFINITY } = this.#client.connection.info ?? {};
    const bytesMax = payloadMax - headerBytesMax;
    if (value === null || value.length <= bytesMax) return;
    throw new LimitExceededError(
      `this NATS server takes values of at most ${bytesMax} bytes; got ${value.length} for ${key}`,
    );
  }
}

function entryOf(key: string, { value, sequence, fence }: FencedState): NatsFencedEntry | null {
  return value === null ? null : { key, value, revision: sequence, fence };
}

function bytesOf(value: Uint8Array | string): Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  throw new InvalidArgumentError(`a value must be text or a Uint8Array; got ${describe(value)}`);
}

function checkAborted(what: string, key: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new AbortedError(`the ${what} of ${key} was aborted; nothing was written`, { cause: signal.reason });
}
