import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { NatsBucketOptions, StreamConfig } from "./bucket-config.ts";

/** A bucket that another one copies: its name, or `domain/name`, or this. */
export interface NatsOrigin {
  readonly bucket: string;
  /** The JetStream domain that it is in, where that is another one. */
  readonly domain?: string;
  /** Where the API of its account is imported, in place of `domain`: `$JS.other.API`, say. */
  readonly apiPrefix?: string;
  /** Where that account delivers to, with `apiPrefix`. */
  readonly deliverPrefix?: string;
}

/** How a stream names another one. */
export interface StreamSource {
  readonly name: string;
  readonly external?: { readonly api?: string; readonly deliver?: string } | null;
  readonly subject_transforms?: readonly { readonly src?: string; readonly dest?: string }[] | null;
  readonly filter_subject?: string;
  readonly opt_start_seq?: number;
  readonly opt_start_time?: string;
}

/** The part of a bucket's name, and of a domain's. */
export const nameForm = /^[-\w]{1,200}$/;

/** Where a key's subject begins, for the records of a bucket. */
export function subjectPrefixOf(bucket: string): string {
  return `$KV.${bucket}.`;
}

/**
 * What stands in the configuration of the copy.
 *
 * @throws InvalidArgumentError for another form.
 */
export function streamSource(origin: string | NatsOrigin): StreamSource {
  const [, before, name = ""] = /^(?:([^/]*)\/)?([^/]*)$/.exec(String(origin)) ?? [];
  const named = typeof origin === "string" ? { bucket: name, domain: before } : origin;
  checkOptions("an origin", named, ["bucket", "domain", "apiPrefix", "deliverPrefix"]);
  const { bucket, domain, apiPrefix, deliverPrefix } = named as NatsOrigin;
  const prefixes = [apiPrefix, deliverPrefix].filter((each) => each !== undefined);
  const isGood =
    nameForm.test(bucket) &&
    (domain === undefined || (nameForm.test(domain) && prefixes.length === 0)) &&
    (deliverPrefix === undefined || apiPrefix !== undefined) &&
    prefixes.every((each) => /^[^\s*>.]+(\.[^\s*>.]+)*$/.test(each));
  if (!isGood) {
    throw new InvalidArgumentError(
      `mirror and sources name buckets: "orders", "domain/orders", or { bucket } with domain or apiPrefix; got ${describe(origin)}`,
    );
  }
  const api = domain === undefined ? apiPrefix : `$JS.${domain}.API`;
  return {
    name: `KV_${bucket}`,
    ...(api !== undefined && { external: { api, deliver: deliverPrefix ?? "" } }),
  };
}

/** What a new bucket copies, as its stream says it; undefined for one with records of its own. */
export function copySettings(
  bucket: string,
  { mirror, sources }: NatsBucketOptions,
): Pick<StreamConfig, "mirror" | "sources"> | undefined {
  if (mirror !== undefined) return { mirror: streamSource(mirror) };
  return (
    sources && {
      sources: sources.map((each) => {
        const source = streamSource(each);
        return { ...source, subject_transforms: [transform(source, bucket)] };
      }),
    }
  );
}

function transform({ name }: StreamSource, bucket: string): { src: string; dest: string } {
  return { src: `${subjectPrefixOf(name.slice("KV_".length))}>`, dest: `${subjectPrefixOf(bucket)}>` };
}

/** Whether a stream only copies others. The server itself refuses what is written to it. */
export function isCopy({ mirror, sources, subjects }: StreamConfig): boolean {
  return Boolean(mirror) || (Boolean(sources?.length) && !subjects?.length);
}

/** Where the records of a stream are. A mirror keeps the subjects of its origin. */
export function recordsPrefix({ name, mirror }: StreamConfig): string {
  return subjectPrefixOf((mirror?.name ?? name).slice("KV_".length));
}

/** What is wrong with a copy, or with a bucket that should be one: found, expected, why. */
export function* copyFindings(
  config: StreamConfig,
  options: NatsBucketOptions,
): Generator<readonly [found: string, expected: string, why: string]> {
  const wanted = copySettings(config.name.slice("KV_".length), options);
  const [found, expected] = [placesOf(config), wanted && placesOf(wanted)];
  if (expected !== undefined && found !== expected) yield [found, expected, "it would show other records"];
  if (!isCopy(config)) return;
  const { mirror, sources = [], first_seq: first = 0 } = config;
  if (!mirror && first > 0) {
    yield [
      `first_seq ${first} with sources`,
      "none",
      "the server would leave out records of all but one of them",
    ];
  }
  for (const source of mirror ? [mirror] : sources) {
    const { src, dest } = transform(source, config.name.slice("KV_".length));
    const [only, ...more] = source.subject_transforms ?? [];
    const isNamed = mirror ? only === undefined : only?.src === src && only.dest === dest;
    const { filter_subject: filter, opt_start_seq: start, opt_start_time: startTime } = source;
    if (isNamed && more.length === 0 && !filter && !start && !startTime) continue;
    yield [
      `${source.name} filtered, cut or renamed`,
      mirror ? "all of it" : `all of it, with the transform ${src} to ${dest}`,
      "records would be missing, or stand under other keys",
    ];
  }
}

function placesOf({ mirror, sources, subjects }: Partial<StreamConfig>): string {
  const places = (mirror ? [mirror] : (sources ?? [])).map(({ name, external }) =>
    external?.api ? `${external.api} ${name}` : name,
  );
  if (places.length === 0 || subjects?.length) return "a bucket with records of its own";
  return `${mirror ? "mirror" : "sources"} ${places.sort().join(", ")}`;
}
