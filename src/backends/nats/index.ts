export type { NatsBucketOptions } from "./bucket-config.ts";
export {
  type NatsFencedBucket,
  type NatsFencedBucketOptions,
  type NatsFencedEntry,
  type NatsFencedWriteOptions,
  natsFencedBucket,
} from "./fenced-bucket.ts";
export { natsBackend } from "./nats-backend.ts";
export { type NatsUrlOptions, natsBackendFromUrl } from "./nats-backend-from-url.ts";
export type {
  NatsConnection,
  NatsMessage,
  NatsPublishOptions,
  NatsRequestOptions,
  NatsServerInfo,
  NatsSubscribeOptions,
} from "./nats-connection.ts";
export type { NatsBackendOptions, NatsClientOptions } from "./nats-options.ts";
