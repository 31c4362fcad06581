import {
  copySettings,
  isCopy,
  type NatsOrigin,
  recordsPrefix,
  type StreamSource,
  subjectPrefixOf,
} from "./copied-bucket.ts";
import type { ApiError } from "./publish-answer.ts";
import { parseServerVersion, type ServerVersion, versionAtLeast } from "./server-version.ts";

/** How a bucket is created. None of it changes a bucket that exists. */
export interface NatsBucketOptions {
  /** Copies in a cluster, 1 to 5. Default: 1. An existing bucket with fewer copies is refused. */
  readonly replicas?: number;
  /** Default: `file`. `memory` loses the bucket when its only server restarts. */
  readonly storage?: "file" | "memory";
  /** Size limit of the bucket in bytes. Default: none. A full bucket refuses writes and drops nothing. */
  readonly maxBytes?: number;
  /** Largest value in bytes, from 131,072. Default: what the server takes, 1,048,064 as it comes. */
  readonly maxValueBytes?: number;
  /** Compress the file storage (servers from 2.10). Default: false. */
  readonly compression?: boolean;
  /** Where the cluster puts the bucket: on servers with all of these tags. */
  readonly placement?: { readonly cluster?: string; readonly tags?: readonly string[] };
  /** Shown by the tools of NATS. Default: `leasehold records`. */
  readonly description?: string;
  /** Names and texts of your own, shown by the tools of NATS (servers from 2.10). */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Makes a read-only copy of another bucket, with its keys and versions. */
  readonly mirror?: string | NatsOrigin;
  /** Makes a read-only copy of several buckets in one; of two records under one key, the later counts. */
  readonly sources?: readonly (string | NatsOrigin)[];
}

/** The settings of a stream that leasehold looks at. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects?: readonly string[];
  readonly retention?: string;
  readonly discard?: string;
  readonly discard_new_per_subject?: boolean;
  readonly max_msgs_per_subject?: number;
  readonly max_age?: number;
  readonly max_bytes?: number;
  readonly max_msgs?: number;
  readonly max_msg_size?: number;
  readonly storage?: string;
  readonly num_replicas?: number;
  readonly no_ack?: boolean;
  readonly sealed?: boolean;
  readonly mirror?: StreamSource | null;
  readonly sources?: readonly StreamSource[];
  readonly subject_transform?: unknown;
  readonly republish?: { readonly src?: string; readonly dest?: string; readonly headers_only?: boolean };
  readonly allow_msg_ttl?: boolean;
  readonly allow_atomic?: boolean;
  readonly allow_msg_counter?: boolean;
  readonly persist_mode?: string;
  readonly first_seq?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The answer to STREAM.INFO and STREAM.CREATE. */
export interface StreamInfo {
  readonly error?: ApiError;
  readonly config: StreamConfig;
  readonly state: {
    readonly first_seq: number;
    readonly last_seq: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
  readonly total?: number;
  readonly offset?: number;
  readonly limit?: number;
}

/** What an opened bucket can do, settled once. */
export interface BucketFeatures {
  readonly replicas: number;
  /** It copies other buckets, and nothing is ever written to it. */
  readonly readOnly: boolean;
  /** The server expires single messages. */
  readonly nativeTtl: boolean;
  /** Several messages commit at once. */
  readonly atomicBatch: boolean;
  /** A batch may hold a check of a key that it does not write. */
  readonly checkInBatch: boolean;
  /** One message may be conditional on another key. */
  readonly checkElsewhere: boolean;
  /** Committed changes come on `leasehold.<bucket>.changes.>`. */
  readonly republish: boolean;
  /** Largest message, headers included, in bytes. */
  readonly messageBytesMax: number;
  readonly serverVersion: string;
}

/** Room that a message needs besides its value: its headers. */
export const headerBytesMax = 512;

/** Where the committed changes of a bucket are sent to, followed by the key. */
export function changesPrefix(bucket: string): string {
  return `leasehold.${bucket}.changes.`;
}

/**
 * Where versions of a new bucket begin: the wall clock in microseconds, so that a bucket which is deleted and created
 * again goes on above every version it gave out before.
 */
export function firstSequenceAt(wallMs: number): number {
  return Math.floor(wallMs) * 1_000;
}

/**
 * The stream of a bucket that leasehold creates. Older servers leave out what they do not know; the echo tells.
 */
export function newStreamConfig(
  bucket: string,
  options: NatsBucketOptions,
  firstSequence: number,
): Record<string, unknown> {
  const copy = copySettings(bucket, options);
  const { maxValueBytes, placement, metadata } = options;
  const name = `KV_${bucket}`;
  return {
    name,
    description: options.description ?? "leasehold records",
    // Without subjects of its own, a copy takes writes from nobody.
    ...(copy ?? { subjects: [`${subjectPrefixOf(bucket)}>`] }),
    retention: "limits",
    storage: options.storage ?? "file",
    num_replicas: options.replicas ?? 1,
    max_msgs_per_subject: 1,
    max_msgs: -1,
    max_bytes: options.maxBytes ?? -1,
    max_age: 0,
    max_msg_size: maxValueBytes === undefined ? -1 : maxValueBytes + headerBytesMax,
    max_consumers: -1,
    discard: "new",
    duplicate_window: 120_000_000_000,
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
    deny_purge: false,
    // A mirror has the sequences of its origin; and with a first_seq, a stream with two sources leaves records out.
    ...(copy === undefined && { first_seq: firstSequence, allow_atomic: true }),
    allow_msg_ttl: true,
    republish: { src: `${recordsPrefix({ name, ...copy })}>`, dest: `${changesPrefix(bucket)}>` },
    ...(options.compression === true && { compression: "s2" }),
    ...(placement !== undefined && { placement }),
    ...(metadata !== undefined && { metadata }),
  };
}

const otherSubjectCheck: ServerVersion = [2, 11, 0];
// Before it, a change of the leader could commit a part of a batch (nats-server 7460).
const wholeBatches: ServerVersion = [2, 12, 2];

/** What a bucket offers, from the settings that the server reports. */
export function bucketFeatures(
  info: StreamInfo,
  connection: { readonly version: string; readonly max_payload: number },
): BucketFeatures {
  const { config } = info;
  // Behind a leaf node, the server with the stream is another one than the server of the connection.
  const serverVersion = config.metadata?.["_nats.ver"] ?? connection.version;
  const version = parseServerVersion(serverVersion);
  const { max_msg_size: messageMax = -1 } = config;
  const atomicBatch = config.allow_atomic === true && versionAtLeast(version, wholeBatches);
  const { republish } = config;
  return {
    replicas: config.num_replicas ?? 1,
    readOnly: isCopy(config),
    nativeTtl: config.allow_msg_ttl === true,
    atomicBatch,
    checkInBatch: atomicBatch && checksInBatchesWork(version),
    checkElsewhere: versionAtLeast(version, otherSubjectCheck),
    republish:
      republish?.src === `${recordsPrefix(config)}>` &&
      republish.dest === `${changesPrefix(config.name.slice("KV_".length))}>` &&
      republish.headers_only !== true,
    messageBytesMax: messageMax > 0 ? Math.min(messageMax, connection.max_payload) : connection.max_payload,
    serverVersion,
  };
}

/** In other releases a batch's check of another subject could watch the wrong subject (nats-server 8377). */
function checksInBatchesWork(version: ServerVersion): boolean {
  if (version[0] > 2 || version[1] > 14) return true;
  return version[1] === 14 ? version[2] >= 4 : version[1] === 12 && version[2] >= 14;
}
