import { MissingDependencyError } from "../../core/errors.ts";

/** The AWS SDK's package for DynamoDB. Types only: nothing is loaded before the first request. */
export type Sdk = typeof import("@aws-sdk/client-dynamodb");

let loaded: Promise<Sdk> | undefined;

/**
 * Loads `@aws-sdk/client-dynamodb` on first use.
 *
 * @throws MissingDependencyError when it is not installed.
 */
export async function loadSdk(): Promise<Sdk> {
  loaded ??= import("@aws-sdk/client-dynamodb");
  try {
    return await loaded;
  } catch (error) {
    loaded = undefined;
    throw new MissingDependencyError(
      "the dynamodb backend needs the package @aws-sdk/client-dynamodb, which could not be loaded. " +
        "Install it: npm install @aws-sdk/client-dynamodb",
      { cause: error },
    );
  }
}
