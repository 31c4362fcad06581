import { Command, Option } from "commander";
import type { DynamodbProvisioningText } from "../backends/dynamodb/index.ts";
import { usageError } from "./failure.ts";
import { print } from "./output.ts";
import type { CliContext } from "./program.ts";
import { foundUrl } from "./provision-url.ts";

/** The first of them choose what is done; the rest become parameters of the URL, whose parser knows what they mean. */
interface ProvisionDynamodbOptions {
  readonly url?: string;
  readonly table?: string;
  readonly region?: string;
  readonly account?: string;
  readonly print?: DynamodbProvisioningText;
  readonly ttl: boolean;
  readonly [parameter: string]: string | boolean | undefined;
}

const texts = [
  ...(["cloudformation", "terraform", "cdk", "aws-cli"] satisfies DynamodbProvisioningText[]),
  ...(["iam", "iam-setup", "environment"] satisfies DynamodbProvisioningText[]),
];

const help = `
Examples:
  leasehold provision dynamodb --url dynamodb://eu-west-1/jobs --streams both
  leasehold provision dynamodb --table jobs --print terraform > jobs.tf
  leasehold provision dynamodb --table jobs --print iam
  leasehold provision dynamodb --table jobs --print environment >> .env`;

/** Adds `leasehold provision dynamodb`: makes a table, or prints what others need to make it. */
export function addProvisionDynamodb(provision: Command, context: CliContext): void {
  const command = new Command("dynamodb")
    .summary("a table of DynamoDB")
    .description(
      "Makes the table, or looks whether the one that is there will do. With --print, asks nobody.",
    )
    .option("-u, --url <url>", "dynamodb://REGION/TABLE; else LEASEHOLD_URL")
    .option("-t, --table <name>", "the table, in place of the URL's (default: leasehold)")
    .option("--region <name>", "the Region, in place of the URL's")
    .option("--account <digits>", "with --print: the account, in ARNs (default: any)")
    .option("--key <attribute>", "the partition key (default: pk)")
    .option("--read-units <number>", "with --write-units: provisioned, and not on demand")
    .option("--write-units <number>", "with --read-units")
    .option("--read-units-max <number>", "on demand, at most so many a second")
    .option("--write-units-max <number>", "on demand, at most so many a second")
    .option("--encryption <key>", "aws-owned, aws-managed or the ARN of a key in KMS")
    .option("--streams <view>", "keys-only, new-image, old-image or both")
    .option("--tags <tags>", "such as team=billing,stage=test")
    .option("--table-class <class>", "STANDARD or STANDARD_INFREQUENT_ACCESS")
    .option("--deletion-protection", "refuse to delete the table")
    .option("--point-in-time-recovery", "continuous backups")
    .option("--list-index <name>", "an index by which listings need not read the whole table")
    .option("--no-ttl", "leave the collection of expired records off")
    .addOption(new Option("--print <what>", "print it instead").choices(texts))
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", help);
  provision.addCommand(
    command.action(async () => {
      const [argument] = command.args;
      if (argument !== undefined || context.command !== undefined) {
        throw usageError(`provision dynamodb takes options only; got ${argument ?? "--"}`);
      }
      const options = command.opts<ProvisionDynamodbOptions>();
      const url = urlOf(options, context.environment);
      // Nobody else loads it.
      const dynamodb = await import("../backends/dynamodb/index.ts");
      if (options.print !== undefined) {
        const table = dynamodb.dynamodbOptionsFromUrl(url);
        const { account } = options;
        await print(dynamodb.dynamodbProvisioning(options.print, { ...table, ...(account && { account }) }));
        return;
      }
      const backend = await dynamodb.dynamodbBackendFromUrl(url);
      try {
        await backend.setup();
        await print(`the table ${backend.table} is ready\n`);
      } finally {
        await backend.close();
      }
    }),
  );
}

/** The URL with what the options say. Who only prints needs none. */
function urlOf(options: ProvisionDynamodbOptions, environment: NodeJS.ProcessEnv): string {
  const { url, table, region, account: _account, print: text, ttl, ...settings } = options;
  const shared = environment.LEASEHOLD_URL ?? "";
  const isEnough = text !== undefined || region !== undefined;
  const given = url ?? (shared.startsWith("dynamodb:") ? shared : isEnough ? "dynamodb://" : "");
  const [, host, path = "", query = ""] = /^dynamodb:\/\/([^/?]*)(\/[^?]*)?(?:\?(.*))?$/.exec(given) ?? [];
  if (host === undefined) {
    throw usageError(
      `provision dynamodb needs --url (or LEASEHOLD_URL) like dynamodb://eu-west-1/table; ${foundUrl(url, environment, /^dynamodb:/)}`,
    );
  }
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries(settings)) parameters.set(name, String(value));
  if (!ttl) parameters.set("timeToLive", "false");
  if (settings.readUnits !== undefined || settings.writeUnits !== undefined) {
    parameters.set("billing", "provisioned");
  }
  const place = table === undefined ? path : `/${encodeURIComponent(table)}`;
  return `dynamodb://${region ?? host}${place}?${parameters}`;
}
