import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError } from "../../../core/errors.ts";
import { checkOptions } from "../../../core/options.ts";
import { type DynamodbBackendOptions, resolveOptions, type Settings } from "../options.ts";

/** What a table is made with: the options of `dynamodbBackend` that are about the table, and where it is. */
export interface DynamodbProvisioningOptions
  extends Pick<DynamodbBackendOptions, "table" | "attributes" | "create" | "listIndex" | "timeToLive"> {
  /** Default: any. */
  readonly region?: string;
  /** The account's twelve digits. Default: any. */
  readonly account?: string;
}

/** A table as it is to be made, with its names. */
export interface TableDefinition {
  readonly settings: Settings;
  readonly name: string;
  readonly region: string | undefined;
  /** The ARN; `unknown` stands where Region or account was left out. */
  arn(unknown: readonly [region: string, account: string]): string;
}

const optionNames = ["table", "attributes", "create", "listIndex", "timeToLive", "region", "account"];

/** @throws InvalidArgumentError for an option out of its range. */
export function tableDefinition(options: DynamodbProvisioningOptions): TableDefinition {
  checkOptions("dynamodbProvisioning", options, optionNames);
  const { region, account, ...rest } = options;
  if (!/^[-a-z0-9]+$/.test(region ?? "any") || !/^\d{12}$/.test(account ?? "123456789012")) {
    throw new InvalidArgumentError(
      `region and account must be like eu-west-1 and 123456789012; got ${describe(region)} and ${describe(account)}`,
    );
  }
  const settings = resolveOptions(rest);
  const given = settings.table;
  const name = given.slice(given.lastIndexOf("/") + 1);
  return {
    settings: { ...settings, table: name },
    name,
    region,
    arn([anyRegion, anyAccount]) {
      if (given !== name) return given;
      const partition = /^(cn|us-gov)-/.exec(region ?? "")?.[1];
      const place = `${region ?? anyRegion}:${account ?? anyAccount}`;
      return `arn:aws${partition === undefined ? "" : `-${partition}`}:dynamodb:${place}:table/${name}`;
    },
  };
}
