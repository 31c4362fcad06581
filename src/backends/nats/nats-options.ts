import { type Duration, describe, parseDuration } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { NatsBucketOptions } from "./bucket-config.ts";
import type { NatsConnection } from "./nats-connection.ts";

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

const optionNames = [
  "connection",
  "bucket",
  "replicas",
  "storage",
  "maxBytes",
  "compression",
  "placement",
  "requestTimeout",
  "sweepInterval",
  "runtime",
];

/** The options of `natsBackend`, with durations in milliseconds. */
interface CheckedOptions {
  readonly requestTimeoutMs: number;
  readonly sweepIntervalMs: number;
}

/** @throws InvalidArgumentError for an option that is unknown or out of its range. */
export function checkNatsOptions(options: Omit<NatsBackendOptions, "connection">): CheckedOptions {
  checkOptions("natsBackend", options, optionNames);
  const { bucket, replicas, storage, maxBytes } = options;
  if (typeof bucket !== "string" || !/^[-\w]{1,200}$/.test(bucket)) {
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
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
    throw new InvalidArgumentError(
      `maxBytes must be a whole number of bytes above 0; got ${describe(maxBytes)}`,
    );
  }
  const { requestTimeout = "2s", sweepInterval = "10m" } = options;
  return {
    requestTimeoutMs: parseDuration("requestTimeout", requestTimeout, { minMs: 50, maxMs: 86_400_000 }),
    sweepIntervalMs: parseDuration("sweepInterval", sweepInterval, { minMs: 1_000 }),
  };
}
