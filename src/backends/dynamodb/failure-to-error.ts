import {
  LeaseholdError,
  LimitExceededError,
  OutcomeUnknownError,
  PermissionDeniedError,
  StoreMisconfiguredError,
  StoreMissingError,
  UnavailableError,
  UnsupportedError,
} from "../../core/errors.ts";
import { Failure } from "./failure.ts";

/** What was asked, for the error's kind and message. */
export interface AskedFor {
  /** For messages: `PutItem`. */
  readonly operation: string;
  /** Whether it could have changed something. */
  readonly write: boolean;
  readonly table: string;
  /** For messages: Region and endpoint. */
  readonly where: string;
  /** The key, where there is only one. */
  readonly key?: string;
  /** Whether an earlier copy of the same request got no answer. */
  readonly sentBefore?: boolean;
}

/**
 * The `LeaseholdError` for a request that failed for good. A write that a client has sent more than once is only
 * ever `OUTCOME_UNKNOWN`: the last answer says nothing about the attempts before it.
 */
export function failureToError(error: unknown, asked: AskedFor): Error {
  const { operation, table, where } = asked;
  if (!(error instanceof Failure)) {
    // Closed, while an earlier copy of a write was still without an answer.
    const isUnknown = error instanceof OutcomeUnknownError;
    if (asked.sentBefore === true && error instanceof LeaseholdError && !isUnknown) {
      return new OutcomeUnknownError(`${operation} on table ${table} was abandoned: ${error.message}`, {
        cause: error,
      });
    }
    return error instanceof Error ? error : new Error(String(error));
  }
  const cause = { cause: error.cause };
  const target = `${operation} on table ${table} (${where})`;
  if (error.kind === "missing") {
    return new StoreMissingError(
      `the DynamoDB table ${table} does not exist (${where}). Create it with setup() or your own tooling; ` +
        "if it was there before, it was deleted, and with it every lock and counter",
      cause,
    );
  }
  if (asked.write && couldHaveBeenApplied(error, asked)) {
    return new OutcomeUnknownError(
      `${target} left and its outcome is unknown: it may have been applied, or may still be (${error.message})`,
      cause,
    );
  }
  switch (error.kind) {
    case "busy":
    case "cancelled":
      return new UnavailableError(
        `${target} was refused for the moment${hint(error, asked)}: ${error.message}`,
        cause,
      );
    case "denied":
      return new PermissionDeniedError(
        `${target} is not permitted to these credentials: ${error.message}. ` +
          "Grant the actions listed in docs/dynamodb.md, or check the credentials and the clock",
        cause,
      );
    case "tooLarge":
      return new LimitExceededError(`${target} is larger than DynamoDB takes: ${error.message}`, cause);
    case "unsupported":
      return new UnsupportedError(`this DynamoDB endpoint does not know ${operation} (${where})`, cause);
    case "invalid":
      return new StoreMisconfiguredError(
        `${target} was refused as invalid: ${error.message}. The table does not fit leasehold's items; ` +
          "check its key schema and the attributes option",
        cause,
      );
    default:
      return new UnavailableError(
        `${target} got no answer: ${error.message}. ${reachabilityHint(error)}`,
        cause,
      );
  }
}

/** Credentials are looked up before the first attempt, so their absence is certain whatever the client does. */
function couldHaveBeenApplied(error: Failure, asked: AskedFor): boolean {
  if (asked.sentBefore === true || error.kind === "unknown") return true;
  return error.ambiguous && !isCredentialFailure(error);
}

function isCredentialFailure(error: Failure): boolean {
  return /^(Credentials|Token)ProviderError:/.test(error.message);
}

function hint(error: Failure, asked: AskedFor): string {
  if (!error.hotKey) return "";
  const key = asked.key === undefined ? "a key" : `key ${asked.key}`;
  return `: ${key} is hot, one partition takes about 1,000 writes or 3,000 reads a second`;
}

function reachabilityHint(error: Failure): string {
  if (isCredentialFailure(error)) {
    return "No credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or pass a client that has some";
  }
  return "Check that the endpoint and the Region are right and that the service runs and can be reached from here";
}
