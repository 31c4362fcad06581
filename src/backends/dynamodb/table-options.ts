import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";

/** How {@link DynamodbBackendOptions.create} makes a table that is missing. Never applied to an existing one. */
export interface TableOptions {
  /**
   * `on-demand`, with or without a bound on the units a second (beyond it, heartbeats are refused like the rest), or
   * provisioned units a second. Default: `on-demand`.
   */
  readonly billing?:
    | "on-demand"
    | { readonly readUnits: number; readonly writeUnits: number }
    | { readonly readUnitsMax?: number; readonly writeUnitsMax?: number };
  /** `aws-owned` (free), `aws-managed`, or the ARN of a key in KMS. Default: `aws-owned`. */
  readonly encryption?: string;
  /** Continuous backups. A restored table repeats versions and fences; see the documentation. Default: false. */
  readonly pointInTimeRecovery?: boolean;
  /** A stream of changes, for functions and pipes of your own: what each of its records shows. Default: none. */
  readonly streams?: "keys-only" | "new-image" | "old-image" | "both";
  /** Refuse `DeleteTable`. Default: false. */
  readonly deletionProtection?: boolean;
  /** Default: `STANDARD`. */
  readonly tableClass?: "STANDARD" | "STANDARD_INFREQUENT_ACCESS";
  readonly tags?: Readonly<Record<string, string>>;
}

/** DynamoDB's words for {@link TableOptions.streams}. */
export const streamViews = {
  "keys-only": "KEYS_ONLY",
  "new-image": "NEW_IMAGE",
  "old-image": "OLD_IMAGE",
  both: "NEW_AND_OLD_IMAGES",
} as const;

const names = [
  "billing",
  "encryption",
  "pointInTimeRecovery",
  "streams",
  "deletionProtection",
  "tableClass",
  "tags",
];

/** @throws InvalidArgumentError for an option that cannot work. */
export function checkedTableOptions(create: TableOptions): TableOptions {
  checkOptions("create", create, names);
  const { billing = "on-demand", encryption = "aws-owned", tags = {}, tableClass = "STANDARD" } = create;
  const refuse = (name: string, expected: string, value: unknown): never => {
    throw new InvalidArgumentError(`${name} must be ${expected}; got ${describe(value)}`);
  };
  const units = typeof billing === "object" ? Object.entries(billing ?? {}) : [];
  const isKnown = /^(readUnits,writeUnits|(readUnitsMax)?,?(writeUnitsMax)?)$/.test(
    units
      .map(([name]) => name)
      .sort()
      .join(),
  );
  const isNumbers = units.every(([, value]) => Number.isSafeInteger(value) && value > 0);
  if (billing !== "on-demand" && (units.length === 0 || !isKnown || !isNumbers)) {
    const expected =
      "on-demand, { readUnits, writeUnits } or { readUnitsMax, writeUnitsMax }, whole numbers from 1";
    refuse("billing", expected, JSON.stringify(billing));
  }
  if (!/^(aws-owned|aws-managed|arn:[-:/\w]+)$/.test(encryption)) {
    refuse("encryption", "aws-owned, aws-managed or the ARN of a key in KMS", encryption);
  }
  if (!/^STANDARD(_INFREQUENT_ACCESS)?$/.test(tableClass)) {
    refuse("tableClass", "STANDARD or STANDARD_INFREQUENT_ACCESS", tableClass);
  }
  if (create.streams !== undefined && !Object.hasOwn(streamViews, create.streams)) {
    refuse("streams", Object.keys(streamViews).join(", "), create.streams);
  }
  for (const name of ["pointInTimeRecovery", "deletionProtection"] as const) {
    if (typeof (create[name] ?? false) !== "boolean") refuse(name, "true or false", create[name]);
  }
  if (typeof tags !== "object" || !Object.values(tags).every((value) => typeof value === "string")) {
    refuse("tags", "an object of texts", tags);
  }
  return create;
}
