import {
  PermissionDeniedError,
  StoreMisconfiguredError,
  UnavailableError,
  UnsupportedError,
} from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import {
  type BucketFeatures,
  bucketFeatures,
  firstSequenceAt,
  type NatsBucketOptions,
  newStreamConfig,
  type StreamInfo,
} from "./bucket-config.ts";
import { recordsPrefix } from "./copied-bucket.ts";
import type { ApiError } from "./publish-answer.ts";
import { requireSupportedServer } from "./server-version.ts";
import type { StreamClient } from "./stream-client.ts";
import { vacateFirstSequence } from "./vacate-first-sequence.ts";
import { validateBucket } from "./validate-bucket.ts";

const streamNotFound = 10059;
const nameInUse = 10058;
const jetStreamOff = new Set([10039, 10076]);
const outOfResources = new Set([10002, 10005, 10008, 10009, 10023, 10028, 10047]);

/** How {@link openBucket} goes about it. */
export interface OpenBucketOptions {
  /** Create the bucket when it is missing. */
  readonly create: boolean;
  readonly bucket: NatsBucketOptions;
  readonly runtime: Runtime;
}

/**
 * Looks at the bucket, creates it if it is missing and that is wanted, validates it, and says what it can do. The
 * answer to the first request also proves that answers reach this connection: were its inbox denied, a write
 * would be stored and its answer lost.
 *
 * @throws UnsupportedError when the server is older than 2.9.21 or has no JetStream.
 * @throws StoreMissingError, StoreMisconfiguredError, PermissionDeniedError, UnavailableError.
 */
export async function openBucket(client: StreamClient, options: OpenBucketOptions): Promise<BucketFeatures> {
  const { info: server } = client.connection;
  if (server === undefined) throw new UnavailableError("the NATS connection is not established yet");
  requireSupportedServer(server.version);
  const found = await inspect(client);
  const info = found ?? (await createMissing(client, options));
  validateBucket(info, options.bucket, server.max_payload);
  const features = bucketFeatures(info, server);
  requireSupportedServer(features.serverVersion);
  client.subjectPrefix = recordsPrefix(info.config);
  if (!features.readOnly) await vacateFirstSequence(client, info, features.serverVersion);
  return features;
}

async function inspect(client: StreamClient): Promise<StreamInfo | undefined> {
  let info: StreamInfo;
  try {
    info = await client.askOnce<StreamInfo>("STREAM.INFO", undefined);
  } catch (error) {
    throw withoutJetStream(client, error) ?? error;
  }
  if (info.error === undefined) return info;
  if (info.error.err_code === streamNotFound) return undefined;
  throw apiRefusal(client, "STREAM.INFO", info.error);
}

async function createMissing(client: StreamClient, options: OpenBucketOptions): Promise<StreamInfo> {
  if (!options.create) throw client.missing();
  const config = newStreamConfig(client.bucket, options.bucket, firstSequenceAt(options.runtime.wallMs()));
  let created: StreamInfo;
  try {
    created = await client.askOnce<StreamInfo>("STREAM.CREATE", config);
  } catch (error) {
    if (!(error instanceof PermissionDeniedError)) throw error;
    throw new PermissionDeniedError(
      `${error.message}. The bucket ${client.bucket} does not exist and this user may not create it: grant the ` +
        "permission, or let somebody else run setup() or the command in docs/nats.md once",
      { cause: error },
    );
  }
  if (created.error === undefined) return created;
  // Somebody else created it at the same moment.
  const rival = created.error.err_code === nameInUse ? await inspect(client) : undefined;
  if (rival !== undefined) return rival;
  throw apiRefusal(client, "STREAM.CREATE", created.error);
}

function withoutJetStream(client: StreamClient, error: unknown): UnsupportedError | undefined {
  const { info } = client.connection;
  if (!(error instanceof UnavailableError) || info?.jetstream === true) return undefined;
  return new UnsupportedError(
    `the NATS server ${info?.version ?? ""} has JetStream disabled, which leasehold's records live in. Start it with ` +
      "-js or a jetstream block in its configuration",
    { cause: error },
  );
}

function apiRefusal(client: StreamClient, api: string, error: ApiError): Error {
  const { err_code: code = 0, description = "" } = error;
  if (jetStreamOff.has(code)) {
    return new UnsupportedError(
      `JetStream is not enabled for this NATS account: ${description} (${code}). Enable it in the account's ` +
        "configuration (jetstream: enabled)",
      { cause: error },
    );
  }
  if (outOfResources.has(code) || (error.code ?? 0) >= 503) return client.unexpected(api, error);
  return new StoreMisconfiguredError(
    `the NATS server refused ${api} for stream ${client.stream}: ${description} (${code}). Check the options ` +
      "replicas, storage, maxBytes, maxValueBytes, placement, compression, mirror and sources against what the server offers",
    { cause: error },
  );
}
