export type { NatsBucketOptions } from "./bucket-config.ts";
export type { NatsOrigin } from "./copied-bucket.ts";
export {
  type NatsFencedBucket,
  type NatsFencedBucketOptions,
  type NatsFencedEntry,
  type NatsFencedWriteOptions,
  natsFencedBucket,
} from "./fenced-bucket.ts";
export { natsBucketOf, natsConnectionOf } from "./native-connection.ts";
export { natsBackend } from "./nats-backend.ts";
export { type NatsUrlOptions, natsBackendFromUrl, natsOptionsFromUrl } from "./nats-backend-from-url.ts";
export type {
  NatsConnection,
  NatsMessage,
  NatsPublishOptions,
  NatsRequestOptions,
  NatsServerInfo,
  NatsSubscribeOptions,
} from "./nats-connection.ts";
export type { NatsBackendOptions, NatsClientOptions } from "./nats-options.ts";
export {
  type NatsPermissions,
  type NatsPermissionsOptions,
  type NatsRole,
  natsPermissions,
} from "./provision/permissions.ts";
export {
  type NatsProvisioningOptions,
  type NatsProvisioningText,
  natsProvisioning,
} from "./provision/texts.ts";
