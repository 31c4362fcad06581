import type { Backend } from "../../core/backend.ts";
import type { Duration } from "../../core/durations.ts";
import type { NatsBucketOptions } from "./bucket-config.ts";
import { connectToNats } from "./connect-to-nats.ts";
import { natsBackendOwning } from "./nats-backend.ts";
import { checkNatsOptions, type NatsClientOptions } from "./nats-options.ts";
import { type NatsAddress, parseNatsUrl } from "./parse-nats-url.ts";

/** Settings of {@link natsBackendFromUrl}. They win over the parameters of the URL. */
export interface NatsUrlOptions extends NatsBucketOptions, NatsClientOptions {}

/**
 * Connects to NATS and answers a backend that owns the connection: it reconnects for ever and is closed by
 * `close()`.
 *
 * @param url `nats://[user:password@]host[:port][,host2...][/bucket]`, or `tls://...`. The bucket defaults to
 *   `leasehold`. Parameters: `replicas`, `storage`, `maxBytes`, `maxValueBytes`, `compression`, `cluster`, `tags`,
 *   `description`, `mirror`, `sources`, `requestTimeout`, `sweepInterval`, and `creds`, the path of a credentials file.
 * @throws InvalidArgumentError for a URL of another form.
 * @throws MissingDependencyError when neither `@nats-io/transport-node` nor `nats` is installed.
 * @throws UnavailableError when no server answers within a few seconds.
 * @throws PermissionDeniedError when the server refuses the credentials.
 */
export async function natsBackendFromUrl(url: string | URL, options: NatsUrlOptions = {}): Promise<Backend> {
  const address = parseNatsUrl(String(url));
  const settings = { ...optionsOf(address), ...options, bucket: address.bucket };
  // Before dialling: a misspelt option should not cost the time of five attempts.
  checkNatsOptions(settings);
  return natsBackendOwning({ ...settings, connection: await connectToNats(address) });
}

/**
 * What a URL says of its bucket, without asking anybody: for `natsProvisioning`.
 *
 * @throws InvalidArgumentError for a URL of another form.
 */
export function natsOptionsFromUrl(url: string | URL): NatsBucketOptions & { readonly bucket: string } {
  const address = parseNatsUrl(String(url));
  const { requestTimeout: _request, sweepInterval: _sweep, ...options } = optionsOf(address);
  return { ...options, bucket: address.bucket };
}

function optionsOf({ parameters }: NatsAddress): NatsUrlOptions {
  const { creds: _creds, cluster, tags, ...texts } = parameters;
  const options: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(texts)) options[name] = readers[name]?.(text) ?? text;
  const placement = {
    ...(cluster !== undefined && { cluster }),
    ...(tags !== undefined && { tags: tags.split(",") }),
  };
  return { ...options, ...(cluster !== undefined || tags !== undefined ? { placement } : {}) };
}

/** Those that are no texts. What they make of nonsense is judged where options are checked. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  replicas: Number,
  maxBytes: Number,
  maxValueBytes: Number,
  compression: (text) => (text === "true" ? true : text === "false" ? false : text),
  sources: (text) => text.split(","),
  requestTimeout: duration,
  sweepInterval: duration,
};

/** Digits alone are milliseconds; anything else is judged where durations are parsed. */
function duration(text: string): Duration {
  return /^\d+$/.test(text) ? Number(text) : (text as Duration);
}
