import { type Duration, describe, parseDuration } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { NatsBucketOptions } from "./bucket-config.ts";
import { copySettings, nameForm } from "./copied-bucket.ts";
import type { NatsConnection } from "./nats-connection.ts";
import { valueBytesMin } from "./validate-bucket.ts";

/** Settings of the backend that do not concern the bucket itself. */
export interface NatsClientOptions {
  /** How long one request may take. From 50 ms. Default: 2 s. */
  readonly requestTimeout?: Duration;
  /**
   * How often each client offers to collect expired records, on servers before 2.11, which cannot do it themselves.
   * From 1 s. Default: 10 minutes.
   */
  readonly sweepInterval?: Duration;
  /** Clock, timers and randomness. Default: the system's. */
  readonly runtime?: Runtime;
}

/** Settings of `natsBackend`. */
export interface NatsBackendOptions extends NatsBucketOptions, NatsClientOptions {
  /** An open connection of `nats` 2.x or `@nats-io/transport-node` 3.x. It stays open at `close()`. */
  readonly connection: NatsConnection;
  /** Name of the bucket: letters, digits, `_` and `-`. Its stream is `KV_<bucket>`. */
  readonly bucket: string;
}

/** What a bucket is created with. */
export const bucketOptionNames = [
  "replicas",
  "storage",
  "maxBytes",
  "maxValueBytes",
  "compression",
  "placement",
  "description",
  "metadata",
  "mirror",
  "sources",
];

const optionNames = [
  "connection",
  "bucket",
  ...bucketOptionNames,
  "requestTimeout",
  "sweepInterval",
  "runtime",
];

/** What the buckets of NATS have, and those of leasehold have in another way. */
const answers: Readonly<Record<string, string>> = {
  history:
    "its bucket keeps one message for each key: of more, the expiry of one would bring an older one back to life. " +
    "kv(namespace, { history: 5 }) keeps former values, in every store",
  ttl:
    "a time to live of the whole bucket would remove locks that are held. kv(namespace, { ttl }) and the ttl of one write " +
    "are for entries",
  republish:
    "a stream has one republish, which tells leasehold of changes. Subscribe to leasehold.<bucket>.changes.>, or " +
    "republish from a mirror that you make by hand",
};

/** @throws InvalidArgumentError for an option of NATS buckets that is had in another way, saying how. */
export function refuseAnswered(names: Iterable<string>): void {
  for (const name of names) {
    if (!Object.hasOwn(answers, name)) continue;
    throw new InvalidArgumentError(`natsBackend has no option ${name}: ${answers[name]}`);
  }
}

/** The options of `natsBackend`, with durations in milliseconds. */
interface CheckedOptions {
  readonly requestTimeoutMs: number;
  readonly sweepIntervalMs: number;
}

/** @throws InvalidArgumentError for an option that is unknown or out of its range. */
export function checkNatsOptions(options: Omit<NatsBackendOptions, "connection">): CheckedOptions {
  if (typeof options === "object" && options !== null) refuseAnswered(Object.keys(options));
  checkOptions("natsBackend", options, optionNames);
  const { bucket, replicas, storage, maxBytes, maxValueBytes, placement, metadata } = options;
  if (typeof bucket !== "string" || !nameForm.test(bucket)) {
    throw new InvalidArgumentError(
      `bucket must be 1 to 200 characters [A-Za-z0-9_-]; got ${describe(bucket)}`,
    );
  }
  if (replicas !== undefined && ![1, 2, 3, 4, 5].includes(replicas)) {
    throw new InvalidArgumentError(`replicas must be 1 to 5, best 1, 3 or 5; got ${describe(replicas)}`);
  }
  if (storage !== undefined && storage !== "file" && storage !== "memory") {
    throw new InvalidArgumentError(`storage must be "file" or "memory"; got ${describe(storage)}`);
  }
  for (const [name, bytes, leastBytes] of [
    ["maxBytes", maxBytes, 1],
    ["maxValueBytes", maxValueBytes, valueBytesMin],
  ] as const) {
    if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= leastBytes)) continue;
    throw new InvalidArgumentError(
      `${name} must be a whole number of bytes, ${leastBytes} or more; got ${describe(bytes)}`,
    );
  }
  checkOptions("placement", placement, ["cluster", "tags"]);
  const { compression, description, sources } = options;
  const shapes: readonly [string, unknown, boolean, string][] = [
    ["compression", compression, typeof compression === "boolean", "true or false"],
    ["description", description, isText(description), "a text of at most 4,096 bytes"],
    ["placement.cluster", placement?.cluster, isText(placement?.cluster), "a name"],
    ["placement.tags", placement?.tags, areTexts(placement?.tags), "an array of texts"],
    ["sources", sources, Array.isArray(sources) && sources.length > 0, "an array of buckets"],
    [
      "metadata",
      metadata,
      metadata?.constructor === Object && areTexts(Object.values(metadata)),
      "an object of texts",
    ],
  ];
  for (const [name, value, isGood, expected] of shapes) {
    if (value === undefined || isGood) continue;
    throw new InvalidArgumentError(`${name} must be ${expected}; got ${describe(value)}`);
  }
  if (options.mirror !== undefined && sources !== undefined) {
    throw new InvalidArgumentError("a bucket has a mirror or sources, not both");
  }
  copySettings(bucket, options);
  const { requestTimeout = "2s", sweepInterval = "10m" } = options;
  return {
    requestTimeoutMs: parseDuration("requestTimeout", requestTimeout, { minMs: 50, maxMs: 86_400_000 }),
    sweepIntervalMs: parseDuration("sweepInterval", sweepInterval, { minMs: 1_000 }),
  };
}

function isText(value: unknown): boolean {
  return typeof value === "string" && Buffer.byteLength(value) <= 4_096;
}

function areTexts(values: unknown): boolean {
  return Array.isArray(values) && values.every(isText);
}
