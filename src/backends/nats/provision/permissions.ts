import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError } from "../../../core/errors.ts";
import { checkOptions } from "../../../core/options.ts";
import { changesPrefix } from "../bucket-config.ts";
import { nameForm, subjectPrefixOf } from "../copied-bucket.ts";

/** What a NATS user is for: to use the bucket, to make it, or only to look. */
export type NatsRole = "runtime" | "setup" | "read-only";

/** Options of {@link natsPermissions}. */
export interface NatsPermissionsOptions {
  readonly bucket: string;
  readonly role: NatsRole;
  /** Where answers come to, as the connection's `inboxPrefix` says. Default: `_INBOX`. */
  readonly inboxPrefix?: string;
  /** With what collecting expired records takes on servers before 2.11: it allows to purge the bucket. Default: false. */
  readonly sweep?: boolean;
}

/** The subjects that a user may publish and subscribe to. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * The least that leasehold needs in one role, as lists to allow; everything else can be denied.
 *
 * @throws InvalidArgumentError for an option out of its range.
 */
export function natsPermissions(options: NatsPermissionsOptions): NatsPermissions {
  checkOptions("natsPermissions", options, ["bucket", "role", "inboxPrefix", "sweep"]);
  const { bucket, role, inboxPrefix = "_INBOX", sweep = false } = options;
  if (!nameForm.test(bucket) || !/^[^\s*>.]+(\.[^\s*>.]+)*$/.test(inboxPrefix)) {
    throw new InvalidArgumentError(
      `permissions are for a bucket and an inbox prefix; got ${describe(bucket)} and ${describe(inboxPrefix)}`,
    );
  }
  const api = (name: string): string => `$JS.API.STREAM.${name}.KV_${bucket}`;
  const wakes = `leasehold.${bucket}.wake.*`;
  const records = subjectPrefixOf(bucket);
  const reading = [api("INFO"), api("MSG.GET")];
  const publish = {
    runtime: [`${records}>`, wakes, ...reading, ...(sweep ? [api("PURGE")] : [])],
    // Servers before 2.12 need a message at the beginning of a new bucket.
    setup: [`${records}leasehold/first`, api("INFO"), api("CREATE")],
    "read-only": reading,
  };
  if (!Object.hasOwn(publish, role)) {
    throw new InvalidArgumentError(`role must be ${Object.keys(publish).join(", ")}; got ${describe(role)}`);
  }
  const inbox = `${inboxPrefix}.>`;
  const changes = `${changesPrefix(bucket)}>`;
  const subscribe = { runtime: [inbox, changes, wakes], setup: [inbox], "read-only": [inbox, changes] };
  return { publish: publish[role], subscribe: subscribe[role] };
}
