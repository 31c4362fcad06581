import { randomUUID } from "node:crypto";
import * as transport from "@nats-io/transport-node";
import * as previous from "nats";
import type { NatsConnection } from "../../src/backends/nats/index.ts";

/** What the tests connect with. */
export interface ClientOptions {
  readonly servers: string;
  readonly user?: string;
  readonly pass?: string;
  readonly inboxPrefix?: string;
  readonly reconnectTimeWait?: number;
  readonly maxReconnectAttempts?: number;
}

/** Both client generations. Their connections are assigned to leasehold's type here: the types fit. */
export const clients: readonly [string, (options: ClientOptions) => Promise<NatsConnection>][] = [
  ["nats 2.x", (options) => previous.connect({ ...options })],
  ["@nats-io/transport-node 3.x", (options) => transport.connect({ ...options })],
];

/** A name that no other test uses. */
export function uniqueBucket(): string {
  return `test-${randomUUID()}`;
}

/** Asks the JetStream API. */
export async function askJetStream(
  connection: NatsConnection,
  api: string,
  body?: unknown,
  // biome-ignore lint/suspicious/noExplicitAny: the answers differ from call to call.
): Promise<any> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const { data } = await connection.request(`$JS.API.${api}`, payload, { timeout: 5_000 });
  return JSON.parse(Buffer.from(data).toString());
}
