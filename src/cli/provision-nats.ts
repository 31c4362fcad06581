import { Command, Option } from "commander";
import type { NatsProvisioningText, NatsRole } from "../backends/nats/index.ts";
import { usageError } from "./failure.ts";
import { print } from "./output.ts";
import type { CliContext } from "./program.ts";
import { foundUrl } from "./provision-url.ts";

/** The options that become parameters of the URL, whose parser knows what they mean. */
interface BucketOptions {
  readonly replicas?: string;
  readonly storage?: string;
  readonly maxBytes?: string;
  readonly maxValueBytes?: string;
  readonly compression?: true;
  readonly cluster?: string;
  readonly tags?: string;
  readonly description?: string;
  readonly mirror?: string;
  readonly sources?: string;
}

interface ProvisionNatsOptions extends BucketOptions {
  readonly url?: string;
  readonly bucket?: string;
  readonly print?: NatsProvisioningText;
  readonly role: NatsRole;
  readonly inboxPrefix?: string;
  readonly sweep?: true;
}

const texts = ["stream", "nats-cli", "permissions", "nsc"] satisfies NatsProvisioningText[];
const roles = ["runtime", "setup", "read-only"] satisfies NatsRole[];

const help = `
Examples:
  leasehold provision nats --url nats://admin:secret@a,b,c/jobs --replicas 3
  leasehold provision nats --bucket jobs --print permissions --role read-only
  sh -c "$(leasehold provision nats --bucket jobs --print nats-cli)"`;

/** Adds `leasehold provision nats`: makes a bucket, or prints what others need to make it. */
export function addProvisionNats(provision: Command, context: CliContext): void {
  const command = new Command("nats")
    .summary("a bucket of NATS JetStream")
    .description(
      "Makes the bucket, or looks whether the one that is there will do. With --print, asks nobody.",
    )
    .option("-u, --url <url>", "nats://HOST:4222/BUCKET; else LEASEHOLD_URL")
    .option("-b, --bucket <name>", "the bucket, in place of the URL's (default: leasehold)")
    .option("--replicas <number>", "copies in a cluster, 1 to 5")
    .option("--storage <kind>", "file or memory")
    .option("--max-bytes <number>", "size of the bucket; a full one refuses writes")
    .option("--max-value-bytes <number>", "largest value, from 131072")
    .option("--compression", "compress the file storage")
    .option("--cluster <name>", "the cluster that it is placed in")
    .option("--tags <tags>", "the tags of the servers that it is placed on, with commas between")
    .option("--description <text>", "shown by the tools of NATS")
    .option("--mirror <bucket>", "a read-only copy of BUCKET, or of DOMAIN/BUCKET")
    .option("--sources <buckets>", "a read-only copy of several, with commas between")
    .addOption(new Option("--print <what>", "print it instead").choices(texts))
    .addOption(
      new Option("--role <role>", "with permissions and nsc: for whom").choices(roles).default("runtime"),
    )
    .option("--inbox-prefix <prefix>", "with permissions and nsc: of the connections (default: _INBOX)")
    .option("--sweep", "with permissions and nsc: also what servers before 2.11 need to lose expired records")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", help);
  provision.addCommand(
    command.action(async () => {
      if (command.args.length > 0)
        throw usageError(`provision nats takes options only; got ${command.args[0]}`);
      const options = command.opts<ProvisionNatsOptions>();
      const url = urlOf(options, context.environment);
      const { print: text, role, inboxPrefix, sweep } = options;
      // Nobody else loads it.
      const nats = await import("../backends/nats/index.ts");
      if (text !== undefined) {
        const user = { role, ...(inboxPrefix !== undefined && { inboxPrefix }), ...(sweep && { sweep }) };
        await print(nats.natsProvisioning(text, { ...nats.natsOptionsFromUrl(url), ...user }));
        return;
      }
      const backend = await nats.natsBackendFromUrl(url);
      try {
        await backend.setup();
        const { bucket } = nats.natsBucketOf(backend);
        const kind = backend.capabilities.commitOperationsMax === 0 ? "read-only bucket" : "bucket";
        const version = nats.natsConnectionOf(backend).info?.version;
        await print(`the ${kind} ${bucket} is ready, on nats-server ${version}\n`);
      } finally {
        await backend.close();
      }
    }),
  );
}

/** The URL with what the options say. Who only prints needs none. */
function urlOf(options: ProvisionNatsOptions, environment: NodeJS.ProcessEnv): string {
  const { url, bucket, print: text, role: _role, inboxPrefix: _inbox, sweep: _sweep, ...settings } = options;
  const shared = environment.LEASEHOLD_URL ?? "";
  const given = url ?? (/^(nats|tls):/.test(shared) ? shared : text === undefined ? "" : "nats://127.0.0.1");
  const [, server, path = "", query = ""] =
    /^((?:nats|tls):\/\/[^/?]+)(\/[^?]*)?(?:\?(.*))?$/.exec(given) ?? [];
  if (server === undefined) {
    throw usageError(
      `provision nats needs --url (or LEASEHOLD_URL) like nats://127.0.0.1:4222/bucket; ${foundUrl(url, environment, /^(nats|tls):/)}`,
    );
  }
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries(settings)) parameters.set(name, String(value));
  return `${server}${bucket === undefined ? path : `/${encodeURIComponent(bucket)}`}?${parameters}`;
}
