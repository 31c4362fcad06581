import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { refuseAnswered } from "./nats-options.ts";

/** What a `nats:` or `tls:` URL says. */
export interface NatsAddress {
  /** `host:port`, without credentials; safe to show. */
  readonly hosts: readonly string[];
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly bucket: string;
  /** The query, checked against {@link natsUrlParameters}. */
  readonly parameters: Readonly<Partial<Record<NatsUrlParameter, string>>>;
}

/** The parameters that a URL may carry. */
export const natsUrlParameters = [
  "replicas",
  "storage",
  "maxBytes",
  "maxValueBytes",
  "compression",
  "cluster",
  "tags",
  "description",
  "mirror",
  "sources",
  "requestTimeout",
  "sweepInterval",
  "creds",
] as const;

type NatsUrlParameter = (typeof natsUrlParameters)[number];

const bucketDefault = "leasehold";
const portDefault = "4222";
const hostsMax = 64;
const form = "nats://[user:password@]host[:port][,host2[:port]][/bucket][?replicas=3&storage=file]";
const hostForm = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/**
 * Takes a URL apart. By hand, because a URL of several hosts is none in the sense of the WHATWG.
 *
 * @throws InvalidArgumentError for another form. No message repeats a password.
 */
export function parseNatsUrl(url: string): NatsAddress {
  // An @ further on belongs to a password that is not percent-encoded: then no part may be shown as something else.
  const match = /^(nats|tls):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^@/?#]*))?(?:\?([^@#]*))?$/.exec(url);
  if (match === null) {
    throw new InvalidArgumentError(
      `a NATS URL has the form ${form}; got ${describe(url.replace(/^([a-z]*:)?.*@/s, "$1//***@"))}`,
    );
  }
  const [, scheme, credentials, hosts = "", bucket, query = ""] = match;
  return {
    hosts: parseHosts(hosts),
    tls: scheme === "tls",
    ...(credentials === undefined ? {} : parseCredentials(credentials)),
    bucket: bucket ? decode("bucket", bucket) : bucketDefault,
    parameters: parseParameters(query),
  };
}

function parseHosts(text: string): readonly string[] {
  const hosts = text.split(",");
  if (hosts.length > hostsMax) {
    throw new InvalidArgumentError(`a NATS URL names at most ${hostsMax} hosts; got ${hosts.length}`);
  }
  return hosts.map((host) => {
    const match = hostForm.exec(host);
    const port = match?.[2] ?? portDefault;
    if (match === null || Number(port) < 1 || Number(port) > 65_535) {
      throw new InvalidArgumentError(
        `a NATS URL has hosts such as nats.example.org:4222, separated by commas; got ${describe(host)}`,
      );
    }
    return `${match[1]}:${port}`;
  });
}

/** A user alone, without a colon, is a token, as with the other NATS tools. */
function parseCredentials(text: string): { user: string; password: string } | { token: string } {
  const colon = text.indexOf(":");
  if (colon < 0) return { token: decode("token", text) };
  return {
    user: decode("user", text.slice(0, colon)),
    password: decode("password", text.slice(colon + 1)),
  };
}

function parseParameters(query: string): NatsAddress["parameters"] {
  const parameters: Partial<Record<NatsUrlParameter, string>> = {};
  const given = new URLSearchParams(query);
  refuseAnswered(given.keys());
  for (const [name, value] of given) {
    const known = natsUrlParameters.find((candidate) => candidate === name);
    if (known === undefined) {
      throw new InvalidArgumentError(
        `a NATS URL has no parameter ${describe(name)}; it has ${natsUrlParameters.join(", ")}`,
      );
    }
    if (parameters[known] !== undefined) {
      throw new InvalidArgumentError(`a NATS URL has each parameter once; ${known} comes twice`);
    }
    parameters[known] = value;
  }
  return parameters;
}

function decode(what: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new InvalidArgumentError(`the ${what} of a NATS URL must be percent-encoded UTF-8`, {
      cause: error,
    });
  }
}
