import type {
  AddOperation,
  Backend,
  Capabilities,
  ChangeHint,
  CommitOptions,
  CommitResult,
  Operation,
  ScanPage,
  StoredRecord,
  StoreTime,
  Unsubscribe,
} from "../../core/backend.ts";
import { ClosedError, UnsupportedError } from "../../core/errors.ts";
import { checkKey, checkOperations } from "../../core/limits.ts";
import { type Runtime, systemRuntime } from "../../core/runtime.ts";
import { addToCounter, type SeenCounter } from "./add-to-counter.ts";
import { type BucketFeatures, headerBytesMax, type NatsBucketOptions } from "./bucket-config.ts";
import { commitBatch } from "./commit-batch.ts";
import { type CommitContext, commitOne } from "./commit-one.ts";
import { ExpirySweeper } from "./expiry-sweeper.ts";
import { HintChannels } from "./hint-channels.ts";
import { checkNatsOptions, type NatsBackendOptions } from "./nats-options.ts";
import { openBucket } from "./open-bucket.ts";
import { readKeys } from "./read-records.ts";
import { readTime } from "./read-time.ts";
import { RecentKeys } from "./recent-keys.ts";
import { isRepeatable, retryNotApplied } from "./retry-not-applied.ts";
import { type ScanRests, scanRecords } from "./scan-records.ts";
import { StreamClient } from "./stream-client.ts";

const kind = "nats";
const keyBytesMax = 1_024;
const batchMax = 1_000;
const rememberedMarkers = 4_096;
const rememberedCounters = 256;
const rememberedScans = 4;

const capabilitiesBeforeOpening: Capabilities = {
  scope: "network",
  commitOperationsMax: 1,
  wake: true,
  watch: "push",
  orderedScan: true,
  keyBytesMax,
  valueBytesMax: 131_072,
};

/**
 * A store in a JetStream key-value bucket, over a connection that the caller owns. Sends nothing before `setup()` or
 * the first request; that one also looks at the bucket, validates it and settles the capabilities.
 *
 * Guarantees and limits, permissions and costs: `docs/nats.md`.
 *
 * @throws InvalidArgumentError for an option out of its range.
 */
export function natsBackend(options: NatsBackendOptions): Backend {
  return new NatsBackend(options, async () => {});
}

/** As {@link natsBackend}, with a connection that is closed together with the backend. */
export function natsBackendOwning(options: NatsBackendOptions): Backend {
  return new NatsBackend(options, () => options.connection.close());
}

/** The client of one of these backends; undefined for another kind. */
export function clientOfBackend(backend: object): StreamClient | undefined {
  return NatsBackend.clientOf(backend);
}

/** What is known once the bucket was looked at. */
interface Opened extends CommitContext {
  readonly sweeper: ExpirySweeper | undefined;
}

