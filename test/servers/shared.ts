import { inject } from "vitest";

/** A running server that many tests share; it must not be stopped or frozen. */
export interface SharedServer {
  readonly url: string;
  /** Full version, such as `2.15.1`. */
  readonly version: string;
  /** `NATS 2.15.1 (local program)` */
  readonly description: string;
}

/** The shared servers, or for each the reason why it is not there. */
export interface SharedServers<Server = SharedServer> {
  /** The newest NATS, 2.15. */
  readonly nats: Server;
  /** NATS 2.10: no per-message TTL, no atomic batches. */
  readonly nats210: Server;
  /** NATS 2.9.10, which leasehold must refuse. */
  readonly nats29: Server;
  readonly dynamodb: Server;
}

/** What the global set-up hands to the tests. */
export type SharedServersOutcome = SharedServers<SharedServer | { readonly missing: string }>;

declare module "vitest" {
  interface ProvidedContext {
    readonly sharedServers: SharedServersOutcome;
  }
}

/**
 * The servers that all tests share. Isolate by random names of buckets and tables.
 *
 * @throws Error that says what to install, when a server that is asked for (by reading its property) is
 * missing.
 */
export function sharedServers(): SharedServers {
  const outcome = inject("sharedServers");
  const read = (name: keyof SharedServers): SharedServer => {
    const server = outcome[name];
    if ("missing" in server) throw new Error(server.missing);
    return server;
  };
  return {
    get nats() {
      return read("nats");
    },
    get nats210() {
      return read("nats210");
    },
    get nats29() {
      return read("nats29");
    },
    get dynamodb() {
      return read("dynamodb");
    },
  };
}
