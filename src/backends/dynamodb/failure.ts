import type { CancellationReason } from "@aws-sdk/client-dynamodb";
import type { Item } from "./item-codec.ts";

/** What a request that failed means, before it is known what was asked. */
export type FailureKind =
  /** A single write's condition did not hold. */
  | "condition"
  /** A transaction was cancelled; the reasons say why. */
  | "cancelled"
  /** Refused for the moment: too many requests, or another transaction is at work on the item. */
  | "busy"
  /** Nothing left this process. */
  | "unreachable"
  | "missing"
  | "denied"
  | "invalid"
  | "tooLarge"
  | "unsupported"
  /** No answer, or one that does not say whether it was applied. */
  | "unknown";

/** A failed request, classified. Internal: callers turn it into a `LeaseholdError`. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly kind: FailureKind;
  /** Whether an earlier attempt, sent by a client that retries by itself, may have been applied. */
  readonly ambiguous: boolean;
  /** Whether a time limit, ours or the client's, ended the wait: the request may still be on its way. */
  readonly timedOut: boolean;
  /** The item that stood against the condition. */
  readonly item: Item | undefined;
  readonly reasons: readonly CancellationReason[];
  /** The partition is at its limit because of one key. */
  readonly hotKey: boolean;

  constructor(error: unknown, timedOut: boolean) {
    const details = (typeof error === "object" && error !== null ? error : {}) as SdkError;
    super(`${details.name ?? "Error"}: ${details.message ?? String(error)}`, { cause: error });
    this.kind = timedOut ? "unknown" : classify(details);
    this.ambiguous = details.$metadata?.attempts !== 1;
    this.timedOut = timedOut || isTimeout(details);
    this.item = details.Item;
    this.reasons = details.CancellationReasons ?? [];
    const throttling = details.ThrottlingReasons ?? details.throttlingReasons ?? [];
    this.hotKey = throttling.some(({ reason }) => reason?.includes("KeyRange") === true);
  }
}

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly attempts?: number; readonly httpStatusCode?: number };
  readonly Item?: Item;
  readonly CancellationReasons?: readonly CancellationReason[];
  readonly ThrottlingReasons?: readonly { readonly reason?: string }[];
  readonly throttlingReasons?: readonly { readonly reason?: string }[];
}

// By name and never by `instanceof`: a process may carry several copies of the SDK.
const kindByName: Readonly<Record<string, FailureKind>> = {
  ConditionalCheckFailedException: "condition",
  TransactionCanceledException: "cancelled",
  ProvisionedThroughputExceededException: "busy",
  ThrottlingException: "busy",
  Throttling: "busy",
  RequestLimitExceeded: "busy",
  LimitExceededException: "busy",
  TransactionConflictException: "busy",
  ReplicatedWriteConflictException: "busy",
  ResourceNotFoundException: "missing",
  TableNotFoundException: "missing",
  AccessDeniedException: "denied",
  AccessDenied: "denied",
  KMSAccessDeniedException: "denied",
  UnrecognizedClientException: "denied",
  InvalidClientTokenId: "denied",
  ExpiredTokenException: "denied",
  ExpiredToken: "denied",
  InvalidSignatureException: "denied",
  IncompleteSignature: "denied",
  IncompleteSignatureException: "denied",
  MissingAuthenticationToken: "denied",
  MissingAuthenticationTokenException: "denied",
  SignatureDoesNotMatch: "denied",
  OptInRequired: "denied",
  ValidationException: "invalid",
  IdempotentParameterMismatchException: "invalid",
  SerializationException: "invalid",
  ItemCollectionSizeLimitExceededException: "tooLarge",
  RequestEntityTooLarge: "tooLarge",
  UnknownOperationException: "unsupported",
  CredentialsProviderError: "unreachable",
  TokenProviderError: "unreachable",
};

const neverSentCodes = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** The SDK also calls it a timeout when a connection is cut, which is known at once. */
function isTimeout({ name, code }: SdkError): boolean {
  return name === "TimeoutError" && code !== "ECONNRESET" && code !== "EPIPE";
}

function classify(error: SdkError): FailureKind {
  const byName = kindByName[error.name ?? ""];
  if (byName !== undefined) return byName;
  if (neverSentCodes.has(error.code ?? "")) return "unreachable";
  return "unknown";
}
