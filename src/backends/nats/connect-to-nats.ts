import { readFile } from "node:fs/promises";
import pRetry from "p-retry";
import {
  InvalidArgumentError,
  MissingDependencyError,
  PermissionDeniedError,
  UnavailableError,
} from "../../core/errors.ts";
import type { NatsConnection } from "./nats-connection.ts";
import type { NatsAddress } from "./parse-nats-url.ts";

const retriesMax = 4;
/** No further attempt begins after this long. */
const retryTimeMaxMs = 5_000;
/** Shared by the hosts: each is dialled in turn. */
const dialTimeoutMs = 3_000;
const dialTimeoutMinMs = 1_000;
/** Twice this without an answer and the client dials again: a dead route is noticed within a lease. */
const pingIntervalMs = 5_000;

/** The part of either client package that opens connections. */
interface NatsClient {
  connect(options: Record<string, unknown>): Promise<NatsConnection>;
  credsAuthenticator(creds: Uint8Array): unknown;
}

/**
 * Opens a connection that reconnects for ever. At the start it tries at most five times within a few seconds.
 *
 * @throws MissingDependencyError when neither client package is installed.
 * @throws UnavailableError when no server answers; PermissionDeniedError when it refuses the credentials.
 */
export async function connectToNats(address: NatsAddress): Promise<NatsConnection> {
  const client = await importClient();
  const options = {
    servers: [...address.hosts],
    name: "leasehold",
    timeout: Math.max(dialTimeoutMinMs, dialTimeoutMs / address.hosts.length),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    // A stack trace for each request would cost more than the rest of the request.
    noAsyncTraces: true,
    ...(address.tls ? { tls: {} } : {}),
    ...(await authentication(client, address)),
  };
  try {
    return await pRetry(() => client.connect({ ...options }), {
      retries: retriesMax,
      minTimeout: 200,
      maxTimeout: 2_000,
      maxRetryTime: retryTimeMaxMs,
      randomize: true,
      shouldRetry: ({ error }) => !isRefusal(error),
    });
  } catch (error) {
    throw connectFailure(error, address);
  }
}

async function authentication(
  client: NatsClient,
  { user, password, token, parameters }: NatsAddress,
): Promise<Record<string, unknown>> {
  if (parameters.creds !== undefined) {
    const creds = await readFile(parameters.creds).catch((error: unknown) => {
      throw new InvalidArgumentError(`the credentials file ${parameters.creds} cannot be read`, {
        cause: error,
      });
    });
    return { authenticator: client.credsAuthenticator(creds) };
  }
  if (token !== undefined) return { token };
  return user === undefined ? {} : { user, pass: password };
}

async function importClient(): Promise<NatsClient> {
  const current = await import("@nats-io/transport-node").catch(absentIfMissing("@nats-io/transport-node"));
  if (current !== undefined) return current as unknown as NatsClient;
  const previous = await import("nats").catch(absentIfMissing("nats"));
  if (previous !== undefined) return previous as unknown as NatsClient;
  throw new MissingDependencyError(
    "connecting to NATS needs a client package, and neither is installed: npm install @nats-io/transport-node (or " +
      "nats, version 2)",
  );
}

function absentIfMissing(name: string): (error: unknown) => undefined {
  return (error) => {
    const { code, message = "" } = error as { code?: unknown; message?: string };
    // A package that is there but lacks one of its own dependencies must not pass for a missing one.
    if (code === "ERR_MODULE_NOT_FOUND" && message.includes(`'${name}'`)) return undefined;
    throw error;
  };
}

function isRefusal(error: unknown): boolean {
  const { name, code, message = "" } = error as { name?: unknown; code?: unknown; message?: string };
  return (
    code === "AUTHORIZATION_VIOLATION" ||
    name === "AuthorizationError" ||
    name === "UserAuthenticationExpiredError" ||
    /authorization violation|authentication/i.test(message)
  );
}

function connectFailure(error: unknown, { hosts, tls }: NatsAddress): Error {
  const where = hosts.join(", ");
  const { message = "" } = error as { message?: string };
  if (isRefusal(error)) {
    return new PermissionDeniedError(
      `the NATS server at ${where} refused the credentials (${message}). Check user and password, the token, or the ` +
        "creds parameter of the URL",
      { cause: error },
    );
  }
  return new UnavailableError(
    `no NATS server answered at ${where} in several attempts (${message || "no message"}). Check that ` +
      `nats-server runs there, that the port is its client port, and that it ${tls ? "speaks" : "does not demand"} TLS`,
    { cause: error },
  );
}
