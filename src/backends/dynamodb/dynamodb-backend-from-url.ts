import type { DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import type { Runtime } from "../../core/runtime.ts";
import { type DynamodbBackend, openDynamodbBackend } from "./dynamodb-backend.ts";
import { type DynamodbClient, resolveOptions } from "./options.ts";
import { type ParsedUrl, parseDynamodbUrl } from "./parse-url.ts";
import type { DynamodbProvisioningOptions } from "./provision/table-definition.ts";
import { loadSdk, type Sdk } from "./sdk.ts";

/** Options of {@link dynamodbBackendFromUrl}. */
export interface DynamodbUrlOptions {
  readonly runtime?: Runtime;
}

const connectionTimeoutMs = 1_000;
const socketsMax = 64;
const heartbeatSocketsMax = 8;

/**
 * A backend over clients of its own, which `close()` ends: one for ordinary requests and one for heartbeats, so
 * that neither waits for the other's sockets. Both send every request once; leasehold retries by itself, because
 * a client that does so hides which writes may have been applied. Sends nothing yet.
 *
 * @param url `dynamodb://region/table?endpoint=...`; table `leasehold` and the environment's Region when left out.
 *   `docs/dynamodb.md` lists the parameters. Credentials come from where the AWS SDK looks for them; a plain
 *   `http:` endpoint, as of DynamoDB Local, needs none.
 * @throws InvalidArgumentError for a URL it cannot use.
 * @throws MissingDependencyError when `@aws-sdk/client-dynamodb` is not installed.
 */
export async function dynamodbBackendFromUrl(
  url: string,
  options: DynamodbUrlOptions = {},
): Promise<DynamodbBackend> {
  const parsed = parseDynamodbUrl(url);
  const settings = resolveOptions({ ...parsed.options, ...options });
  const sdk = await loadSdk();
  const ordinary = makeClient(sdk, parsed, settings.requestTimeoutMs, socketsMax);
  const heartbeats = makeClient(sdk, parsed, settings.requestTimeoutMs, heartbeatSocketsMax);
  const clients: readonly [DynamodbClient, DynamodbClient] = [ordinary, heartbeats];
  return openDynamodbBackend(settings, clients, () => {
    ordinary.destroy();
    heartbeats.destroy();
  });
}

/**
 * What a URL says of a table, for `dynamodbProvisioning`.
 *
 * @throws InvalidArgumentError for a URL it cannot use.
 */
export function dynamodbOptionsFromUrl(url: string): DynamodbProvisioningOptions {
  const { region, options } = parseDynamodbUrl(url);
  const { requestTimeout: _time, allowEventualGlobalTable: _replicas, ...table } = options;
  return { ...(table as DynamodbProvisioningOptions), ...(region === undefined ? {} : { region }) };
}

function makeClient(sdk: Sdk, { region, endpoint }: ParsedUrl, requestTimeoutMs: number, maxSockets: number) {
  const config: DynamoDBClientConfig = {
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: Math.min(connectionTimeoutMs, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets },
    },
  };
  if (region !== undefined) config.region = region;
  if (endpoint !== undefined) config.endpoint = endpoint;
  // AWS itself is only reached by https. DynamoDB Local wants some credentials, and takes any.
  if (endpoint?.startsWith("http:") === true && !environmentHasCredentials()) {
    config.credentials = { accessKeyId: "local", secretAccessKey: "local" };
  }
  return new sdk.DynamoDBClient(config);
}

const credentialVariables = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

function environmentHasCredentials(): boolean {
  return credentialVariables.some((name) => (process.env[name] ?? "") !== "");
}
