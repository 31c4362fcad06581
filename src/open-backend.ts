import type { Backend } from "./core/backend.ts";
import { describe } from "./core/durations.ts";
import { InvalidArgumentError } from "./core/errors.ts";
import type { Runtime } from "./core/runtime.ts";

type Opener = (url: string, options: { readonly runtime?: Runtime }) => Promise<Backend>;

/** One entry for each scheme. Imported on use, so that nobody loads a client that he does not need. */
const openers: Readonly<Record<string, () => Promise<Opener>>> = {
  "memory:": async () => {
    const { memoryBackend } = await import("./backends/memory/index.ts");
    return async (url, options) => {
      if (url === "memory:") return memoryBackend(options);
      throw new InvalidArgumentError(
        `memory: has no name and no options, for it belongs to one coordinator alone; got ${describe(url)}. Several that ` +
          "share one in a process: createCoordinator(backend) for each, over the same memoryBackend()",
      );
    };
  },
  "sqlite:": async () => (await import("./backends/sqlite/index.ts")).sqliteBackendFromUrl,
  "nats:": async () => (await import("./backends/nats/index.ts")).natsBackendFromUrl,
  "tls:": async () => (await import("./backends/nats/index.ts")).natsBackendFromUrl,
  "dynamodb:": async () => (await import("./backends/dynamodb/index.ts")).dynamodbBackendFromUrl,
};

/**
 * Opens the store of a URL, without a request.
 *
 * @throws InvalidArgumentError for a URL that it cannot use.
 * @throws MissingDependencyError when the client package of that store is not installed.
 */
export async function openBackend(
  url: unknown,
  options: { readonly runtime?: Runtime } = {},
): Promise<Backend> {
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
