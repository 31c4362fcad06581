import { StoreMisconfiguredError } from "../../../core/errors.ts";
import { refused } from "./attribute-values.ts";

/** Where a table is, as the environment says. */
export interface EnvironmentTable {
  /** What requests name: the name of the table or, where only that is known, its ARN. */
  readonly name: string;
  readonly arn: string | undefined;
}

/**
 * The table that the environment names for `name`: `KV_USERS` and `KV_USERS_ARN` for `users`, `KV_USER_PROFILES` for
 * `user-profiles`.
 *
 * @throws StoreMisconfiguredError (`STORE_MISCONFIGURED`) naming the variable that is missing.
 */
export function tableFromEnvironment(
  name: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): EnvironmentTable {
  if (typeof name !== "string" || !/[a-z0-9]/i.test(name)) {
    throw refused("the name of a table", 'a text with letters or digits, such as "user-profiles"', name);
  }
  const variable = `KV_${name.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`;
  // An empty variable is how shells and deployments leave one out.
  const arn = environment[`${variable}_ARN`] || undefined;
  const table = environment[variable] || arn;
  if (table !== undefined) return { name: table, arn };
  throw new StoreMisconfiguredError(
    `the environment has no ${variable}, which names the table for ${JSON.stringify(name)}, nor ${variable}_ARN; set one of them`,
  );
}
