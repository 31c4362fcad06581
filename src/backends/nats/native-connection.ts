import type { Backend } from "../../core/backend.ts";
import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { clientOfBackend } from "./nats-backend.ts";
import type { NatsConnection } from "./nats-connection.ts";
import type { StreamClient } from "./stream-client.ts";

/**
 * The connection that a backend or coordinator over NATS uses: the very object that its client package made, for
 * anything else that it can do. Name that package's type: `natsConnectionOf<NatsConnection>(coordinator)`.
 *
 * @throws InvalidArgumentError for one over another store.
 * @example
 * ```ts
 * import type { NatsConnection } from "@nats-io/transport-node";
 * import { connect } from "leasehold";
 * import { natsBucketOf, natsConnectionOf } from "leasehold/nats";
 *
 * await using coordinator = await connect("nats://127.0.0.1:4222/leasehold");
 * const connection = natsConnectionOf<NatsConnection>(coordinator);
 * console.log((await connection.rtt()) >= 0, natsBucketOf(coordinator)); // true { bucket: 'leasehold', stream: 'KV_leasehold' }
 * ```
 */
export function natsConnectionOf<C extends NatsConnection = NatsConnection>(
  source: Backend | { readonly backend: Backend },
): C {
  return clientOf(source).connection as C;
}

/** The bucket of a backend or coordinator over NATS, and its stream. @throws InvalidArgumentError as `natsConnectionOf` */
export function natsBucketOf(source: Backend | { readonly backend: Backend }): {
  readonly bucket: string;
  readonly stream: string;
} {
  const { bucket, stream } = clientOf(source);
  return { bucket, stream };
}

function clientOf(source: Backend | { readonly backend: Backend }): StreamClient {
  const backend = "backend" in source ? source.backend : source;
  const client = clientOfBackend(backend);
  if (client !== undefined) return client;
  throw new InvalidArgumentError(
    `there is no NATS connection: the store is of the kind ${describe(backend.kind)}`,
  );
}