class NatsBackend implements Backend {
  readonly kind = kind;
  readonly #bucketOptions: NatsBucketOptions;
  readonly #runtime: Runtime;
  readonly #sweepIntervalMs: number;
  readonly #client: StreamClient;
  readonly #hints: HintChannels;
  readonly #endConnection: () => Promise<void>;
  readonly #counters = new RecentKeys<SeenCounter>(rememberedCounters);
  readonly #scanRests: ScanRests = new RecentKeys(rememberedScans);
  readonly #watchesToStart = new Set<() => void>();
  #capabilities = capabilitiesBeforeOpening;
  #opened: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: NatsBackendOptions, endConnection: () => Promise<void>) {
    const { requestTimeoutMs, sweepIntervalMs } = checkNatsOptions(options);
    this.#bucketOptions = options;
    this.#runtime = options.runtime ?? systemRuntime;
    this.#sweepIntervalMs = sweepIntervalMs;
    this.#client = new StreamClient(options.connection, options.bucket, requestTimeoutMs);
    this.#hints = new HintChannels(this.#client);
    this.#endConnection = endConnection;
  }

  static clientOf(source: object): StreamClient | undefined {
    return #client in source ? source.#client : undefined;
  }

  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  async setup(options: { readonly create?: boolean } = {}): Promise<void> {
    this.#requireOpen();
    // A look that is under way would not create the bucket, and its failure is no answer to this call.
    if (this.#opening !== undefined) await this.#opening.catch(() => undefined);
    this.#client.startOver();
    await this.#open(options.create ?? true);
  }

  async get(keys: readonly string[]): Promise<readonly (StoredRecord | null)[]> {
    this.#requireOpen();
    for (const key of keys) checkKey(kind, this.#capabilities, key);
    const { markers } = this.#opened ?? (await this.#ready());
    const states = await readKeys(this.#client, keys);
    return states.map(({ record, sequence }, index) => {
      if (record === null && sequence > 0) markers.set(keys[index] as string, String(sequence));
      return record;
    });
  }

  async scan(
    prefix: string,
    page: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<ScanPage> {
    if (this.#opened === undefined) await this.#ready();
    this.#requireOpen();
    return scanRecords(this.#client, this.#scanRests, prefix, page);
  }

  async commit(operations: readonly Operation[], options?: CommitOptions): Promise<CommitResult> {
    const opened = this.#opened ?? (await this.#ready());
    this.#requireWritable(opened);
    checkOperations(kind, this.#capabilities, operations, options);
    const [only] = operations;
    if (operations.length === 1 && only !== undefined) return commitOne(opened, only);
    return commitBatch(opened, operations, this.#runtime.id);
  }

  async add(key: string, delta: number, operation: AddOperation): Promise<number> {
    const opened = this.#opened ?? (await this.#ready());
    this.#requireWritable(opened);
    checkKey(kind, this.#capabilities, key);
    const store = {
      read: async (of: string) => (await this.get([of]))[0] ?? null,
      commit: (put: Operation) => commitOne(opened, put),
      seen: this.#counters,
      runtime: this.#runtime,
    };
    return addToCounter(store, key, delta, operation);
  }

  async time(): Promise<StoreTime> {
    if (this.#opened === undefined) await this.#ready();
    this.#requireOpen();
    return readTime(this.#client, this.#runtime);
  }

  watch(prefix: string, listener: (hint: ChangeHint) => void): Unsubscribe {
    let stop: Unsubscribe | undefined;
    const start = (): void => {
      // To overhear the writes themselves would be too early: a read right after could miss the change for good.
      if (this.#capabilities.watch === "push") stop = this.#hints.watch(prefix, listener);
    };
    if (this.#opened !== undefined) start();
    else {
      this.#watchesToStart.add(start);
      // Whatever is wrong is reported by the next request; the watch begins when one succeeds.
      this.#ready().catch(() => undefined);
    }
    return () => {
      this.#watchesToStart.delete(start);
      stop?.();
    };
  }

  wake(clientId: string, hint: string): void {
    this.#hints.wake(clientId, hint);
  }

  onWake(clientId: string, listener: (hint: string) => void): Unsubscribe {
    return this.#hints.onWake(clientId, listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    this.#opened?.sweeper?.stop();
    this.#watchesToStart.clear();
    this.#hints.close();
    this.#client.close();
    await this.#endConnection();
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new ClosedError("this NATS backend was closed");
  }

  #requireWritable({ features }: Opened): void {
    this.#requireOpen();
    if (!features.readOnly) return;
    throw new UnsupportedError(
      `the bucket ${this.#client.bucket} is a copy, which is only read: nothing can be written or locked here. Use the ` +
        "bucket that it copies",
    );
  }

  #ready(): Promise<Opened> {
    if (this.#opened !== undefined) return Promise.resolve(this.#opened);
    return this.#open(false);
  }

  #open(create: boolean): Promise<Opened> {
    this.#opening ??= this.#openOnce(create).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOnce(create: boolean): Promise<Opened> {
    this.#requireOpen();
    const options = { create, bucket: this.#bucketOptions, runtime: this.#runtime };
    const attempt = () => openBucket(this.#client, options);
    const features = await attempt().catch((error: unknown) => {
      if (!isRepeatable(error)) throw error;
      return retryNotApplied(error, attempt);
    });
    this.#requireOpen();
    // Capabilities are final: a later setup() only validates again.
    this.#opened ??= this.#settle(features);
    return this.#opened;
  }

  #settle(features: BucketFeatures): Opened {
    this.#capabilities = {
      ...capabilitiesBeforeOpening,
      commitOperationsMax: features.readOnly ? 0 : features.atomicBatch ? batchMax : 1,
      wake: !features.readOnly,
      watch: features.republish ? "push" : "none",
      valueBytesMax: features.messageBytesMax - headerBytesMax,
    };
    const sweeper =
      features.nativeTtl || features.readOnly
        ? undefined
        : new ExpirySweeper(this.#client, this.#runtime, this.#sweepIntervalMs);
    sweeper?.start();
    const opened = {
      client: this.#client,
      features,
      markers: new RecentKeys<string>(rememberedMarkers),
      sweeper,
    };
    this.#opened = opened;
    for (const start of this.#watchesToStart) start();
    this.#watchesToStart.clear();
    return opened;
  }
}
