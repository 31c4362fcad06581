import type { Delete, Put, TransactWriteItem, Update } from "@aws-sdk/client-dynamodb";
import { describe } from "../../core/durations.ts";
import { ConditionFailedError, InvalidArgumentError } from "../../core/errors.ts";
import type { Failure } from "./failure.ts";

/** A write of the user's own within a transaction: its only member, and what stands in it. */
export interface OwnWrite {
  readonly entry: TransactWriteItem;
  readonly table: string;
  /** At least the bytes that DynamoDB counts. */
  readonly bytes: number;
}

const members = ["Put", "Update", "Delete", "ConditionCheck"] as const;

/**
 * The entries of a transaction as they are sent, each asking for the item that its condition meets.
 *
 * @throws InvalidArgumentError for an object that is no entry.
 */
export function ownWrites(alongside: readonly object[]): readonly OwnWrite[] {
  return alongside.map((given, index) => {
    const [member, ...others] = members.filter((name) => Object.hasOwn(given ?? {}, name));
    const write = member === undefined ? undefined : (given as TransactWriteItem)[member];
    if (member === undefined || others.length > 0 || typeof write?.TableName !== "string") {
      throw new InvalidArgumentError(
        `alongside[${index}] must be { ${members.join(" | ")}: { TableName, ... } }, with values as the low-level ` +
          `client takes them; got ${describe(given)}`,
      );
    }
    const asking = { ...write, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as Put & Update & Delete;
    return { entry: { [member]: asking }, table: write.TableName, bytes: bytesOf(write) };
  });
}

/** The error for the first of the writes that DynamoDB refused, if it refused any of them for good. */
export function ownWriteError(
  writes: readonly OwnWrite[],
  failure: Failure,
  operations: number,
): Error | undefined {
  const { cause } = failure;
  for (const [index, { table }] of writes.entries()) {
    const { Code, Message, Item } = failure.reasons[operations + index] ?? {};
    const which = `alongside[${index}], on table ${table},`;
    if (Code === "ConditionalCheckFailed") {
      const message = `the condition of ${which} does not hold. Nothing of the commit was applied`;
      return new ConditionFailedError(message, { index, current: Item ?? null, cause });
    }
    if (Code === "ValidationError") {
      return new InvalidArgumentError(`DynamoDB refused ${which} as invalid: ${Message}`, { cause });
    }
  }
  return undefined;
}

function bytesOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value !== "object" || value === null) return 1;
  let bytes = 0;
  for (const [name, member] of Object.entries(value)) bytes += name.length + bytesOf(member);
  return bytes;
}
