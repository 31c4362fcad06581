import { describe } from "../../core/durations.ts";
import { type FenceRejectedError, InvalidArgumentError } from "../../core/errors.ts";
import { type Fenced, fenceOf, fenceRejected } from "../../core/fence.ts";
import { checkOptions } from "../../core/options.ts";
import {
  type FenceablePut,
  type FenceableUpdate,
  type FenceExpressions,
  fenceExpressions,
  isLowLevel,
  withAssignment,
} from "./fence-expressions.ts";

/** Options of {@link dynamodbFence}. */
export interface DynamodbFenceOptions {
  /** The attribute with the largest fence that was seen, a number. Default: `fence`. */
  readonly attribute?: string;
}

/** An update that stores the fence, and is refused where a larger one stands. */
export type FencedUpdateInput<Input> = Omit<Input, keyof FenceExpressions | "UpdateExpression"> &
  FenceExpressions & { UpdateExpression: string };

/** A put that stores the fence, and is refused where a larger one stands. */
export type FencedPutInput<Input> = Omit<Input, keyof FenceExpressions> & FenceExpressions;

/**
 * Puts a grant's fence into writes of your own: for one item, or as `Update` and `Put` in a transaction, in the form
 * of either client. Sends nothing. Made by {@link dynamodbFence}.
 */
export interface DynamodbFence {
  /** The fence that is written. */
  readonly fence: number;
  /**
   * Shows the fence to the item without any other change, so that late writes of earlier holders are refused from now
   * on: the first act of a new holder. An item that is not there comes into being, with its key and the fence.
   */
  claim<Input extends FenceableUpdate>(input: Input): FencedUpdateInput<Input>;
  /**
   * The update with one more assignment, and one more condition next to its own. Without an `UpdateExpression` it is a
   * claim.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) without a key.
   */
  update<Input extends FenceableUpdate>(input: Input): FencedUpdateInput<Input>;
  /**
   * The put with one more attribute, and one more condition next to its own.
   *
   * @throws InvalidArgumentError (`INVALID_ARGUMENT`) without an item.
   */
  put<Input extends FenceablePut>(input: Input): FencedPutInput<Input>;
  /**
   * Hands on what became of a write, where a refusal because of the fence is a `FenceRejectedError`. Every other failure
   * stays as it is, also that of a condition of your own.
   *
   * @throws FenceRejectedError (`FENCE_REJECTED`) when the item has seen a larger fence. `cause` is the client's error.
   * The message says so where the client has sent it more than once, and an earlier attempt may have been applied.
   */
  checked<R>(sent: Promise<R>): Promise<R>;
  /**
   * The `FenceRejectedError` for an error of the client, or undefined when it is about something else.
   *
   * @param operation which operation of a transaction to look at, from 0. Default: every one of them. Say it where a
   * transaction holds the fences of several names: those of different names must not be compared.
   */
  rejection(error: unknown, operation?: number): FenceRejectedError | undefined;
}

/**
 * Guards items of your own with the fence of a grant: `attribute_not_exists(fence) OR fence <= :fence` is added to the
 * write's own condition, and the fence to what it writes. Equal fences are accepted: one holder may write often, and
 * a write that the client sent twice is not refused by its own first copy.
 *
 * Limit: an item that is deleted forgets the fence. Mark it as deleted instead, or keep the fence in an item of its own,
 * and `claim` that one in the transaction that deletes.
 *
 * @throws InvalidArgumentError (`INVALID_ARGUMENT`) for something that carries no fence.
 *
 * @example
 * ```ts
 * import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
 * import { DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";
 * import { connect } from "leasehold";
 * import { dynamodbFence } from "leasehold/dynamodb";
 *
 * const documents = DynamoDBDocumentClient.from(new DynamoDBClient({ endpoint: "http://127.0.0.1:8000" }));
 * await using coordinator = await connect("memory:");
 * await coordinator.lock("invoice-7").hold(async (grant) => {
 *   const fence = dynamodbFence(grant);
 *   const invoice = { TableName: "invoices", Key: { id: "invoice-7" } };
 *   await fence.checked(documents.send(new UpdateCommand(fence.claim(invoice))));
 *   const write = fence.update({
 *     ...invoice,
 *     UpdateExpression: "SET amount = :amount",
 *     ExpressionAttributeValues: { ":amount": 100 },
 *   });
 *   console.log(write.UpdateExpression); // SET #fence = :fence, amount = :amount
 *   await fence.checked(documents.send(new UpdateCommand(write)));
 * });
 * ```
 */
export function dynamodbFence(grant: Fenced, options: DynamodbFenceOptions = {}): DynamodbFence {
  checkOptions("dynamodbFence", options, ["attribute"]);
  const { attribute = "fence" } = options;
  if (typeof attribute !== "string" || attribute === "") {
    throw new InvalidArgumentError(`attribute must be the name of an attribute; got ${describe(attribute)}`);
  }
  const fence = fenceOf("dynamodbFence", grant);
  const valueFor = (lowLevel: boolean): unknown => (lowLevel ? { N: String(fence) } : fence);

  const update = <Input extends FenceableUpdate>(input: Input): FencedUpdateInput<Input> => {
    const value = valueFor(isLowLevel("Key", input?.Key));
    const { expressions, assignment } = fenceExpressions(input, attribute, value);
    const UpdateExpression = withAssignment(input.UpdateExpression, assignment);
    return { ...input, ...expressions, UpdateExpression };
  };
  const rejection = (error: unknown, operation?: number): FenceRejectedError | undefined => {
    const fences = refusingItems(error, operation).map((item) => fenceIn(item?.[attribute]));
    const seenFence = fences.find((seen) => seen > fence);
    if (seenFence === undefined) return undefined;
    // The last attempt was refused. Nobody knows what became of the ones before.
    const applied = ((error as ClientError).$metadata?.attempts ?? 1) > 1 ? "perhaps" : "no";
    return fenceRejected("a DynamoDB item", fence, seenFence, { applied, cause: error });
  };
  return {
    fence,
    claim: update,
    update,
    put(input) {
      const value = valueFor(isLowLevel("Item", input?.Item));
      const { expressions } = fenceExpressions(input, attribute, value);
      return { ...input, ...expressions, Item: { ...input.Item, [attribute]: value } };
    },
    async checked(sent) {
      try {
        return await sent;
      } catch (error) {
        throw rejection(error) ?? error;
      }
    },
    rejection,
  };
}

type Item = Readonly<Record<string, unknown>> | undefined;

interface ClientError {
  readonly name?: unknown;
  readonly $metadata?: { readonly attempts?: number };
  readonly Item?: Item;
  readonly CancellationReasons?: readonly { readonly Code?: unknown; readonly Item?: Item }[];
}

/** The items whose conditions failed, by the error's name: its class belongs to a package that is never imported here. */
function refusingItems(error: unknown, operation: number | undefined): readonly Item[] {
  const { name, Item, CancellationReasons: reasons = [] } = (error ?? {}) as ClientError;
  if (name === "ConditionalCheckFailedException") return [Item];
  if (name !== "TransactionCanceledException") return [];
  return reasons
    .filter((_, index) => operation === undefined || index === operation)
    .flatMap((reason) => (reason.Code === "ConditionalCheckFailed" ? [reason.Item] : []));
}

/** A fence as either client hands it out, also one that was told to wrap numbers; NaN for anything else. */
function fenceIn(value: unknown): number {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  const { N, value: wrapped } = (value ?? {}) as { readonly N?: unknown; readonly value?: unknown };
  return Number(N ?? wrapped ?? Number.NaN);
}
