import { describe } from "../../../core/durations.ts";
import { InvalidArgumentError } from "../../../core/errors.ts";
import { runtimePolicy, setupPolicy } from "./policies.ts";
import { type DynamodbProvisioningOptions, tableDefinition } from "./table-definition.ts";
import { awsCli, cdk, cloudformation, environment, json, terraform } from "./templates.ts";

const texts = {
  cloudformation,
  terraform,
  cdk,
  iam: (definition: Parameters<typeof runtimePolicy>[0]) => json(runtimePolicy(definition)),
  "iam-setup": (definition: Parameters<typeof setupPolicy>[0]) => json(setupPolicy(definition)),
  environment,
  "aws-cli": awsCli,
};

/**
 * `cloudformation`: a template, in JSON. `terraform`: a resource. `cdk`: statements for the constructor of a stack, in
 * TypeScript. `iam`: the policy of a process that runs; `iam-setup`: of one that makes the table. `environment`: the
 * lines that name the table for `tableFromEnvironment`. `aws-cli`: commands.
 */
export type DynamodbProvisioningText = keyof typeof texts;

/**
 * What others need to make the table, or to use it, as text that ends with a line feed. All of it, and what `setup()`
 * makes, comes from one definition. Asks nobody.
 *
 * @throws InvalidArgumentError for an option out of its range.
 * @example
 * ```ts
 * import { dynamodbProvisioning } from "leasehold/dynamodb";
 * console.log(dynamodbProvisioning("environment", { table: "users", region: "eu-west-1", account: "123456789012" }));
 * ```
 */
export function dynamodbProvisioning(
  text: DynamodbProvisioningText,
  options: DynamodbProvisioningOptions = {},
): string {
  if (!Object.hasOwn(texts, text)) {
    throw new InvalidArgumentError(
      `there is text for ${Object.keys(texts).join(", ")}; got ${describe(text)}`,
    );
  }
  return `${texts[text](tableDefinition(options))}\n`;
}
