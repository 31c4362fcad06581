import {
  type Coordinator,
  type CoordinatorOptions,
  coordinatorOptions,
  createOwningCoordinator,
} from "./coordinator.ts";
import { type Duration, describe } from "./core/durations.ts";
import { InvalidArgumentError } from "./core/errors.ts";
import { checkOptions } from "./core/options.ts";
import { threadsRuntime } from "./core/runtime.ts";
import { parseHeartbeat } from "./heartbeat/heartbeat-options.ts";
import { openBackend } from "./open-backend.ts";

const allOptions = [...coordinatorOptions, "setup", "url", "heartbeat", "watchdog"];

/** Options of {@link connect}. */
export interface ConnectOptions extends CoordinatorOptions {
  /** The store, where it is not given as the first argument. */
  readonly url?: string | URL;
  /** `false`: the bucket, table or file must be there already; it is validated and never created. Default: true. */
  readonly setup?: boolean;
  /**
   * Who sends the heartbeats. `event-loop`: this thread, so that one that is busy for longer than a TTL loses its
   * leases. `thread`: a thread of their own with a connection of its own, until the `watchdog` finds that this thread
   * hangs. Not for `memory:`, and not with `runtime`. Default: `event-loop`.
   */
  readonly heartbeat?: "event-loop" | "thread";
  /**
   * With `heartbeat: "thread"`: the leases of a process whose event loop has not run for this long are renewed no more,
   * and end within a TTL. At least the TTL, at most 7 days; a lock with a longer TTL of its own has that instead.
   * Default: 30 s, or twice the TTL where that is more.
   */
  readonly watchdog?: Duration;
}

/**
 * Connects to a store, sets it up, and answers a coordinator that owns the connection.
 *
 * Also takes everything in one object: `connect({ url: "sqlite:./leasehold.db", ttl: "5s" })`.
 *
 * @param url `memory:` | `sqlite:./leasehold.db` | `nats://host:4222/bucket` (also `tls://`, and several hosts
 *   separated by commas) | `dynamodb://region/table`, as a string or a `URL`. The pages of the backends list their
 *   parameters.
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
  url: string | URL | (ConnectOptions & { readonly url: string | URL }),
  options: Omit<ConnectOptions, "url"> = {},
): Promise<Coordinator> {
  // Spreading a number or an array would lose it, and with it the options that were meant.
  if (options !== undefined) checkOptions("connect", options, allOptions);
  const asked: ConnectOptions =
    typeof url === "object" && url !== null && !isUrl(url) ? { ...options, ...url } : { ...options, url };
  const all = isUrl(asked.url) ? { ...asked, url: asked.url.href } : asked;
  checkOptions("connect", all, allOptions);
  const { url: store, setup = true, heartbeat: _heartbeat, watchdog: _watchdog, ...coordinator } = all;
  if (typeof setup !== "boolean") {
    throw new InvalidArgumentError(`setup must be true or false; got ${describe(setup)}`);
  }
  const thread = parseHeartbeat(all);
  const { runtime } = coordinator;
  const backend = await openBackend(store, runtime === undefined ? {} : { runtime });
  let close = (): Promise<void> => backend.close();
  try {
    await backend.setup({ create: setup });
    if (thread === undefined) return createOwningCoordinator(backend, coordinator, backend);
    const { startHeartbeatThread } = await import("./heartbeat/heartbeat-threads.ts");
    const renewal = await startHeartbeatThread({ ...thread, runtime: threadsRuntime });
    close = () => renewal.close().then(() => backend.close());
    const owned = { renewal, close };
    return createOwningCoordinator(backend, { ...coordinator, runtime: threadsRuntime }, owned);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Also one of another realm: a test runner may have its own. */
function isUrl(value: object | string | undefined | null): value is URL {
  return typeof value === "object" && typeof (value as Partial<URL> | null)?.href === "string";
}
