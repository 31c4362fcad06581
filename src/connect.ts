import {
  type Coordinator,
  type CoordinatorOptions,
  coordinatorOptions,
  createOwningCoordinator,
} from "./coordinator.ts";
import type { Backend } from "./core/backend.ts";
import { describe } from "./core/durations.ts";
import { InvalidArgumentError } from "./core/errors.ts";
import { checkOptions } from "./core/options.ts";
import type { Runtime } from "./core/runtime.ts";

/** Options of {@link connect}. */
export interface ConnectOptions extends CoordinatorOptions {
  /** The store, where it is not given as the first argument. */
  readonly url?: string;
  /** `false`: the bucket, table or file must be there already; it is validated and never created. Default: true. */
  readonly setup?: boolean;
}

type Opener = (url: string, options: { readonly runtime?: Runtime }) => Promise<Backend>;

/** One entry for each scheme. Imported on use, so that nobody loads a client that he does not need. */
const openers: Readonly<Record<string, () => Promise<Opener>>> = {
  "memory:": async () => {
    const { memoryBackend } = await import("./backends/memory/index.ts");
    return async (_url, options) => memoryBackend(options);
  },
  "sqlite:": async () => (await import("./backends/sqlite/index.ts")).sqliteBackendFromUrl,
  "nats:": async () => (await import("./backends/nats/index.ts")).natsBackendFromUrl,
  "tls:": async () => (await import("./backends/nats/index.ts")).natsBackendFromUrl,
  "dynamodb:": async () => (await import("./backends/dynamodb/index.ts")).dynamodbBackendFromUrl,
};

/**
 * Connects to a store, sets it up, and answers a coordinator that owns the connection.
 *
 * Also takes everything in one object: `connect({ url: "sqlite:./leasehold.db", ttl: "5s" })`.
 *
 * @param url `memory:` | `sqlite:./leasehold.db` | `nats://host:4222/bucket` (also `tls://`, and several hosts
 *   separated by commas) | `dynamodb://region/table`. The pages of the backends list their parameters.
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for a URL or option it cannot use.
 * @throws MissingDependencyError (`MISSING_DEPENDENCY`) when the client package of that store is not installed.
 * @throws UnavailableError (`UNAVAILABLE`) when no server answers.
 * @throws StoreMissingError, StoreMisconfiguredError, PermissionDeniedError, UnsupportedError, CorruptStoreError
 *   when the store cannot be used; the message says what was expected, what came and what to do.
 * @example
 * ```ts
 * import { connect } from "leasehold";
 * await using coordinator = await connect("memory:");
 * await coordinator.lock("nightly-report").hold(async ({ fence, signal }) => {
 *   console.log(fence > 0, signal.aborted); // true false
 * });
 * ```
 */
export async function connect(
  url: string | (ConnectOptions & { readonly url: string }),
  options: Omit<ConnectOptions, "url"> = {},
): Promise<Coordinator> {
  const all: ConnectOptions =
    typeof url === "object" && url !== null ? { ...options, ...url } : { ...options, url };
  checkOptions("connect", all, [...coordinatorOptions, "setup", "url"]);
  const { url: store, setup = true, ...coordinator } = all;
  const backend = await openBackend(
    store,
    coordinator.runtime === undefined ? {} : { runtime: coordinator.runtime },
  );
  try {
    await backend.setup({ create: setup });
    return createOwningCoordinator(backend, coordinator);
  } catch (error) {
    await backend.close();
    throw error;
  }
}

async function openBackend(url: unknown, options: { readonly runtime?: Runtime }): Promise<Backend> {
  const scheme = typeof url === "string" ? url.slice(0, url.indexOf(":") + 1) : "";
  const load = Object.hasOwn(openers, scheme) ? openers[scheme] : undefined;
  if (typeof url !== "string" || load === undefined) {
    throw new InvalidArgumentError(
      `connect needs a URL such as sqlite:./leasehold.db, nats://127.0.0.1:4222/bucket, dynamodb://eu-west-1/table, ` +
        `or memory: within one process; got ${describe(withoutCredentials(url))}`,
    );
  }
  const open = await load();
  return open(url, options);
}

/** A mistyped scheme must not bring a password into a log. */
function withoutCredentials(url: unknown): unknown {
  return typeof url === "string" ? url.replace(/\/\/[^/]*@/, "//***@") : url;
}
