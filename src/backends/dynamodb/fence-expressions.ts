import { describe } from "../../core/durations.ts";
import { InvalidArgumentError } from "../../core/errors.ts";

/** The members of a write that a fence has a part in. Inputs of both clients fit, for one item or in a transaction. */
export interface FenceableWrite {
  readonly ConditionExpression?: string | undefined;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>> | undefined;
  readonly ExpressionAttributeValues?: Readonly<Record<string, unknown>> | undefined;
}

/** An update: of an `UpdateCommand`, an `UpdateItemCommand`, or `Update` in a transaction. */
export interface FenceableUpdate extends FenceableWrite {
  readonly Key: Readonly<Record<string, unknown>> | undefined;
  readonly UpdateExpression?: string | undefined;
}

/** A put: of a `PutCommand`, a `PutItemCommand`, or `Put` in a transaction. */
export interface FenceablePut extends FenceableWrite {
  readonly Item: Readonly<Record<string, unknown>> | undefined;
}

/** What a fence writes into a write. */
export interface FenceExpressions {
  ConditionExpression: string;
  ExpressionAttributeNames: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: each client has its own type of values.
  ExpressionAttributeValues: Record<string, any>;
  ReturnValuesOnConditionCheckFailure: "ALL_OLD";
}

/** The condition of a fence, next to the caller's own, and the assignment that goes with it. */
export function fenceExpressions(
  input: FenceableWrite,
  attribute: string,
  value: unknown,
): { readonly expressions: FenceExpressions; readonly assignment: string } {
  const { ConditionExpression: own, ExpressionAttributeNames: names = {} } = input;
  const { ExpressionAttributeValues: values = {} } = input;
  const name = freeName("#fence", names);
  const placeholder = freeName(":fence", values);
  const condition = `(attribute_not_exists(${name}) OR ${name} <= ${placeholder})`;
  const expressions = {
    ConditionExpression:
      own === undefined || own.trim() === "" ? condition : `${condition} AND ${inParentheses(own)}`,
    ExpressionAttributeNames: { ...names, [name]: attribute },
    ExpressionAttributeValues: { ...values, [placeholder]: value },
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  } as const;
  return { expressions, assignment: `${name} = ${placeholder}` };
}

/** In one pair of parentheses: DynamoDB refuses two as redundant. */
function inParentheses(condition: string): string {
  const text = condition.trim();
  let depth = 0;
  for (const [index, character] of [...text].entries()) {
    if (character === "(") depth += 1;
    if (character === ")") depth -= 1;
    // The first pair ends here, before the text does, or there is none.
    if (depth === 0 && index < text.length - 1) return `(${text})`;
  }
  return text.startsWith("(") ? text : `(${text})`;
}

/** A placeholder that the write does not use yet. */
function freeName(prefix: string, taken: Readonly<Record<string, unknown>>): string {
  for (let number = 0; number <= Object.keys(taken).length; number += 1) {
    const name = number === 0 ? prefix : `${prefix}${number}`;
    if (!Object.hasOwn(taken, name)) return name;
  }
  throw new RangeError("there is always a free name");
}

/** SET as a keyword: no attribute, which would be `#set`, nor value, which would be `:set`. It stands there at most once. */
const setClause = /(?<![\w#:.-])SET(?![\w-])/i;

/** An update expression with one more assignment. */
export function withAssignment(expression: string | undefined, assignment: string): string {
  if (expression === undefined || expression.trim() === "") return `SET ${assignment}`;
  if (setClause.test(expression)) return expression.replace(setClause, () => `SET ${assignment},`);
  return `SET ${assignment} ${expression}`;
}

const attributeTypes = ["S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"];

/**
 * Whether attributes are written as the low-level client takes them, `{ S: "..." }`. They include those of the key,
 * which the document client takes as strings, numbers or bytes: so the two can always be told apart.
 *
 * @throws InvalidArgumentError when there are none.
 */
export function isLowLevel(what: string, attributes: Readonly<Record<string, unknown>> | undefined): boolean {
  if (typeof attributes !== "object" || attributes === null || Object.keys(attributes).length === 0) {
    throw new InvalidArgumentError(
      `${what} must be an object with the attributes of the item's key; got ${describe(attributes)}`,
    );
  }
  return Object.values(attributes).every(isAttributeValue);
}

function isAttributeValue(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const [type, ...others] = Object.keys(value);
  return others.length === 0 && attributeTypes.includes(type ?? "");
}
