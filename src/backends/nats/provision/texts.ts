import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError } from "../../../core/errors.ts";
import { systemRuntime } from "../../../core/runtime.ts";
import { firstSequenceAt, type NatsBucketOptions, newStreamConfig } from "../bucket-config.ts";
import { checkNatsOptions } from "../nats-options.ts";
import { type NatsPermissionsOptions, natsPermissions } from "./permissions.ts";

/**
 * `stream`: the configuration of the stream, as JSON. `nats-cli`: the command of the `nats` tool that makes it.
 * `permissions`: a user in the configuration of `nats-server`. `nsc`: the command that makes such a user.
 */
export type NatsProvisioningText = "stream" | "nats-cli" | "permissions" | "nsc";

/** Options of {@link natsProvisioning}: those of the bucket, and of {@link natsPermissions}. */
export interface NatsProvisioningOptions
  extends NatsBucketOptions,
    Partial<Omit<NatsPermissionsOptions, "bucket">> {
  readonly bucket: string;
  /** Where versions begin. Default: the wall clock in microseconds, so that a bucket made again goes on above. */
  readonly firstSequence?: number;
}

/**
 * What others need to make ready what leasehold uses, as text that ends with a line feed. Asks nobody.
 *
 * @throws InvalidArgumentError for an option out of its range.
 * @example
 * ```ts
 * import { natsProvisioning } from "leasehold/nats";
 * console.log(natsProvisioning("permissions", { bucket: "jobs", role: "read-only" }));
 * ```
 */
export function natsProvisioning(text: NatsProvisioningText, options: NatsProvisioningOptions): string {
  const { role = "runtime", inboxPrefix, sweep, firstSequence, ...bucketOptions } = options;
  const { bucket } = bucketOptions;
  checkNatsOptions(bucketOptions);
  const first = firstSequence ?? firstSequenceAt(systemRuntime.wallMs());
  const config = () => newStreamConfig(bucket, bucketOptions, first);
  const user = { bucket, role, ...(inboxPrefix !== undefined && { inboxPrefix }), ...(sweep && { sweep }) };
  const { publish, subscribe } = natsPermissions(user);
  const name = `${bucket}-${role}`;
  const texts: Readonly<Record<NatsProvisioningText, () => string>> = {
    stream: () => JSON.stringify(config(), null, 2),
    // The tool's own flags for streams know neither first_seq nor all of the rest; and {{ would be a template to it.
    "nats-cli": () =>
      `nats req ${quote(`$JS.API.STREAM.CREATE.KV_${bucket}`)} ${quote(JSON.stringify(config()).replaceAll("{{", "{\\u007b"))}`,
    permissions: () =>
      "# for users: [ ] of authorization, or of an account with jetstream: enabled\n" +
      `{ user: "${name}", password: "CHANGE_ME", permissions: {\n` +
      `    publish: ${JSON.stringify(publish)}\n    subscribe: ${JSON.stringify(subscribe)} } }`,
    nsc: () =>
      `nsc add user --name ${name} --allow-pub ${quote(publish.join(","))} --allow-sub ${quote(subscribe.join(","))}`,
  };
  if (!Object.hasOwn(texts, text)) {
    throw new InvalidArgumentError(
      `there is text for ${Object.keys(texts).join(", ")}; got ${describe(text)}`,
    );
  }
  return `${texts[text]()}\n`;
}

/** One word to a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
